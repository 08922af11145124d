"""Times of every kind as int64 UTC nanoseconds since 1970.

The numbers count 86,400 s in every UTC day, as POSIX time and KM3NeT's clocks do.
A leap second has the number of the second after it, since there is no other.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.eop import tai_minus_utc
from km3gpu.errors import FormatError

__all__ = ["DAY_NS", "UNIX_MJD", "day_name", "to_datetime64", "utc_ns"]

DAY_NS = 86_400_000_000_000
UNIX_MJD = 40_587
_UNIX_JD = 2_440_587.5
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def utc_ns(time: Any) -> Any:
    """Turn times into int64 UTC nanoseconds since 1970.

    Parameters
    ----------
    time : int, array of int, datetime64, datetime, astropy Time, or a list of those
        Integers are UTC ns since 1970 already.  numpy datetimes are UTC.  Python datetimes
        must say their time zone.  astropy Times may be of any scale and format.

    Returns
    -------
    numpy or cupy int64 array
        Of the shape of `time`.

    Raises
    ------
    FormatError
        A datetime without time zone (the first such row is named), NaT, or what is no
        time: floats in particular, which hold no nanoseconds.
    """
    if type(time).__module__.partition(".")[0] == "astropy" and hasattr(time, "tai"):
        return _of_astropy(time)
    if hasattr(time, "__cuda_array_interface__"):
        xp = _backend.namespace(time)
        array = xp.asarray(time)
    else:
        array = np.asarray(time)
    kind = array.dtype.kind
    if kind == "i" or (kind == "u" and array.dtype.itemsize < 8):
        return array.astype(np.int64, copy=False)
    if kind == "M":
        if np.isnat(array).any():
            row = int(np.isnat(array).ravel().argmax())
            raise FormatError(f"the time of row {row} is NaT", remedy="leave such rows out")
        return array.astype("datetime64[ns]").view(np.int64)
    if kind == "O" and array.size and isinstance(array.ravel()[0], dt.datetime):
        return _of_datetimes(array)
    raise FormatError(
        f"time_ns is {array.dtype}, not int64",
        remedy="give UTC nanoseconds since 1970 as integers (a float64 is only good to 256 ns today), numpy "
        "datetimes, datetimes with a time zone, or an astropy Time",
    )


def _of_datetimes(array: Any) -> Any:
    out = np.empty(array.size, np.int64)
    for row, value in enumerate(array.ravel()):
        if not isinstance(value, dt.datetime):
            raise FormatError(f"the time of row {row} is {value!r}, no datetime")
        if value.tzinfo is None:
            raise FormatError(
                f"the time of row {row}, {value.isoformat()}, has no time zone",
                remedy="say which with value.replace(tzinfo=datetime.UTC), or give numpy datetimes (UTC)",
            )
        out[row] = (value - _EPOCH) // dt.timedelta(microseconds=1) * 1000
    return out.reshape(array.shape)


def _of_astropy(time: Any) -> Any:
    if time.masked and np.any(time.mask):
        raise FormatError(f"the time of row {int(np.ravel(time.mask).argmax())} is masked")
    tai = time.tai
    jd1, jd2 = np.asarray(tai.jd1, np.float64), np.asarray(tai.jd2, np.float64)
    whole = np.floor(jd1 - _UNIX_JD)
    rest = (jd1 - _UNIX_JD - whole) + jd2
    tai_ns = whole.astype(np.int64) * DAY_NS + np.rint(rest * DAY_NS).astype(np.int64)
    # the day in UTC tells TAI - UTC, which tells the day: the second guess is right
    ns = tai_ns
    for _ in range(2):
        ns = tai_ns - (tai_minus_utc(ns // DAY_NS + UNIX_MJD) * 10**9).astype(np.int64)
    return ns


def to_datetime64(time_ns: Any) -> Any:
    """Give UTC ns since 1970 as numpy datetimes."""
    return np.asarray(time_ns, np.int64).view("datetime64[ns]")


def day_name(time_ns: int) -> str:
    """Give the day of a time as ``"2022-10-25"``."""
    return str(np.datetime64(int(time_ns) // DAY_NS, "D"))
