"""Directions between a detector on the rotating Earth and the sky, for one event.

Site axes -> ITRS -> GCRS -> aberration -> light bending by the Sun -> ICRS.  The
site is eleven numbers: the matrix from the detector's axes (grid East, grid
North, up) to ITRS, row by row, and the velocity of the ground / c along the ITRS
x and y axes.

Time and the Earth's rotation are float64 always; the vectors are float32 where the
input is, with `site` and `frame` to match.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from km3gpu.kernels.scalar.angles import rotate, rotate_back
from km3gpu.kernels.scalar.earth import (
    BENDING,
    LIGHT_DAYS_PER_AU,
    celestial_to_earth,
    cubic,
    earth_state,
    earth_to_celestial,
    quintic,
    sun_state,
)
from km3gpu.kernels.scalar.precision import cast, square_root

__all__ = [
    "NOT_UNIT",
    "NO_DAY",
    "aberrate",
    "bend",
    "bend_near",
    "from_body",
    "is_direction",
    "reason",
    "to_local",
    "to_sky",
    "unaberrate",
    "unbend",
]

# codes of faults
NOT_UNIT, NO_DAY = 1, 2

# a direction may be off unit length by this much in its square: ten times what
# float32 leaves, and too little to matter in the aberration (0.2 mas)
UNIT_TOLERANCE = 1e-5


@register_jitable(forceinline=True)
def is_direction(x: Any, y: Any, z: Any) -> Any:
    """Whether (x, y, z) is a unit vector; false where any of them is NaN."""
    return abs(x * x + y * y + z * z - 1.0) <= UNIT_TOLERANCE


# `one` is the number 1 in the type of the rest: a literal would make float32 float64
@register_jitable(forceinline=True)
def aberrate(x: Any, y: Any, z: Any, vx: Any, vy: Any, vz: Any, w: Any, one: Any) -> Any:
    """Give the direction that an observer of velocity v/c sees (w = sqrt(1 - v^2)).

    The exact Lorentz transformation of a direction (Explanatory Supplement to
    the Astronomical Almanac, 3rd edition, equation 7.40).
    """
    p = x * vx + y * vy + z * vz
    q = one / (one + p)
    k = one + p / (one + w)
    return (w * x + k * vx) * q, (w * y + k * vy) * q, (w * z + k * vz) * q


@register_jitable(forceinline=True)
def unaberrate(x: Any, y: Any, z: Any, vx: Any, vy: Any, vz: Any, w: Any, one: Any) -> Any:
    """Undo `aberrate`: the same with the velocity reversed."""
    p = x * vx + y * vy + z * vz
    q = one / (one - p)
    k = p / (one + w) - one
    return (w * x + k * vx) * q, (w * y + k * vy) * q, (w * z + k * vz) * q


@register_jitable(forceinline=True)
def bend(
    x: Any, y: Any, z: Any, ex: Any, ey: Any, ez: Any, strength: Any, limit: Any, one: Any
) -> Any:  # fmt: skip
    """Shift a star's direction by the Sun's light bending (as ERFA's ldsun)."""
    p = x * ex + y * ey + z * ez
    d = strength / max(one + p, limit)
    return x + d * (ex - p * x), y + d * (ey - p * y), z + d * (ez - p * z)


@register_jitable(forceinline=True)
def unbend(
    x: Any, y: Any, z: Any, ex: Any, ey: Any, ez: Any, strength: Any, limit: Any, one: Any
) -> Any:  # fmt: skip
    """Undo `bend` to first order: to 1e-5 arcsec where the Sun is 2 degrees away."""
    p = x * ex + y * ey + z * ez
    d = strength / max(one + p, limit)
    return x - d * (ex - p * x), y - d * (ey - p * y), z - d * (ez - p * z)


@register_jitable(forceinline=True)
def reason(f: Any) -> Any:
    """Why a row has no result: its time has no day in the table, or it is no unit vector."""
    return NOT_UNIT if f == f else NO_DAY


@register_jitable(forceinline=True)
def to_sky(f: Any, dx: Any, dy: Any, dz: Any, day: Any, site: Any, frame: Any, bending: Any) -> Any:
    """Turn a travel direction in the detector into where on the sky it comes from.

    Without branches, so that several events are done per instruction.

    Parameters
    ----------
    f : float64
        Fraction of the day; NaN where the table lacks it (see `earth.day_of`).
    dx, dy, dz : float64 or float32
    day : 44 numbers
        The day's row (see `km3gpu.kernels.scalar.earth`).
    site, frame : eleven and nine numbers of the type of `dx`
    bending : int
        Take out the light bending by the Sun.

    Returns
    -------
    good : bool
        There is a day, and the direction is a unit vector.
    x, y, z : float
        Unit vector in ICRS times the matrix `frame`; NaN where it is not good.
    """
    good = is_direction(dx, dy, dz) & (f == f)
    nan = cast(math.nan, dx)
    one = cast(1.0, dx)
    x, y, z = rotate(site, -dx, -dy, -dz)
    c, s, xp, yp, X, Y, Z, q, vx, vy, vz, w = earth_state(day, f, site[9], site[10], dx)
    x, y, z = earth_to_celestial(x, y, z, c, s, xp, yp, X, Y, Z, q)
    x, y, z = unaberrate(x, y, z, vx, vy, vz, w, one)
    ex, ey, ez, strength, limit = sun_state(day, f, dx)
    x, y, z = unbend(x, y, z, ex, ey, ez, strength if bending else cast(0.0, dx), limit, one)
    x, y, z = rotate(frame, x, y, z)
    return good, x if good else nan, y if good else nan, z if good else nan


@register_jitable(forceinline=True)
def to_local(f: Any, x: Any, y: Any, z: Any, day: Any, site: Any, frame: Any, bending: Any) -> Any:
    """Turn a place on the sky into the direction in which its particles travel.

    The inverse of `to_sky`, with the same arguments.
    """
    good = is_direction(x, y, z) & (f == f)
    nan = cast(math.nan, x)
    one = cast(1.0, x)
    x, y, z = rotate_back(frame, x, y, z)
    c, s, xp, yp, X, Y, Z, q, vx, vy, vz, w = earth_state(day, f, site[9], site[10], x)
    ex, ey, ez, strength, limit = sun_state(day, f, x)
    x, y, z = bend(x, y, z, ex, ey, ez, strength if bending else cast(0.0, x), limit, one)
    x, y, z = aberrate(x, y, z, vx, vy, vz, w, one)
    x, y, z = celestial_to_earth(x, y, z, c, s, xp, yp, X, Y, Z, q)
    x, y, z = rotate_back(site, x, y, z)
    return good, -x if good else nan, -y if good else nan, -z if good else nan


@register_jitable(forceinline=True)
def bend_near(x: Any, y: Any, z: Any, qx: Any, qy: Any, qz: Any, distance: Any, bending: Any) -> Any:
    """Bend the light of a body at a finite distance around the Sun, as ERFA's ld.

    Parameters
    ----------
    x, y, z : float64
        Unit vector from the observer to the body.
    qx, qy, qz : float64
        From the Sun to the body, light-days.
    distance : float64
        Of the body, light-days.
    bending : int
        Do it; else the direction stays as it is.
    """
    # from the Sun to the observer
    ex, ey, ez = qx - distance * x, qy - distance * y, qz - distance * z
    em = square_root(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex / em, ey / em, ez / em
    far = square_root(qx * qx + qy * qy + qz * qz)
    qx, qy, qz = qx / far, qy / far, qz / far
    angle = qx * (qx + ex) + qy * (qy + ey) + qz * (qz + ez)
    w = BENDING * LIGHT_DAYS_PER_AU / (em * max(angle, 5e-8)) if bending else 0.0
    pq, pe = w * (x * qx + y * qy + z * qz), w * (x * ex + y * ey + z * ez)
    return x + (ex * pq - qx * pe), y + (ey * pq - qy * pe), z + (ez * pq - qz * pe)


@register_jitable(forceinline=True)
def from_body(f: Any, body: Any, day: Any, site: Any, bending: Any) -> Any:
    """Direction in which particles from the Sun or the Moon travel in the detector.

    Its geocentric place less the site's gives parallax; the rest is as for a star.

    Parameters
    ----------
    f : float64
        Fraction of the day; NaN where the table lacks it.
    body : 36 numbers
        The day's quintics of x, y, z in light-days: from the Earth's centre, and from the
        Sun.
    day : 44 numbers
    site : fourteen numbers
        The eleven of the other functions and the site's ITRS x, y, z in light-days.
    bending : int
        Bend the body's light around the Sun.

    Returns
    -------
    good : bool
    dx, dy, dz : float
        NaN where it is not good.
    distance : float
        From the site [light-days].
    """
    c, s, xp, yp, X, Y, Z, q, vx, vy, vz, w = earth_state(day, f, site[9], site[10], 1.0)
    px, ux = quintic(body[0], body[1], body[2], body[3], body[4], body[5], f)
    py, uy = quintic(body[6], body[7], body[8], body[9], body[10], body[11], f)
    pz, uz = quintic(body[12], body[13], body[14], body[15], body[16], body[17], f)
    sx, sy, sz = earth_to_celestial(site[11], site[12], site[13], c, s, xp, yp, X, Y, Z, q)
    x, y, z = px - sx, py - sy, pz - sz
    # the table's light time is that to the Earth's centre: go back along the body's own
    # motion for the rest (0.3 arcsec for the Moon)
    late = square_root(x * x + y * y + z * z) - square_root(px * px + py * py + pz * pz)
    x -= late * (ux + cubic(day[16], day[17], day[18], day[19], f))
    y -= late * (uy + cubic(day[20], day[21], day[22], day[23], f))
    z -= late * (uz + cubic(day[24], day[25], day[26], day[27], f))
    distance = square_root(x * x + y * y + z * z)
    x, y, z = x / distance, y / distance, z / distance
    qx, _ = quintic(body[18], body[19], body[20], body[21], body[22], body[23], f)
    qy, _ = quintic(body[24], body[25], body[26], body[27], body[28], body[29], f)
    qz, _ = quintic(body[30], body[31], body[32], body[33], body[34], body[35], f)
    x, y, z = bend_near(x, y, z, qx, qy, qz, distance, bending)
    x, y, z = aberrate(x, y, z, vx, vy, vz, w, 1.0)
    x, y, z = celestial_to_earth(x, y, z, c, s, xp, yp, X, Y, Z, q)
    x, y, z = rotate_back(site, x, y, z)
    return f == f, -x, -y, -z, distance
