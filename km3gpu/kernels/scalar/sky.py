"""Directions between a detector on the rotating Earth and the sky, for one event.

The chain is that of the IAU 2006/2000A standards (IERS Conventions 2010,
chapter 5; the one that ERFA and astropy use): site axes -> ITRS -> polar motion
-> Earth rotation -> celestial pole and origin -> GCRS -> aberration -> light
bending by the Sun -> ICRS.  What changes slowly comes from a table with one row
per UTC day (`km3gpu.astro.tables` makes it):

===========  =====================================================  ==========
columns      meaning                                                in the day
===========  =====================================================  ==========
0 to 3       Earth rotation angle less the CIO locator s [rad]      cubic
4, 5         polar motion xp [rad]                                  linear
6, 7         polar motion yp [rad]                                  linear
8 to 11      X of the celestial intermediate pole                   cubic
12 to 15     Y of the celestial intermediate pole                   cubic
16 to 27     barycentric velocity of the Earth / c (x, y, z)        cubic
28 to 39     unit vector from the Sun to the Earth (x, y, z)        cubic
40 to 43     distance of the Sun [au]                               cubic
===========  =====================================================  ==========

The site is eleven numbers: the matrix from the detector's axes (grid East,
grid North, up) to ITRS, row by row, and the velocity of the ground / c along
the ITRS x and y axes.

Time and the rotation angle are float64 always; the vector functions return the
type of their arguments (`one` is the number 1 in that type, since a literal
would promote float32 to float64).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

__all__ = [
    "DAY_NS",
    "NOT_UNIT",
    "NO_DAY",
    "aberrate",
    "bend",
    "celestial_to_earth",
    "cubic",
    "day_of",
    "direction_of",
    "earth_state",
    "earth_to_celestial",
    "is_direction",
    "longitude_latitude",
    "rotate",
    "rotate_back",
    "sine_cosine",
    "sun_state",
    "to_local",
    "to_sky",
    "unaberrate",
    "unbend",
]

DAY_NS = 86_400_000_000_000
PER_NS = 1.0 / 86_400_000_000_000.0
TWO_PI = 2.0 * math.pi
# pi/2 in two parts; the first has 33 bits, so that its multiples are exact
HALF_PI_HIGH = float.fromhex("0x1.921fb54400000p+0")
HALF_PI_LOW = float.fromhex("0x1.0b4611a626331p-34")
TWO_BY_PI = 2.0 / math.pi
S3, S5, S7, S9, S11, S13, S15, S17 = ((-1) ** (n // 2) / math.factorial(n) for n in range(3, 18, 2))
C4, C6, C8, C10, C12, C14, C16 = ((-1) ** (n // 2) / math.factorial(n) for n in range(4, 17, 2))

# codes of faults
NOT_UNIT, NO_DAY = 1, 2

# twice the Sun's gravitational radius [au], as ERFA's SRS
BENDING = 1.97412574336e-8
# a direction may be off unit length by this much in its square: ten times what
# float32 leaves, and too little to matter in the aberration (0.2 mas)
UNIT_TOLERANCE = 1e-5


@register_jitable
def cubic(table: Any, day: Any, column: Any, f: Any) -> Any:
    """Value of the cubic whose four coefficients start at `column`."""
    return table[day, column] + f * (
        table[day, column + 1] + f * (table[day, column + 2] + f * table[day, column + 3])
    )


@register_jitable
def sine_cosine(angle: Any) -> Any:
    """Sine and cosine of an angle below 1e6, to 2e-16; NaN beyond.

    Taylor's series about the nearest multiple of pi/2.  One call gives both, there is
    no slow path for large angles (which costs a GPU local memory), and the operations
    are the same on every backend.
    """
    if not abs(angle) < 1e6:
        return math.nan, math.nan
    k = math.floor(angle * TWO_BY_PI + 0.5)
    r = (angle - k * HALF_PI_HIGH) - k * HALF_PI_LOW
    x = r * r
    s = S15 + x * S17
    s = S13 + x * s
    s = S11 + x * s
    s = S9 + x * s
    s = S7 + x * s
    s = S5 + x * s
    s = S3 + x * s
    s = r + r * x * s
    c = C14 + x * C16
    c = C12 + x * c
    c = C10 + x * c
    c = C8 + x * c
    c = C6 + x * c
    c = C4 + x * c
    c = 1.0 - (0.5 * x - x * x * c)
    quadrant = int(k) & 3
    if quadrant & 1:
        s, c = c, -s
    if quadrant & 2:
        s, c = -s, -c
    return s, c


@register_jitable
def day_of(time_ns: Any, start_ns: Any) -> Any:
    """Row of the table that a time is in (may lie outside), and the fraction of that day."""
    since = time_ns - start_ns
    day = since // DAY_NS
    return day, (since - day * DAY_NS) * PER_NS


@register_jitable
def is_direction(x: Any, y: Any, z: Any) -> Any:
    """Whether (x, y, z) is a unit vector; false where any of them is NaN."""
    return abs(x * x + y * y + z * z - 1.0) <= UNIT_TOLERANCE


@register_jitable
def earth_state(table: Any, day: Any, f: Any, ground_x: Any, ground_y: Any) -> Any:
    """State of the Earth at fraction `f` of a day: rotation, pole and velocity.

    Returns
    -------
    c, s : cosine and sine of the rotation angle
    xp, yp : polar motion [rad]
    X, Y, Z, q : celestial pole, and 1 / (1 + Z)
    vx, vy, vz, w : velocity of the site / c in the GCRS, and 1 / Lorentz factor
    """
    s, c = sine_cosine(cubic(table, day, 0, f))
    xp = table[day, 4] + f * table[day, 5]
    yp = table[day, 6] + f * table[day, 7]
    X = cubic(table, day, 8, f)
    Y = cubic(table, day, 12, f)
    Z = math.sqrt(1.0 - X * X - Y * Y)
    q = 1.0 / (1.0 + Z)
    a = c * ground_x - s * ground_y
    b = s * ground_x + c * ground_y
    k = q * (X * a + Y * b)
    vx = cubic(table, day, 16, f) + a - k * X
    vy = cubic(table, day, 20, f) + b - k * Y
    vz = cubic(table, day, 24, f) - X * a - Y * b
    w = math.sqrt(1.0 - vx * vx - vy * vy - vz * vz)
    return c, s, xp, yp, X, Y, Z, q, vx, vy, vz, w


@register_jitable
def sun_state(table: Any, day: Any, f: Any) -> Any:
    """Give the unit vector from the Sun to the Earth, bending 2GM/(c^2 r), and ERFA's limit near the Sun."""
    em = cubic(table, day, 40, f)
    limit = 1e-6 / max(1.0, em * em)
    return (
        cubic(table, day, 28, f),
        cubic(table, day, 32, f),
        cubic(table, day, 36, f),
        BENDING / em,
        limit,
    )


