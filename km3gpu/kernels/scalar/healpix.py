"""HEALPix: pixels of directions and centres of pixels, in both orders.

After Gorski et al., "HEALPix: a framework for high-resolution discretization and
fast analysis of data distributed on the sphere", ApJ 622 (2005) 759, section 5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.scalar.angles import arctangent

__all__ = ["NO_PIXEL", "centre_of", "pixel_of"]

NO_PIXEL = 1

_TWO_BY_PI = 2.0 / math.pi


@register_jitable
def _spread(v: Any) -> Any:
    """Put a zero in front of each of the lowest 32 bits."""
    v = np.uint64(v)
    v = (v | (v << np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    v = (v | (v << np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    v = (v | (v << np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    v = (v | (v << np.uint64(2))) & np.uint64(0x3333333333333333)
    return (v | (v << np.uint64(1))) & np.uint64(0x5555555555555555)


@register_jitable
def _gather(v: Any) -> Any:
    """Undo `_spread`."""
    v = np.uint64(v) & np.uint64(0x5555555555555555)
    v = (v | (v >> np.uint64(1))) & np.uint64(0x3333333333333333)
    v = (v | (v >> np.uint64(2))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    v = (v | (v >> np.uint64(4))) & np.uint64(0x00FF00FF00FF00FF)
    v = (v | (v >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    return (v | (v >> np.uint64(16))) & np.uint64(0x00000000FFFFFFFF)


@register_jitable(forceinline=True)
def pixel_of(x: Any, y: Any, z: Any, nside: Any, nested: Any) -> Any:
    """Pixel that a unit vector is in.

    Parameters
    ----------
    x, y, z : float64
    nside : int64
        A power of two for the nested order.
    nested : int
        Nested order, else ring order.

    Returns
    -------
    int64
    """
    turn = arctangent(y, x) * _TWO_BY_PI  # quarters of a turn
    if turn < 0.0:
        turn += 4.0
    if turn >= 4.0:
        turn = 0.0
    if abs(z) <= 2.0 / 3.0:
        # lines of constant jp rise, those of constant jm fall through the equator
        along, across = nside * (0.5 + turn), nside * z * 0.75
        jp, jm = np.int64(math.floor(along - across)), np.int64(math.floor(along + across))
        if nested:
            p, m = jp // nside, jm // nside
            face = (p & 3) + 4 if p == m else (p if p < m else m + 8)
            ix, iy = jm % nside, nside - 1 - jp % nside
            return face * nside * nside + np.int64(_spread(ix) | (_spread(iy) << np.uint64(1)))
        ring = nside + 1 + jp - jm
        shift = 1 - (ring & 1)
        column = ((jp + jm - nside + shift + 1) // 2) % (4 * nside)
        return 2 * nside * (nside - 1) + (ring - 1) * 4 * nside + column
    quarter: Any = min(np.int64(math.floor(turn)), 3)
    rest = turn - quarter
    # sqrt(3 (1 - |z|)), without the loss of digits at the poles
    away = nside * math.sqrt(3.0 * (x * x + y * y) / (1.0 + abs(z)))
    jp = min(np.int64(math.floor(rest * away)), nside - 1)
    jm = min(np.int64(math.floor((1.0 - rest) * away)), nside - 1)
    if nested:
        if z > 0.0:
            face, ix, iy = quarter, nside - 1 - jm, nside - 1 - jp
        else:
            face, ix, iy = quarter + 8, jp, jm
        return face * nside * nside + np.int64(_spread(ix) | (_spread(iy) << np.uint64(1)))
    ring = jp + jm + 1  # from the nearer pole
    column = np.int64(math.floor(turn * ring)) % (4 * ring)
    if z > 0.0:
        return 2 * ring * (ring - 1) + column
    return 12 * nside * nside - 2 * ring * (ring + 1) + column


@register_jitable
def _ring_column(pixel: Any, nside: Any) -> Any:
    """Ring from the North (1 to 4 nside - 1) and place in it, of a pixel in ring order."""
    cap = 2 * nside * (nside - 1)
    total = 12 * nside * nside
    if pixel < cap:
        ring: Any = np.int64((1.0 + math.sqrt(1.0 + 2.0 * pixel)) * 0.5)
        # the square root may be one off where pixel is large
        if 2 * ring * (ring - 1) > pixel:
            ring -= 1
        elif 2 * ring * (ring + 1) <= pixel:
            ring += 1
        return ring, pixel - 2 * ring * (ring - 1)
    if pixel < total - cap:
        return nside + (pixel - cap) // (4 * nside), (pixel - cap) % (4 * nside)
    back = total - 1 - pixel
    ring = np.int64((1.0 + math.sqrt(1.0 + 2.0 * back)) * 0.5)
    if 2 * ring * (ring - 1) > back:
        ring -= 1
    elif 2 * ring * (ring + 1) <= back:
        ring += 1
    return 4 * nside - ring, 4 * ring - 1 - (back - 2 * ring * (ring - 1))


@register_jitable
def centre_of(pixel: Any, nside: Any, nested: Any) -> Any:
    """Longitude [rad], sine and cosine of the latitude of a pixel's centre."""
    if nested:
        face = pixel // (nside * nside)
        inside = np.uint64(pixel - face * nside * nside)
        ix: Any = np.int64(_gather(inside))
        iy: Any = np.int64(_gather(inside >> np.uint64(1)))
        row = face // 4
        ring = (row + 2) * nside - ix - iy - 1
        # eighths of a turn, in units of 1 / (pixels of a quarter ring)
        eighth = 2 * (face % 4) + (0 if row == 1 else 1)
        offset: Any = ix - iy
    else:
        ring, column = _ring_column(pixel, nside)
        eighth, offset = 0, 0
    polar = ring < nside or ring > 3 * nside
    n = ring if ring < nside else (4 * nside - ring if ring > 3 * nside else nside)
    if polar:
        t = n * n / (3.0 * nside * nside)
        z, r = 1.0 - t, math.sqrt(t * (2.0 - t))
        if ring > nside:
            z = -z
    else:
        z = (2 * nside - ring) * 2.0 / (3.0 * nside)
        r = math.sqrt(1.0 - z * z)
    if nested:
        turn = (eighth * n + offset) / (4.0 * n) * 2.0
    else:
        half = 0.5 if polar or (ring - nside) % 2 == 0 else 0.0
        turn = (column + half) / n
    if turn < 0.0:
        turn += 4.0
    return turn / _TWO_BY_PI, z, r
