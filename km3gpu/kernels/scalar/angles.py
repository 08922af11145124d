"""Sines, cosines, arctangents and spherical coordinates, alike on every backend.

The functions are our own, of nothing but sums, products, quotients and choices: no
call, no branch, no slow path.  So a CPU does several events per instruction, a GPU
needs no local memory, and both get the same digits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.scalar.precision import square_root

__all__ = ["arctangent", "direction_of", "longitude_latitude", "rotate", "rotate_back", "sine_cosine"]

PI = math.pi
TWO_PI = 2.0 * math.pi
HALF_PI = 0.5 * math.pi
QUARTER_PI = 0.25 * math.pi
TWO_BY_PI = 2.0 / math.pi
TAN_EIGHTH = math.sqrt(2.0) - 1.0
# added to a number below 2^51 it leaves no bits for fractions: the number is rounded
TO_WHOLE = 6_755_399_441_055_744.0
# pi/2 in two parts; the first has 33 bits, so that its multiples are exact
HALF_PI_HIGH = float.fromhex("0x1.921fb54400000p+0")
HALF_PI_LOW = float.fromhex("0x1.0b4611a626331p-34")
S3, S5, S7, S9, S11, S13, S15, S17 = ((-1) ** (n // 2) / math.factorial(n) for n in range(3, 18, 2))
C4, C6, C8, C10, C12, C14, C16 = ((-1) ** (n // 2) / math.factorial(n) for n in range(4, 17, 2))
# (atan(q) / q - 1) / q^2 as a polynomial in q^2 up to q = tan(pi/8), found by Remez'
# exchange for the least relative error of atan(q): 1.2e-18
A0 = -0.333333333333332
A1 = 0.1999999999995404
A2 = -0.1428571428024408
A3 = 0.11111110785905949
A4 = -0.09090897829515439
A5 = 0.07692061509526384
A6 = -0.06663118889390682
A7 = 0.05847997745376914
A8 = -0.050397939358116726
A9 = 0.03807698107703926
A10 = -0.017920781592185027


@register_jitable(forceinline=True)
def sine_cosine(angle: Any) -> Any:
    """Sine and cosine of an angle below 1e6, to 2e-16; NaN beyond.

    Taylor's series about the nearest multiple of pi/2; one call gives both.
    """
    angle = angle if abs(angle) < 1e6 else math.nan
    k = (angle * TWO_BY_PI + TO_WHOLE) - TO_WHOLE
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
    # which quarter of the turn: k modulo 4
    quadrant = k - 4.0 * ((0.25 * k - 0.375 + TO_WHOLE) - TO_WHOLE)
    odd = (quadrant == 1.0) | (quadrant == 3.0)
    sine, cosine = (c, s) if odd else (s, c)
    sine = -sine if quadrant >= 2.0 else sine
    cosine = -cosine if (quadrant == 1.0) | (quadrant == 2.0) else cosine
    return sine, cosine


@register_jitable(forceinline=True)
def arctangent(y: Any, x: Any) -> Any:
    """Angle of the point (x, y) from the x axis, -pi to pi, to 4e-16: `math.atan2`.

    Zero for the point (0, 0), whatever the signs of its zeros.
    """
    a, b = abs(x), abs(y)
    steep = b > a
    high, low = (b, a) if steep else (a, b)
    # beyond pi/8 the angle is taken from the diagonal
    oblique = low > TAN_EIGHTH * high
    over = low - high if oblique else low
    under = low + high if oblique else high
    q = over / (1.0 if under == 0.0 else under)
    u = q * q
    p = A9 + u * A10
    p = A8 + u * p
    p = A7 + u * p
    p = A6 + u * p
    p = A5 + u * p
    p = A4 + u * p
    p = A3 + u * p
    p = A2 + u * p
    p = A1 + u * p
    p = A0 + u * p
    angle = q + q * u * p
    angle = QUARTER_PI + angle if oblique else angle
    angle = HALF_PI - angle if steep else angle
    angle = PI - angle if x < 0.0 else angle
    return -angle if y < 0.0 else angle


@register_jitable(forceinline=True)
def longitude_latitude(x: Any, y: Any, z: Any) -> Any:
    """Spherical coordinates of a vector: longitude in [0, 2 pi) and latitude [rad], float64."""
    x, y, z = np.float64(x), np.float64(y), np.float64(z)
    longitude = arctangent(y, x)
    longitude = longitude + TWO_PI if longitude < 0.0 else longitude
    # what is just below 0 rounds to 2 pi
    longitude = 0.0 if longitude >= TWO_PI else longitude
    return longitude, arctangent(z, square_root(x * x + y * y))


@register_jitable(forceinline=True)
def direction_of(longitude: Any, latitude: Any) -> Any:
    """Give the unit vector of spherical coordinates [rad]."""
    z, r = sine_cosine(latitude)
    s, c = sine_cosine(longitude)
    return r * c, r * s, z


@register_jitable(forceinline=True)
def rotate(m: Any, x: Any, y: Any, z: Any) -> Any:
    """Matrix (nine numbers, row by row) times vector."""
    return (
        m[0] * x + m[1] * y + m[2] * z,
        m[3] * x + m[4] * y + m[5] * z,
        m[6] * x + m[7] * y + m[8] * z,
    )


@register_jitable(forceinline=True)
def rotate_back(m: Any, x: Any, y: Any, z: Any) -> Any:
    """Transposed matrix times vector."""
    return (
        m[0] * x + m[3] * y + m[6] * z,
        m[1] * x + m[4] * y + m[7] * z,
        m[2] * x + m[5] * y + m[8] * z,
    )
