"""Sines, cosines and spherical coordinates, alike on every backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

__all__ = ["direction_of", "longitude_latitude", "rotate", "rotate_back", "sine_cosine"]

TWO_PI = 2.0 * math.pi
TWO_BY_PI = 2.0 / math.pi
# pi/2 in two parts; the first has 33 bits, so that its multiples are exact
HALF_PI_HIGH = float.fromhex("0x1.921fb54400000p+0")
HALF_PI_LOW = float.fromhex("0x1.0b4611a626331p-34")
S3, S5, S7, S9, S11, S13, S15, S17 = ((-1) ** (n // 2) / math.factorial(n) for n in range(3, 18, 2))
C4, C6, C8, C10, C12, C14, C16 = ((-1) ** (n // 2) / math.factorial(n) for n in range(4, 17, 2))


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
def longitude_latitude(x: Any, y: Any, z: Any) -> Any:
    """Spherical coordinates of a vector: longitude in [0, 2 pi), latitude [rad], float64."""
    longitude = np.float64(math.atan2(y, x))
    if longitude < 0.0:
        longitude += TWO_PI
        if longitude >= TWO_PI:  # what is just below 0 rounds to 2 pi
            longitude = np.float64(0.0)
    return longitude, np.float64(math.atan2(z, math.sqrt(x * x + y * y)))


@register_jitable
def direction_of(longitude: Any, latitude: Any) -> Any:
    """Give the unit vector of spherical coordinates [rad]."""
    z, r = sine_cosine(latitude)
    s, c = sine_cosine(longitude)
    return r * c, r * s, z


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
