"""Daily tables for the sky kernels: the Earth's rotation, pole and motion.

One row per UTC day, in the layout of `km3gpu.kernels.scalar.earth`.  Earth
orientation is linear within a day, which is how astropy interpolates the IERS
tables, so nothing is lost there; what is smooth (pole, velocity, Sun) is a cubic
through four instants, which costs at most 5e-5 arcsec.

Times count 86,400 s in every UTC day (see `km3gpu.astro.times`): but for the leap
second itself they are exact, on days with one too.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, field
from typing import Any

import erfa
import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.eop import OUTSIDE, PREDICTED, earth_orientation, tai_minus_utc
from km3gpu.astro.times import DAY_NS, UNIX_MJD, day_name
from km3gpu.errors import ConfigError, KernelError

__all__ = [
    "BLOCK_DAYS",
    "FIRST_MJD",
    "FIRST_NS",
    "LAST_MJD",
    "LAST_NS",
    "DegradedSkyWarning",
    "SkyTable",
    "sky_table",
    "table_for",
]

BLOCK_DAYS = 64
FIRST_MJD, LAST_MJD = 41_317, 88_069
FIRST_NS = (FIRST_MJD - UNIX_MJD) * DAY_NS
"""1972-01-01, when UTC took its present form."""
LAST_NS = (LAST_MJD - UNIX_MJD) * DAY_NS
"""2100-01-01, where the theory of the Earth's motion ends."""

_ERA_PER_DAY = 2.0 * np.pi * 1.00273781191135448
_AU_PER_DAY = 149_597_870_700.0 / 86_400.0 / 299_792_458.0
# Chebyshev's extreme points of a cubic: they hold both ends, so that the
# polynomials of neighbouring days meet
_NODES = np.array([0.0, 0.25, 0.75, 1.0])
_TO_COEFFICIENTS = np.linalg.inv(np.vander(_NODES, increasing=True))


