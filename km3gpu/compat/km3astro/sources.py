"""Sources by the names of km3astro, as `SkyCoord`."""

from __future__ import annotations

import astropy.units as u
from astropy.coordinates import SkyCoord

from km3gpu.astro.sources import source as _source

__all__ = [
    "ANTARES",
    "ARCTURUS",
    "CANOPUS",
    "GALACTIC_CENTER",
    "RX_J1713",
    "SAGITTARIUS_A_STAR",
    "SIRIUS",
    "VELA_X",
]


def _coord(name: str) -> SkyCoord:
    found = _source(name)
    return SkyCoord(found.ra * u.rad, found.dec * u.rad)


SIRIUS = _coord("Sirius")
CANOPUS = _coord("Canopus")
ARCTURUS = _coord("Arcturus")
ANTARES = _coord("Antares")
RX_J1713 = _coord("RX J1713.7-3946")
VELA_X = _coord("Vela X")
SAGITTARIUS_A_STAR = _coord("Sgr A*")
GALACTIC_CENTER = SAGITTARIUS_A_STAR
