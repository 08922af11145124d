"""The sky: sites, Earth orientation, and directions of events to the sky and back."""

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