@register_jitable
def rotate(m: Any, x: Any, y: Any, z: Any) -> Any:
    """Matrix (nine numbers, row by row) times vector."""
    return (
        m[0] * x + m[1] * y + m[2] * z,
        m[3] * x + m[4] * y + m[5] * z,
        m[6] * x + m[7] * y + m[8] * z,
    )


@register_jitable
def rotate_back(m: Any, x: Any, y: Any, z: Any) -> Any:
    """Transposed matrix times vector."""
    return (
        m[0] * x + m[3] * y + m[6] * z,
        m[1] * x + m[4] * y + m[7] * z,
        m[2] * x + m[5] * y + m[8] * z,
    )


@register_jitable
def earth_to_celestial(
    x: Any, y: Any, z: Any, c: Any, s: Any, xp: Any, yp: Any, X: Any, Y: Any, Z: Any, q: Any
) -> Any:  # fmt: skip
    """Rotate a vector from ITRS to GCRS (IERS Conventions 2010, equations 5.1 to 5.10).

    Polar motion to first order (the second is 1e-12) and without s' (2e-10 rad
    a century).
    """
    px = x - xp * z
    py = y + yp * z
    pz = z + xp * x - yp * y
    a = c * px - s * py
    b = s * px + c * py
    k = q * (X * a + Y * b)
    return a - k * X + X * pz, b - k * Y + Y * pz, Z * pz - X * a - Y * b


@register_jitable
def celestial_to_earth(
    x: Any, y: Any, z: Any, c: Any, s: Any, xp: Any, yp: Any, X: Any, Y: Any, Z: Any, q: Any
) -> Any:  # fmt: skip
    """Rotate a vector from GCRS to ITRS: the inverse of `earth_to_celestial`."""
    k = q * (X * x + Y * y)
    a = x - k * X - X * z
    b = y - k * Y - Y * z
    pz = X * x + Y * y + Z * z
    px = c * a + s * b
    py = c * b - s * a
    return px + xp * pz, py - yp * pz, pz - xp * px + yp * py


@register_jitable
def aberrate(x: Any, y: Any, z: Any, vx: Any, vy: Any, vz: Any, w: Any, one: Any) -> Any:
    """Give the direction that an observer of velocity v/c sees (w = sqrt(1 - v^2)).

    The exact Lorentz transformation of a direction (Explanatory Supplement to
    the Astronomical Almanac, 3rd edition, equation 7.40).
    """
    p = x * vx + y * vy + z * vz
    q = one / (one + p)
    k = one + p / (one + w)
    return (w * x + k * vx) * q, (w * y + k * vy) * q, (w * z + k * vz) * q


