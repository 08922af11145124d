"""HEALPix by its projection: find the square of the plane that a direction falls in.

M. R. Calabretta and B. F. Roukema, "Mapping on the HEALPix grid", MNRAS 381 (2007)
865.  The ring order is the nested one sorted by latitude and longitude.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.kernels.reference.sky import local_to_vectors

__all__ = ["centres", "local_counts", "pixels"]


def centres(pixel: Any, nside: int, nested: int) -> Any:
    """Give longitude and latitude of pixel centres, (n, 2)."""
    every = np.array([_centre(p, nside) for p in range(12 * nside * nside)])
    return every[pixel] if nested else every[_by_ring(every)][pixel]


def pixels(x: Any, y: Any, z: Any, nside: int, nested: int) -> Any:
    """Give the pixels of unit vectors, (n,)."""
    found = np.array([_nested(*v, nside) for v in zip(x, y, z, strict=True)], dtype=np.int64)
    if nested:
        return found
    every = np.array([_centre(p, nside) for p in range(12 * nside * nside)])
    return np.argsort(_by_ring(every))[found]


def local_counts(*arguments: Any) -> Any:
    """Count travel directions in the pixels that they come from, (12 nside^2,)."""
    *to_sky, nside, nested = arguments
    x, y, z = local_to_vectors(*to_sky).T
    found = pixels(x, y, z, nside, nested)
    return np.bincount(found, minlength=12 * nside * nside)


def _by_ring(every: Any) -> Any:
    return np.lexsort((every[:, 0].round(12), -every[:, 1].round(12)))


def _nested(x: float, y: float, z: float, nside: int) -> int:
    """Walk down the squares: which base face, which quarter of it, and so on."""
    u, v = _plane(np.arctan2(y, x) % (2 * np.pi), z)
    best = -1
    for face in range(12):
        cu, cv = _face(face)
        for wrap in (-8, 0, 8):
            # along the face's own edges, from its southern corner: 0 to 1
            a = ((u + wrap - cu) + (v - cv)) / 2 + 0.5
            b = (-(u + wrap - cu) + (v - cv)) / 2 + 0.5
            if 0 <= a < 1 and 0 <= b < 1:
                best = face * nside * nside
                cell = 1.0
                for level in range(int(np.log2(nside)) - 1, -1, -1):
                    cell /= 2
                    east, west = a >= cell, b >= cell
                    a, b = a - cell * east, b - cell * west
                    best += (int(east) + 2 * int(west)) << (2 * level)
    return best


def _plane(longitude: float, z: float) -> tuple[float, float]:
    """HEALPix projection, in eighths of a turn; the equator is v = 0, the poles v = +-2."""
    u = longitude * 4 / np.pi
    if abs(z) <= 2 / 3:
        return u, 1.5 * z
    sigma = np.sqrt(3 * (1 - abs(z)))
    middle = 2 * np.floor(u / 2) + 1
    return middle + (u - middle) * sigma, np.sign(z) * (2 - sigma)


def _face(face: int) -> tuple[int, int]:
    """Centre of a base face in the plane."""
    row, column = divmod(face, 4)
    return 2 * column + (0 if row == 1 else 1), 1 - row


def _centre(pixel: int, nside: int) -> tuple[float, float]:
    face, inside = divmod(pixel, nside * nside)
    a = b = 0.0
    for level in range(int(np.log2(nside))):
        a += ((inside >> (2 * level)) & 1) * 2**level
        b += ((inside >> (2 * level + 1)) & 1) * 2**level
    a, b = (a + 0.5) / nside - 0.5, (b + 0.5) / nside - 0.5
    cu, cv = _face(face)
    u, v = cu + (a - b), cv + (a + b)
    if abs(v) <= 1:
        return (u * np.pi / 4) % (2 * np.pi), np.arcsin(v / 1.5)
    sigma = 2 - abs(v)
    middle = 2 * np.floor(u / 2) + 1
    longitude = (middle + (u - middle) / sigma) * np.pi / 4
    return longitude % (2 * np.pi), np.sign(v) * np.arcsin(1 - sigma**2 / 3)
