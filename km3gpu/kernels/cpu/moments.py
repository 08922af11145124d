"""Moments of the hits of events, and eigenvalues of symmetric matrices, on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.moments import principal
from km3gpu.kernels.scalar.segments import LANES

__all__ = ["about_block", "about_blocks", "principal_block", "principal_blocks"]


@register_jitable
def _total(lanes):
    """Add up running sums in pairs, as `km3gpu.kernels.segments.total` does."""
    step = LANES // 2
    while step > 0:
        for k in range(step):
            lanes[k] += lanes[k + step]
        step //= 2
    return lanes[0]


@block
def about_block(start, stop, offsets, x, y, z, weight, out):
    """Give the moments of the hits of events ``start`` to ``stop``.

    The rows of `out` are the centre (3), the elements xx, xy, xz, yy, yz, zz
    about it, and the largest distance from it, squared; NaN without a hit.
    """
    lanes = np.empty((6, LANES))
    for e in range(start, stop):
        low, high = offsets[e], offsets[e + 1]
        lanes[:4] = 0.0
        for i in range(low, high):
            w = weight[i]
            if w > 0 and np.isfinite(x[i] + y[i] + z[i]):
                k = (i - low) % LANES
                lanes[0, k] += w
                lanes[1, k] += w * x[i]
                lanes[2, k] += w * y[i]
                lanes[3, k] += w * z[i]
        total = _total(lanes[0])
        if not total > 0:
            total = np.nan
        for k in range(3):
            out[k, e] = _total(lanes[1 + k]) / total
        lanes[:] = 0.0
        farthest = np.nan
        for i in range(low, high):
            w = weight[i]
            if w > 0 and np.isfinite(x[i] + y[i] + z[i]):
                k = (i - low) % LANES
                dx, dy, dz = x[i] - out[0, e], y[i] - out[1, e], z[i] - out[2, e]
                lanes[0, k] += w * dx * dx
                lanes[1, k] += w * dx * dy
                lanes[2, k] += w * dx * dz
                lanes[3, k] += w * dy * dy
                lanes[4, k] += w * dy * dz
                lanes[5, k] += w * dz * dz
                distance2 = dx * dx + dy * dy + dz * dz
                if not distance2 <= farthest:
                    farthest = distance2
        for k in range(6):
            out[3 + k, e] = _total(lanes[k]) / total
        out[9, e] = farthest
    return NONE


@blocks
def about_blocks(n, n_blocks, offsets, x, y, z, weight, out):
    """Give the moments of the hits of `n` events in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        about_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, x, y, z, weight, out)
    return NONE


@block
def principal_block(start, stop, xx, xy, xz, yy, yz, zz, small, middle, large):
    """Give the eigenvalues of matrices ``start`` to ``stop``."""
    for i in range(start, stop):
        small[i], middle[i], large[i] = principal(xx[i], xy[i], xz[i], yy[i], yz[i], zz[i])
    return NONE


@blocks
def principal_blocks(n, n_blocks, xx, xy, xz, yy, yz, zz, small, middle, large):
    """Give the eigenvalues of `n` matrices in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        principal_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, xx, xy, xz, yy, yz, zz, small, middle, large
        )
    return NONE
