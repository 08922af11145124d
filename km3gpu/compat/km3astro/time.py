"""Times between numpy, Python and astropy, by the names of km3astro."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from astropy.time import Time

from km3gpu.astro.frames import astropy_time
from km3gpu.astro.times import utc_ns

__all__ = ["now", "np_to_astrotime", "np_to_datetime"]


def now() -> Time:
    """Give the present time."""
    return Time(dt.datetime.now(dt.UTC))


def np_to_datetime(intime: Any) -> list[dt.datetime]:
    """Turn numpy or pandas datetimes (UTC) into Python's, without time zone; microseconds at best."""
    stamps = np.atleast_1d(np.asarray(intime, "datetime64[ns]")).astype("datetime64[us]")
    found: list[dt.datetime] = stamps.tolist()
    return found


def np_to_astrotime(intime: Any) -> Time:
    """Turn numpy or pandas datetimes (UTC) into astropy's; an array always, with all its nanoseconds."""
    return astropy_time(np.atleast_1d(utc_ns(np.asarray(intime, "datetime64[ns]"))))
