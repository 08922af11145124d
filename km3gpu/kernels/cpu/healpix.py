"""HEALPix pixels, centres and counts on the CPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from km3gpu.kernels.cpu.days import day_row, eleven, nine, one_day
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.angles import arctangent
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.healpix import NO_PIXEL, centre_of, pixel_of
from km3gpu.kernels.scalar.sky import NOT_UNIT, is_direction, reason, to_sky

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
            out_latitude[i] = arctangent(sine, cosine)
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
    # a tile at a time: counting in between would hold up the arithmetic
    found = np.empty((3, _TILE))
    low = start
    while low < stop:
        row, midnight, per_ns, n = one_day(time_ns, low, min(stop, low + _TILE), start_ns, len(table))
        day = day_row(table, row)
        first = np.uint64(low)
        for k in range(n):
            i = first + np.uint64(k)
            f = (time_ns[i] - midnight) * per_ns
            _, x, y, z = to_sky(f, dx[i], dy[i], dz[i], day, place, axes, bending)
            found[0, k], found[1, k], found[2, k] = x, y, z
        for k in range(n):
            z = found[2, k]
            if z == z:  # NaN where it is not good
                counts[np.uint64(pixel_of(found[0, k], found[1, k], z, nside, nested))] += 1
            else:
                worst = min(worst, fault(low + k, reason(per_ns)))
        low += n
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
