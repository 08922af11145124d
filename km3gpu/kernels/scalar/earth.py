"""The Earth at an instant: its rotation, pole, motion and Sun, from a table of days.

The chain is that of the IAU 2006/2000A standards (IERS Conventions 2010,
chapter 5; the one that ERFA and astropy use).  What changes slowly comes from a
table with one row per UTC day (`km3gpu.astro.tables` makes it):

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

The Sun and the Moon have tables of their own (`km3gpu.astro.bodies`): six
quintics per day of where the light left them, in light-days: columns 0 to 17 are x,
y, z from the Earth's centre, 18 to 35 from where the Sun is when the light arrives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.scalar.angles import sine_cosine
from km3gpu.kernels.scalar.precision import cast

__all__ = [
    "DAY_NS",
    "celestial_to_earth",
    "cubic",
    "day_of",
    "earth_state",
    "earth_to_celestial",
    "quintic",
    "sun_state",
]

DAY_NS = 86_400_000_000_000
PER_NS = 1.0 / 86_400_000_000_000.0

# twice the Sun's gravitational radius [au], as ERFA's SRS
BENDING = 1.97412574336e-8
LIGHT_DAYS_PER_AU = 149_597_870_700.0 / 299_792_458.0 / 86_400.0


@register_jitable(forceinline=True)
def day_of(time_ns: Any, start_ns: Any, n_days: Any) -> Any:
    """Row of the table that a time is in and the fraction of that day; row 0 and NaN without one."""
    since = time_ns - start_ns
    day = since // DAY_NS
    fraction = (since - day * DAY_NS) * PER_NS
    inside = (day >= 0) & (day < n_days)
    # unsigned: numba then leaves out the handling of negative rows
    return np.uint64(day if inside else 0), fraction if inside else math.nan


@register_jitable(forceinline=True)
def cubic(a: Any, b: Any, c: Any, d: Any, f: Any) -> Any:
    """Value of the cubic with these coefficients, lowest first."""
    return a + f * (b + f * (c + f * d))


@register_jitable(forceinline=True)
def quintic(a: Any, b: Any, c: Any, d: Any, e: Any, g: Any, f: Any) -> Any:
    """Value and derivative of the quintic with these coefficients, lowest first."""
    value = g
    slope = value
    value = value * f + e
    slope = slope * f + value
    value = value * f + d
    slope = slope * f + value
    value = value * f + c
    slope = slope * f + value
    value = value * f + b
    slope = slope * f + value
    value = value * f + a
    return value, slope


@register_jitable(forceinline=True)
def earth_state(day: Any, f: Any, ground_x: Any, ground_y: Any, like: Any) -> Any:
    """State of the Earth at fraction `f` of a day, in the type of `like`.

    Parameters
    ----------
    day : 44 numbers
        The day's row.
    f : float64
    ground_x, ground_y
        Velocity of the ground / c along the ITRS axes.

    Returns
    -------
    c, s : cosine and sine of the rotation angle
    xp, yp : polar motion [rad]
    X, Y, Z, q : celestial pole, and 1 / (1 + Z)
    vx, vy, vz, w : velocity of the site / c in the GCRS, and 1 / Lorentz factor
    """
    s, c = sine_cosine(cubic(day[0], day[1], day[2], day[3], f))
    xp = day[4] + f * day[5]
    yp = day[6] + f * day[7]
    X = cubic(day[8], day[9], day[10], day[11], f)
    Y = cubic(day[12], day[13], day[14], day[15], f)
    # square roots of what is next to 1, by their series: X and Y stay below 0.02 until
    # 2300, where the next term of the first is 3e-19
    u = X * X + Y * Y
    Z = 1.0 - u * (0.5 + u * (0.125 + u * (0.0625 + u * 0.0390625)))
    q = 1.0 / (1.0 + Z)
    a = c * ground_x - s * ground_y
    b = s * ground_x + c * ground_y
    k = q * (X * a + Y * b)
    vx = cubic(day[16], day[17], day[18], day[19], f) + a - k * X
    vy = cubic(day[20], day[21], day[22], day[23], f) + b - k * Y
    vz = cubic(day[24], day[25], day[26], day[27], f) - X * a - Y * b
    u = vx * vx + vy * vy + vz * vz
    w = 1.0 - u * (0.5 + u * 0.125)
    return (
        cast(c, like), cast(s, like), cast(xp, like), cast(yp, like),
        cast(X, like), cast(Y, like), cast(Z, like), cast(q, like),
        cast(vx, like), cast(vy, like), cast(vz, like), cast(w, like),
    )  # fmt: skip


@register_jitable(forceinline=True)
def sun_state(day: Any, f: Any, like: Any) -> Any:
    """Where the Sun is and how it bends light, in the type of `like`.

    Returns
    -------
    ex, ey, ez : unit vector from the Sun to the Earth
    strength : 2 GM / (c^2 distance)
    limit : least 1 + cos(angle) that counts, as in ERFA: within the disc it bends no more
    """
    em = cubic(day[40], day[41], day[42], day[43], f)
    return (
        cast(cubic(day[28], day[29], day[30], day[31], f), like),
        cast(cubic(day[32], day[33], day[34], day[35], f), like),
        cast(cubic(day[36], day[37], day[38], day[39], f), like),
        cast(BENDING / em, like),
        cast(1e-6 / max(1.0, em * em), like),
    )


@register_jitable(forceinline=True)
def earth_to_celestial(
    x: Any, y: Any, z: Any, c: Any, s: Any, xp: Any, yp: Any, X: Any, Y: Any, Z: Any, q: Any
) -> Any:
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


@register_jitable(forceinline=True)
def celestial_to_earth(
    x: Any, y: Any, z: Any, c: Any, s: Any, xp: Any, yp: Any, X: Any, Y: Any, Z: Any, q: Any
) -> Any:
    """Rotate a vector from GCRS to ITRS: the inverse of `earth_to_celestial`."""
    k = q * (X * x + Y * y)
    a = x - k * X - X * z
    b = y - k * Y - Y * z
    pz = X * x + Y * y + Z * z
    px = c * a + s * b
    py = c * b - s * a
    return px + xp * pz, py - yp * pz, pz - xp * px + yp * py
