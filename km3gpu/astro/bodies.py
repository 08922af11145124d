"""Sun and Moon in bulk: their directions in a detector, with parallax.

Positions are those of astropy's built-in ephemeris (ERFA's epv00 and moon98), in
quintics per day, light time taken off.  A row's direction is what an observer at
the detector's reference point sees: parallax, aberration by the Earth's motion
and rotation.

The Sun's own light is not bent by the Sun, and here it is not.  astropy's
``get_body("sun")`` is: it takes the Sun for a point that bends the light of
another point, where the Sun was when the light left it, 6,000 km away.  That is 4
mas times the tangent of half the angle between the Sun's motion and its direction
from the Earth: 4 mas in the median, up to arcseconds for a few days a year.
``deflection=True`` does the same.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import erfa
import numpy as np

from km3gpu.astro.arguments import columns_of, on_device_of
from km3gpu.astro.eop import tai_minus_utc
from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.astro.tables import BLOCK_DAYS, FIRST_MJD, LAST_MJD, SkyTable, table_for
from km3gpu.errors import UnknownNameError
from km3gpu.kernels import sky as _kernels

__all__ = ["BODIES", "BodyTable", "body_table", "body_to_local"]

BODIES = ("sun", "moon")

_LIGHT_DAY_AU = 173.14463267424034
"""Astronomical units that light goes in a day."""
# Chebyshev's extreme points of a quintic
_NODES = 0.5 * (1.0 - np.cos(np.pi * np.arange(6) / 5))
_TO_COEFFICIENTS = np.linalg.inv(np.vander(_NODES, increasing=True))


@dataclass(frozen=True, eq=False)
class BodyTable:
    """Geocentric positions of a body for a range of days.

    Attributes
    ----------
    body : str
        ``"sun"`` or ``"moon"``.
    first_mjd : int
        MJD of row 0.
    rows : (n_days, 36) float64
        Quintics of x, y, z in light-days, axes of ICRS: from the Earth's centre to the body,
        and from the Sun.
    """

    body: str
    first_mjd: int
    rows: Any = field(repr=False)


def body_to_local(
    body: str,
    time_ns: Any,
    site: Site | str,
    *,
    distance: bool = False,
    deflection: bool = False,
    iers: str | None = None,
) -> tuple[Any, ...]:
    """Give the directions in which particles from the Sun or the Moon travel in a detector.

    The Moon agrees with astropy's ``get_body`` and AltAz to 1 mas; the Sun does with
    `deflection`, which is off since it is not in the sky (see above).

    Parameters
    ----------
    body : {"sun", "moon"}
    time_ns : int or (n,) int64 array
        UTC ns since 1970; datetimes and astropy Times too (see `times.utc_ns`).
    site : Site or str
    distance : bool
        Give the distance from the site [m] as well.
    deflection : bool
        Bend the body's light around the Sun as astropy's ``get_body`` does, to compare with
        it.
    iers : str, optional
        As for `local_to_icrs`.

    Returns
    -------
    dx, dy, dz : (n,) float64 arrays
        Unit vectors in the detector's axes: the body itself is at the opposite.
    distance : (n,) float64 array
        Only where asked for.

    Raises
    ------
    UnknownNameError
        No such body or site.
    KernelError, FormatError
        As for `local_to_icrs`.
    """
    if body not in BODIES:
        raise UnknownNameError.of("body", str(body), BODIES)
    place = _site(site)
    shape, (t,) = columns_of(time_ns=time_ns)
    table = table_for(t, iers)
    rows, body_rows, row = on_device_of(t, table.rows, body_table(body, table).rows, place.kernel_row)
    (x, y, z, far), _ = _kernels.body_to_local(t, body_rows, rows, table.start_ns, row, bending=deflection)
    columns = (x, y, z, far * (86_400.0 * 299_792_458.0)) if distance else (x, y, z)
    return tuple(c.reshape(shape) for c in columns)


def body_table(body: str, table: SkyTable) -> BodyTable:
    """Give the positions of a body for the days of a sky table, made once per process and block.

    Parameters
    ----------
    body : {"sun", "moon"}
    table : SkyTable
    """
    last = table.first_mjd + len(table.rows) - 1
    return _assemble(body, table.first_mjd // BLOCK_DAYS, last // BLOCK_DAYS)


@functools.lru_cache(maxsize=16)
def _assemble(body: str, first_block: int, last_block: int) -> BodyTable:
    rows = np.concatenate([_block(body, number) for number in range(first_block, last_block + 1)])
    return BodyTable(body, max(first_block * BLOCK_DAYS, FIRST_MJD), rows)


@functools.lru_cache(maxsize=1024)
def _block(body: str, number: int) -> Any:
    mjd = np.arange(max(number * BLOCK_DAYS, FIRST_MJD), min((number + 1) * BLOCK_DAYS, LAST_MJD))
    n = len(mjd)
    tt = (tai_minus_utc(mjd) + 32.184) / 86_400.0
    # every day by itself: the Moon moves half an arcsecond in a leap second
    days = np.repeat(2_400_000.5 + mjd, 6)
    fractions = (tt[:, None] + _NODES).ravel()
    # barycentric dynamical time: 2 ms of the Moon's way are a milliarcsecond
    fractions += erfa.dtdb(days, fractions, 0.0, 0.0, 0.0, 0.0) / 86_400.0
    position = np.hstack(_astrometric(body, days, fractions)).reshape(n, 6, 6) / _LIGHT_DAY_AU
    return np.ascontiguousarray(np.einsum("kj,njq->nqk", _TO_COEFFICIENTS, position).reshape(n, 36))


def _astrometric(body: str, day: Any, fraction: Any) -> tuple[Any, Any]:
    """Where the light left the body, axes of ICRS: from the Earth, and from the Sun [au], (n, 3) each."""
    heliocentric, earth = erfa.epv00(day, fraction)
    sun = earth["p"] - heliocentric["p"]
    position = -heliocentric["p"] if body == "sun" else erfa.moon98(day, fraction)["p"]
    # the Sun hardly moves; the Moon goes round it with the Earth, 40 km in its light time
    for _ in range(1 if body == "sun" else 2):
        away = np.linalg.norm(position, axis=-1) / _LIGHT_DAY_AU
        heliocentric, barycentric = erfa.epv00(day, fraction - away)
        there = barycentric["p"]
        there += -heliocentric["p"] if body == "sun" else erfa.moon98(day, fraction - away)["p"]
        position = there - earth["p"]
    return position, there - sun
