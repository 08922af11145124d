"""The interface of km3astro 0.17 over km3gpu's sky.

Change ``import km3astro.coord as kc`` to ``import km3gpu.compat.km3astro.coord as
kc`` and a script runs as before, but for what was wrong:

- the meridian convergence had the terms of third and higher order subtracted
  instead of added: 7.1 arcsec at ORCA, 6.2 at ANTARES, 0.3 at ARCA;
- transforming between detectors (``transform_to(event, "UTM", "orca")`` of an event
  at ARCA) gave the angles back unchanged; now it goes through the sky;
- RX J1713.7-3946 stood at 17h17m, a degree off: it is at 17h13m;
- ``get_ra_dec(..., unit="hourangle")`` failed, `Event` forgot its location, times
  lost their nanoseconds;
- Sun and Moon in local coordinates are topocentric, with aberration by the Earth's
  rotation (the Moon 0.34 arcsec, the Sun 0.01); `Moon` works with any astropy;
- stars have the digits of their catalogue (up to 0.7 arcsec);
- visibility maps are a formula and not a day in steps of ten minutes, and nothing is
  written into the installed package.

Keywords that km3astro itself calls deprecated (``file0, plot_frame, save`` and others of
the sky maps) are refused by name.  Tables (pandas) are transformed all at once, not row
by row.  With the sign of the convergence mended in km3astro 0.17.0, events, the Galactic
centre and positions between frames agree with ours to 0.03 mas; random numbers are the
same from the same seed.  Its six example scripts run with the import line changed, and
so do its own tests of these modules but one, which needs a numpy before 2.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["constants", "coord", "frame", "plot", "random", "sources", "time", "toolbox"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