@register_jitable
def unaberrate(x: Any, y: Any, z: Any, vx: Any, vy: Any, vz: Any, w: Any, one: Any) -> Any:
    """Undo `aberrate`: the same with the velocity reversed."""
    p = x * vx + y * vy + z * vz
    q = one / (one - p)
    k = p / (one + w) - one
    return (w * x + k * vx) * q, (w * y + k * vy) * q, (w * z + k * vz) * q


@register_jitable
def bend(x: Any, y: Any, z: Any, ex: Any, ey: Any, ez: Any, strength: Any, limit: Any, one: Any) -> Any:
    """Shift a star's direction by the Sun's light bending (as ERFA's ldsun)."""
    p = x * ex + y * ey + z * ez
    d = strength / max(one + p, limit)
    return x + d * (ex - p * x), y + d * (ey - p * y), z + d * (ez - p * z)


@register_jitable
def unbend(x: Any, y: Any, z: Any, ex: Any, ey: Any, ez: Any, strength: Any, limit: Any, one: Any) -> Any:
    """Undo `bend` to first order: to 1e-5 arcsec where the Sun is 2 degrees away."""
    p = x * ex + y * ey + z * ez
    d = strength / max(one + p, limit)
    return x - d * (ex - p * x), y - d * (ey - p * y), z - d * (ez - p * z)


@register_jitable
def longitude_latitude(x: Any, y: Any, z: Any) -> Any:
    """Spherical coordinates of a vector: longitude in [0, 2 pi), latitude [rad]."""
    longitude = math.atan2(y, x)
    if longitude < 0.0:
        longitude += TWO_PI
    return longitude, math.atan2(z, math.sqrt(x * x + y * y))


@register_jitable
def direction_of(longitude: Any, latitude: Any) -> Any:
    """Give the unit vector of spherical coordinates [rad]."""
    z, r = sine_cosine(latitude)
    s, c = sine_cosine(longitude)
    return r * c, r * s, z


@register_jitable(forceinline=True)
def to_sky(
    time_ns: Any, dx: Any, dy: Any, dz: Any, table: Any, start_ns: Any, site: Any, frame: Any, bending: Any
) -> Any:  # fmt: skip
    """Turn a travel direction in the detector into where on the sky it comes from.

    Returns
    -------
    code : int
        0, `NOT_UNIT` where the direction is no unit vector (NaN, say), `NO_DAY` where
        the table lacks the day.
    x, y, z : float
        Unit vector in ICRS times the matrix `frame`; NaN where the code is not 0.
    """
    day, f = day_of(time_ns, start_ns)
    if day < 0 or day >= table.shape[0]:
        return NO_DAY, math.nan, math.nan, math.nan
    if not is_direction(dx, dy, dz):
        return NOT_UNIT, math.nan, math.nan, math.nan
    row = np.uint64(day)  # unsigned: numba then leaves out the handling of negative ones
    x, y, z = rotate(site, -dx, -dy, -dz)
    c, s, xp, yp, X, Y, Z, q, vx, vy, vz, w = earth_state(table, row, f, site[9], site[10])
    x, y, z = earth_to_celestial(x, y, z, c, s, xp, yp, X, Y, Z, q)
    x, y, z = unaberrate(x, y, z, vx, vy, vz, w, 1.0)
    if bending:
        ex, ey, ez, strength, limit = sun_state(table, row, f)
        x, y, z = unbend(x, y, z, ex, ey, ez, strength, limit, 1.0)
    x, y, z = rotate(frame, x, y, z)
    return 0, x, y, z


@register_jitable(forceinline=True)
def to_local(
    time_ns: Any, x: Any, y: Any, z: Any, table: Any, start_ns: Any, site: Any, frame: Any, bending: Any
) -> Any:  # fmt: skip
    """Turn a place on the sky into the direction in which its neutrinos travel in the detector.

    The inverse of `to_sky`, with the same arguments.

    Returns
    -------
    code : int
    dx, dy, dz : float
    """
    day, f = day_of(time_ns, start_ns)
    if day < 0 or day >= table.shape[0]:
        return NO_DAY, math.nan, math.nan, math.nan
    if not is_direction(x, y, z):
        return NOT_UNIT, math.nan, math.nan, math.nan
    row = np.uint64(day)
    x, y, z = rotate_back(frame, x, y, z)
    c, s, xp, yp, X, Y, Z, q, vx, vy, vz, w = earth_state(table, row, f, site[9], site[10])
    if bending:
        ex, ey, ez, strength, limit = sun_state(table, row, f)
        x, y, z = bend(x, y, z, ex, ey, ez, strength, limit, 1.0)
    x, y, z = aberrate(x, y, z, vx, vy, vz, w, 1.0)
    x, y, z = celestial_to_earth(x, y, z, c, s, xp, yp, X, Y, Z, q)
    x, y, z = rotate_back(site, x, y, z)
    return 0, -x, -y, -z