@dataclass(frozen=True, eq=False)
class SkyTable:
    """Rows for a range of days; plain arrays, so it pickles and is made once per range.

    Attributes
    ----------
    first_mjd : int
        MJD of row 0.
    rows : (n_days, 44) float64
        See `km3gpu.kernels.scalar.earth`.
    status : (n_days,) int8
        0 final, 1 rapid service, 2 predicted, 3 outside of the IERS tables (UT1 - UTC
        stays as it was last there, and the pole is its mean).
    iers_version, iers_digest : str
        The tables that it was made from.
    """

    first_mjd: int
    rows: Any = field(repr=False)
    status: Any = field(repr=False)
    iers_version: str
    iers_digest: str = field(repr=False)

    @property
    def start_ns(self) -> int:
        """First time covered, int64 UTC ns."""
        return (self.first_mjd - UNIX_MJD) * DAY_NS

    @property
    def stop_ns(self) -> int:
        """First time not covered any more."""
        return self.start_ns + len(self.rows) * DAY_NS

    @property
    def nbytes(self) -> int:
        """Bytes of the rows."""
        return int(self.rows.nbytes)

    def days_with(self, first_ns: int, last_ns: int, status: int) -> int:
        """Count the days from `first_ns` to `last_ns` that have this status."""
        a, b = (first_ns - self.start_ns) // DAY_NS, (last_ns - self.start_ns) // DAY_NS + 1
        return int((self.status[max(a, 0) : max(b, 0)] == status).sum())

    def events_with(self, time_ns: Any, status: int) -> int:
        """Count the times (within the table) whose day has this status."""
        wanted = np.flatnonzero(self.status == status)
        if len(wanted) == 0 or len(time_ns) == 0:
            return 0
        xp = _backend.namespace(time_ns)
        return int(xp.isin((time_ns - self.start_ns) // DAY_NS, xp.asarray(wanted)).sum())

    def record(self, first_ns: int | None = None, last_ns: int | None = None) -> dict[str, Any]:
        """Say for provenance what the sky positions of a time range rest on.

        Parameters
        ----------
        first_ns, last_ns : int, optional
            The range of times used; the whole table by default.

        Returns
        -------
        dict
            Plain values: the IERS tables, the range of days, how many of them are
            predicted or outside of the tables.
        """
        first = self.start_ns if first_ns is None else int(first_ns)
        last = self.stop_ns - 1 if last_ns is None else int(last_ns)
        predicted = self.days_with(first, last, PREDICTED)
        outside = self.days_with(first, last, OUTSIDE)
        return {
            "iers": self.iers_version,
            "iers_digest": self.iers_digest,
            "first_day": day_name(first),
            "last_day": day_name(last),
            "days_predicted": predicted,
            "days_outside_tables": outside,
            "degraded": outside > 0,
        }


class DegradedSkyWarning(UserWarning):
    """Times outside of the IERS tables: the sky may be turned by some arcseconds."""


def sky_table(first_ns: int, last_ns: int, iers: str | None = None) -> SkyTable:
    """Give the table for a range of times, made once per process and range.

    It is made in blocks of 64 days: one day costs some 20 ms, 13 years 2 s.

    Parameters
    ----------
    first_ns, last_ns : int
        UTC ns since 1970, both covered.
    iers : str, optional
        Path of a ``finals2000A.all`` newer than the one installed with astropy.

    Raises
    ------
    ConfigError
        The range is not within 1972 to 2099.
    InputNotFoundError, FormatError
        `iers` is no such table.
    """
    if not FIRST_NS <= first_ns <= last_ns < LAST_NS:
        raise ConfigError(
            f"no sky table from {day_name(first_ns)} to {day_name(last_ns)}",
            remedy="times must be in order and lie from 1972-01-01 to 2099-12-31",
        )
    first, last = (int(t) // DAY_NS + UNIX_MJD for t in (first_ns, last_ns))
    return _assemble(first // BLOCK_DAYS, last // BLOCK_DAYS, iers)


def table_for(time_ns: Any, iers: str | None = None) -> SkyTable:
    """Give the table that covers these times, warning where they are outside of the IERS tables.

    Parameters
    ----------
    time_ns : (n,) int64 array

    Raises
    ------
    KernelError
        A time is not within 1972 to 2099; the message names the first such row.
    """
    if len(time_ns) == 0:
        return sky_table(FIRST_NS, FIRST_NS, iers)
    first, last = int(time_ns.min()), int(time_ns.max())
    if first < FIRST_NS or last >= LAST_NS:
        bad = (time_ns < FIRST_NS) | (time_ns >= LAST_NS)
        row = int(bad.argmax())
        value = int(time_ns[row])
        raise KernelError(
            f"time {value} ns ({np.datetime64(value, 'ns')}) of row {row} is not within 1972 to 2099",
            remedy="give UTC nanoseconds since 1970; seconds are multiplied by 10**9",
        )
    table = sky_table(first, last, iers)
    if n_days := table.days_with(first, last, OUTSIDE):
        warnings.warn(
            DegradedSkyWarning(
                f"{n_days} of the days from {day_name(first)} to {day_name(last)} are outside of the IERS "
                f"tables ({table.iers_version}): UT1 - UTC is taken to stay as it was last, and every 0.1 s "
                "that it drifts from there turns the sky by 1.5 arcsec"
            ),
            stacklevel=_OUTSIDE_OF_THIS_FILE,
        )
    return table


_OUTSIDE_OF_THIS_FILE = 4


@functools.lru_cache(maxsize=16)
def _assemble(first_block: int, last_block: int, iers: str | None) -> SkyTable:
    orientation = earth_orientation(iers)
    blocks = [_block(number, iers) for number in range(first_block, last_block + 1)]
    rows = np.concatenate([b[0] for b in blocks])
    status = np.concatenate([b[1] for b in blocks])
    first_mjd = max(first_block * BLOCK_DAYS, FIRST_MJD)
    return SkyTable(first_mjd, rows, status, orientation.version, orientation.digest)


@functools.lru_cache(maxsize=1024)
def _block(number: int, iers: str | None) -> tuple[Any, Any]:
    mjd = np.arange(
        max(number * BLOCK_DAYS, FIRST_MJD), min((number + 1) * BLOCK_DAYS, LAST_MJD), dtype=np.int64
    )
    n = len(mjd)
    eop = earth_orientation(iers).over_days(mjd)
    rows = np.empty((n, 44))
    # a day's last instant is the next one's first; where a leap second lies
    # between them that is 1 s off, which is 4e-6 arcsec
    tai = tai_minus_utc(mjd)
    tt_day = np.append(mjd, mjd[-1] + 1).astype(np.float64)
    tt_offset = np.append(tai, tai[-1]) / 86_400.0 + 32.184 / 86_400.0
    at = (tt_offset[:, None] + _NODES[:3]).ravel()[: 3 * n + 1]
    values = _smooth(np.repeat(tt_day, 3)[: 3 * n + 1], at)
    through = np.arange(n)[:, None] * 3 + np.arange(4)
    cubics = np.einsum("kj,njq->nqk", _TO_COEFFICIENTS, values[through])
    rows[:, 0:4] = -cubics[:, 2]
    rows[:, 0] += erfa.era00(2_400_000.5 + mjd, eop.ut1_utc / 86_400.0)
    rows[:, 1] += _ERA_PER_DAY * (1.0 + eop.ut1_drift / 86_400.0)
    rows[:, 4:8] = np.column_stack([eop.xp, eop.xp_change, eop.yp, eop.yp_change])
    rows[:, 8:12] = cubics[:, 0]
    rows[:, 12:16] = cubics[:, 1]
    rows[:, 16:44] = cubics[:, 3:].reshape(n, 28)
    return rows, eop.status


def _smooth(mjd: Any, tt_fraction: Any) -> Any:
    """X, Y, s, velocity / c, unit vector from the Sun, distance of the Sun: (n, 10).

    Terrestrial time stands in for barycentric time: 2 ms, nothing here.
    """
    X, Y, s = erfa.xys06a(2_400_000.5 + mjd, tt_fraction)
    heliocentric, barycentric = erfa.epv00(2_400_000.5 + mjd, tt_fraction)
    distance = np.linalg.norm(heliocentric["p"], axis=-1)
    return np.column_stack(
        [
            X,
            Y,
            s,
            barycentric["v"] * _AU_PER_DAY,
            heliocentric["p"] / distance[:, None],
            distance,
        ]
    )
