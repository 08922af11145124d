"""Random angles and times, by the names of km3astro.

They come from numpy's global generator, which scripts seed with ``np.random.seed``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.compat.km3astro.time import np_to_astrotime
from km3gpu.errors import UnknownNameError

__all__ = [
    "equidistant_from_interval",
    "random_azimuth",
    "random_date",
    "random_zenith",
    "second_from_interval",
]

_TWO_MINUTES = np.timedelta64(2, "m")
_UNITS = {"rad": 1.0, "deg": 180.0 / np.pi}


def random_azimuth(n: float = 1, unit: str = "rad") -> Any:
    """Draw `n` azimuths, evenly distributed."""
    return 2 * np.pi * np.random.random_sample(int(n)) * _factor(unit)  # noqa: NPY002 - scripts seed it


def random_zenith(n: float = 1, unit: str = "rad") -> Any:
    """Draw `n` zenith angles, evenly distributed in their cosine."""
    return np.arccos(2 * np.random.random_sample(int(n)) - 1) * _factor(unit)  # noqa: NPY002 - scripts seed it


def second_from_interval(start: Any, stop: Any, n: float = 1, **randargs: Any) -> Any:
    """Draw `n` times between two datetimes, in whole seconds."""
    second = np.timedelta64(1, "s")
    low, high = np.datetime64(start), np.datetime64(stop)
    drawn = np.random.randint(0, int((high - low) / second), int(n), **randargs)  # noqa: NPY002 - scripts seed it
    return low + drawn * second


def equidistant_from_interval(start: Any, stop: Any, step: Any = _TWO_MINUTES) -> Any:
    """Give the times from one datetime to another in steps."""
    low, high = np.datetime64(start), np.datetime64(stop)
    return low + np.arange(int(np.ceil((high - low) / step))) * step


def random_date(n: float = 1, year: int = 2015, astropy_time: bool = False, **randargs: Any) -> Any:
    """Draw `n` times of a year, as numpy datetimes or astropy Times."""
    drawn = second_from_interval(f"{year}-01-01", f"{year + 1}-01-01", n, **randargs)
    return np_to_astrotime(drawn) if astropy_time else drawn


def _factor(unit: str) -> float:
    if unit not in _UNITS:
        raise UnknownNameError.of("unit", unit, _UNITS)
    return _UNITS[unit]
