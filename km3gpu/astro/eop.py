"""Earth orientation of every day, from the IERS files that come with astropy.

The files of ``astropy-iers-data`` are read directly: no download, no setting of
astropy touched, and the values are the ones astropy's own tables hold
(Bulletin A, with the values of the series C04 where Bulletin B covers the day).
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import astropy_iers_data
import numpy as np

from km3gpu.errors import FormatError, InputNotFoundError

__all__ = ["EarthOrientation", "OrientationOfDays", "earth_orientation", "tai_minus_utc"]

ARCSEC = np.pi / 648_000.0
MEAN_POLE = (0.035 * ARCSEC, 0.29 * ARCSEC)
"""What astropy takes for the pole outside of its tables: the mean of 50 years [rad]."""
MEASURED, RAPID, PREDICTED, OUTSIDE = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class EarthOrientation:
    """UT1 - UTC and the pole at midnight of every day, as IERS tables give them.

    Attributes
    ----------
    first_mjd : int
        MJD of row 0; the rows are consecutive days.
    ut1_utc : (n,) float64
        Seconds.
    xp, yp : (n,) float64
        Radians.
    status : (n,) int8
        0 final, 1 rapid service, 2 predicted.
    version : str
        Version of the ``astropy-iers-data`` package; or up to which day a file of the
        user's is measured.
    digest : str
        ``"sha256:..."`` over the files.
    """

    first_mjd: int
    ut1_utc: Any
    xp: Any
    yp: Any
    status: Any
    version: str
    digest: str

    @property
    def last_mjd(self) -> int:
        """MJD of the last row; days from it on are outside of the tables."""
        return self.first_mjd + len(self.status) - 1

    def record(self) -> dict[str, str]:
        """Say for provenance which tables these are."""
        return {"version": self.version, "digest": self.digest}

    def over_days(self, mjd: Any) -> OrientationOfDays:
        """Look up whole days, each from its midnight to the next.

        Parameters
        ----------
        mjd : (n,) int64

        Returns
        -------
        OrientationOfDays
            Past the tables UT1 - UTC stays as it was last, and the pole is its mean:
            that is what astropy does.
        """
        outside = (mjd < self.first_mjd) | (mjd >= self.last_mjd)
        i = np.clip(mjd - self.first_mjd, 0, len(self.status) - 2)

        def change(column: Any) -> Any:
            return np.where(outside, 0.0, column[i + 1] - column[i])

        # UT1 - UTC jumps at a leap second, UT1 - TAI does not
        drift = change(self.ut1_utc)
        return OrientationOfDays(
            np.where(outside, self.ut1_utc[np.where(mjd < self.first_mjd, 0, -1)], self.ut1_utc[i]),
            drift - np.round(drift),
            np.where(outside, MEAN_POLE[0], self.xp[i]),
            change(self.xp),
            np.where(outside, MEAN_POLE[1], self.yp[i]),
            change(self.yp),
            np.where(outside, OUTSIDE, np.maximum(self.status[i], self.status[i + 1])).astype(np.int8),
        )


class OrientationOfDays(NamedTuple):
    """Earth orientation over whole days: value at midnight, change to the next; (n,) each."""

    ut1_utc: Any
    ut1_drift: Any
    xp: Any
    xp_change: Any
    yp: Any
    yp_change: Any
    status: Any


@functools.lru_cache(maxsize=4)
def earth_orientation(path: str | None = None) -> EarthOrientation:
    """Read the tables once per process.

    Parameters
    ----------
    path : str, optional
        A newer ``finals2000A.all`` (IERS Bulletin A) than the one that
        ``astropy-iers-data`` brought.

    Raises
    ------
    InputNotFoundError, FormatError
        The file is not there, or no such table.
    """
    finals_path = Path(path or astropy_iers_data.IERS_A_FILE)
    if not finals_path.is_file():
        raise InputNotFoundError(f"no IERS table {str(finals_path)!r}", remedy="check the path")
    raw_a, raw_b = finals_path.read_bytes(), Path(astropy_iers_data.IERS_B_FILE).read_bytes()
    finals = _Lines(raw_a, str(finals_path))
    mjd = finals.numbers(7, 15)
    ut1, x, y = finals.numbers(58, 68), finals.numbers(18, 27), finals.numbers(37, 46)
    ut1_b, x_b, y_b = finals.numbers(154, 165), finals.numbers(134, 144), finals.numbers(144, 154)
    predicted = (finals.text(57, 58) == b"P") | (finals.text(16, 17) == b"P")
    final = np.isfinite(ut1_b) & np.isfinite(x_b) & np.isfinite(y_b)
    ut1, x, y = np.where(final, ut1_b, ut1), np.where(final, x_b, x), np.where(final, y_b, y)
    status = np.where(final, MEASURED, np.where(predicted, PREDICTED, RAPID)).astype(np.int8)
    known = np.isfinite(mjd) & np.isfinite(ut1) & np.isfinite(x) & np.isfinite(y)
    days = mjd[known].astype(np.int64)
    if len(days) == 0 or not (np.diff(days) == 1).all():
        raise FormatError("the days of the IERS table do not follow each other", where=str(finals_path))

    c04 = _Lines(raw_b, astropy_iers_data.IERS_B_FILE)
    days_b = c04.numbers(16, 26)
    values = np.column_stack([c04.numbers(50, 62), c04.numbers(26, 38), c04.numbers(38, 50)])
    known_b = np.isfinite(days_b) & np.isfinite(values).all(axis=1)
    days_b, values = days_b[known_b].astype(np.int64), values[known_b]

    first = int(min(days_b[0], days[0]))
    n = int(days[-1]) - first + 1
    table = np.full((n, 3), np.nan)
    states = np.full(n, RAPID, np.int8)
    table[days - first] = np.column_stack([ut1, x, y])[known]
    states[days - first] = status[known]
    # C04 supersedes the printed Bulletin B, on the days that Bulletin B covers
    official = days_b <= (days[status[known] == MEASURED].max(initial=days[0]))
    table[days_b[official] - first] = values[official]
    states[days_b[official] - first] = MEASURED
    if not np.isfinite(table).all():
        raise FormatError("the IERS tables leave days out", where=str(finals_path))
    return EarthOrientation(
        first,
        table[:, 0],
        table[:, 1] * ARCSEC,
        table[:, 2] * ARCSEC,
        states,
        f"astropy-iers-data {astropy_iers_data.__version__}"
        if path is None
        else _measured(days, status[known]),
        "sha256:" + hashlib.sha256(raw_a + raw_b).hexdigest(),
    )


def _measured(days: Any, status: Any) -> str:
    last = int(days[status != PREDICTED].max(initial=days[0]))
    return f"Bulletin A measured to {np.datetime64(last - 40_587, 'D')}"


class _Lines:
    """Columns of a file whose lines all have one length; comment lines are left out."""

    def __init__(self, raw: bytes, where: str) -> None:
        lines = [line for line in raw.splitlines() if line and not line.startswith(b"#")]
        if not lines or len(lines[-1]) < 60:
            raise FormatError("this is no IERS table", where=where)
        width = max(map(len, lines))
        self.where = where
        self.bytes = np.frombuffer(b"".join(line.ljust(width) for line in lines), dtype=np.uint8).reshape(
            len(lines), width
        )

    def text(self, start: int, stop: int) -> Any:
        """Bytes of the columns `start` to `stop`, (n,) S."""
        block = np.ascontiguousarray(self.bytes[:, start:stop])
        return block.view(f"S{stop - start}").ravel()

    def numbers(self, start: int, stop: int) -> Any:
        """Numbers of the columns as float64, NaN where blank."""
        text = np.char.strip(self.text(start, stop))
        try:
            return np.where(text == b"", b"nan", text).astype(np.float64)
        except ValueError as error:
            raise FormatError(f"this is no IERS table: {error}", where=self.where) from None


@functools.cache
def _leap_seconds() -> tuple[Any, Any]:
    rows = np.loadtxt(astropy_iers_data.IERS_LEAP_SECOND_FILE, comments="#", usecols=(0, 4), ndmin=2)
    return rows[:, 0].astype(np.int64), rows[:, 1]


def tai_minus_utc(mjd: Any) -> Any:
    """Give TAI - UTC [s] of whole days from 1972 on, (n,) int64 -> (n,) float64.

    Days past the list have the last value: leap seconds are not predicted.
    """
    starts, values = _leap_seconds()
    return values[np.searchsorted(starts, mjd, side="right") - 1]
