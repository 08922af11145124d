"""HEALPix pixels, centres and counts on the CPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from km3gpu.kernels.cpu.sky import eleven, nine
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.healpix import NO_PIXEL, centre_of, pixel_of
from km3gpu.kernels.scalar.sky import NOT_UNIT, is_direction, to_sky

__all__ = [
    "centres_block",
    "centres_blocks",
    "local_counts_block",
    "local_counts_blocks",
    "pixels_block",
    "pixels_blocks",
]

# counts of every thread for itself may take this many numbers in all
_MAX_PRIVATE = 1 << 26
_TILE = 256


@block
def pixels_block(
    start: int, stop: int, x: Any, y: Any, z: Any, nside: int, nested: int, out_pixel: Any
) -> int:  # fmt: skip
    """Give the pixels of unit vectors ``start`` to ``stop``, -1 for what is none."""
    worst = NONE
    for i in range(start, stop):
        if is_direction(x[i], y[i], z[i]):
            out_pixel[i] = pixel_of(x[i], y[i], z[i], nside, nested)
        else:
            out_pixel[i] = -1
            worst = min(worst, fault(i, NOT_UNIT))
    return worst


@blocks
def pixels_blocks(
    n: int, n_blocks: int, x: Any, y: Any, z: Any, nside: int, nested: int, out_pixel: Any
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = pixels_block(k * n // n_blocks, (k + 1) * n // n_blocks, x, y, z, nside, nested, out_pixel)
    return worst.min()  # type: ignore[no-any-return]


@block
def centres_block(
    start: int, stop: int, pixel: Any, nside: int, nested: int, out_longitude: Any, out_latitude: Any
) -> int:  # fmt: skip
    """Give the centres of pixels ``start`` to ``stop``, NaN for those that are not there."""
    worst = NONE
    for i in range(start, stop):
        if 0 <= pixel[i] < 12 * nside * nside:
            longitude, sine, cosine = centre_of(pixel[i], nside, nested)
            out_longitude[i] = longitude
            out_latitude[i] = math.atan2(sine, cosine)
        else:
            out_longitude[i] = math.nan
            out_latitude[i] = math.nan
            worst = min(worst, fault(i, NO_PIXEL))
    return worst


@blocks
def centres_blocks(
    n: int, n_blocks: int, pixel: Any, nside: int, nested: int, out_longitude: Any, out_latitude: Any
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = centres_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, pixel, nside, nested, out_longitude, out_latitude
        )
    return worst.min()  # type: ignore[no-any-return]


@block
def local_counts_block(
    start: int, stop: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int, nside: int, nested: int,
    counts: Any,
) -> int:  # fmt: skip
    """Count travel directions ``start`` to ``stop`` in the pixels that they come from."""
    worst = NONE
    place, axes = eleven(site), nine(frame)
    # a tile at a time: counting in between would hold up the arithmetic by half
    found = np.empty((3, _TILE))
    for low in range(start, stop, _TILE):
        m = min(_TILE, stop - low)
        for j in range(m):
            i = low + j
            code, x, y, z = to_sky(time_ns[i], dx[i], dy[i], dz[i], table, start_ns, place, axes, bending)
            if code != 0:
                worst = min(worst, fault(i, code))
            found[0, j], found[1, j], found[2, j] = x, y, z
        for j in range(m):
            z = found[2, j]
            if z == z:  # NaN where the code was not 0
                counts[np.uint64(pixel_of(found[0, j], found[1, j], z, nside, nested))] += 1
    return worst


@blocks
def local_counts_blocks(
    n: int, n_blocks: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int, nside: int, nested: int,
    counts: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them; every block counts for itself, as far as memory goes."""
    n_parts = max(1, min(n_blocks, _MAX_PRIVATE // counts.size))
    worst = np.full(n_parts, NONE, np.int64)
    own = np.zeros((n_parts, counts.size), np.int64)
    for b in prange(n_parts):
        k: Any = np.int64(b)
        worst[k] = local_counts_block(
            k * n // n_parts, (k + 1) * n // n_parts,
            time_ns, dx, dy, dz, table, start_ns, site, frame, bending, nside, nested, own[k],
        )  # fmt: skip
    for p in prange(counts.size):
        for k in range(n_parts):
            counts[p] += own[k, p]
    return worst.min()  # type: ignore[no-any-return]
