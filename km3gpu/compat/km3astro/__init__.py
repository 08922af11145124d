"""The interface of km3astro 0.17 over km3gpu's sky.

Change ``import km3astro.coord as kc`` to ``import km3gpu.compat.km3astro.coord as
kc`` and a script runs as before, but for what was wrong:

- the meridian convergence had the terms of third and higher order subtracted
  instead of added: 7.1 arcsec at ORCA, 6.2 at ANTARES, 0.3 at ARCA;
- transforming between detectors (``transform_to(event, "UTM", "orca")`` of an event
  at ARCA) gave the angles back unchanged; now it goes through the sky;
- RX J1713.7-3946 stood at 17h17m, a degree off: it is at 17h13m;
- ``get_ra_dec(..., unit="hourangle")`` failed, the guard of the latitude never
  fired, `Event` forgot its location, times lost their nanoseconds;
- Sun and Moon in local coordinates are topocentric, with aberration by the Earth's
  rotation (0.4 arcsec); `Moon` works with any astropy;
- visibility maps are a formula and not a day in steps of ten minutes, and nothing is
  written into the installed package.

Tables (pandas) are transformed all at once, not row by row.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["constants", "coord", "frame", "plot", "random", "sources", "time", "toolbox"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
