"""The sky: sites, Earth orientation, and directions of events to the sky and back.

Directions are where particles travel to, as unit vectors in the detector's axes; sky
positions are where they come from, in radians; times are int64 UTC ns since 1970, or
datetimes and astropy Times.

>>> from km3gpu import astro
>>> dx, dy, dz = astro.local_of(0.5, 2.1)  # azimuth and zenith of where it comes from
>>> ra, dec = astro.local_to_icrs(1_666_699_200 * 10**9, dx, dy, dz, "arca")
>>> round(float(ra), 6), round(float(dec), 6)
(6.281437, 0.026348)

====================  ==============================================================
here                  bulk directions: `local_to_icrs`, `icrs_to_local`, `local_to_sky`,
                      `sky_to_local`, `local_to_horizontal`, `azimuth_zenith`, ...;
                      `body_to_local` for the Sun and the Moon
`astro.frames`        the same as frames of astropy, for `SkyCoord`
`astro.separation`    angles, offsets, the shadow of the Sun or the Moon
`astro.sources`       the bundled sources, lists from CSV or FITS, matches
`astro.visibility`    how long places are in view: of a day, of a run list, as a map
`astro.healpix`       pixels, centres, counts of events
`astro.mapfile`       HEALPix maps in FITS files
`astro.scramble`      background from the data: other events' times
`astro.aanet`         aanet's own conventions, to compare with old files
====================  ==============================================================
"""

from __future__ import annotations

import importlib
from types import ModuleType

from km3gpu.astro.bodies import body_to_local
from km3gpu.astro.celestial import turned
from km3gpu.astro.horizontal import azimuth_zenith, horizontal_to_local, local_of, local_to_horizontal
from km3gpu.astro.sites import SITES, Site, site
from km3gpu.astro.tables import DegradedSkyWarning, SkyTable, sky_table
from km3gpu.astro.times import utc_ns
from km3gpu.astro.transform import icrs_to_local, local_to_icrs, local_to_sky, sky_to_local

_ROOMS = ("aanet", "frames", "healpix", "mapfile", "scramble", "separation", "sources", "visibility")

__all__ = [
    "SITES",
    "DegradedSkyWarning",
    "Site",
    "SkyTable",
    "azimuth_zenith",
    "body_to_local",
    "horizontal_to_local",
    "icrs_to_local",
    "local_of",
    "local_to_horizontal",
    "local_to_icrs",
    "local_to_sky",
    "site",
    "sky_table",
    "sky_to_local",
    "turned",
    "utc_ns",
]


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:  # some of them import astropy
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
