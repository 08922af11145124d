"""Neighbours of hits in space and time, on the CPU; hits of an event in order of time."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.neighbours import is_near
from km3gpu.kernels.scalar.overlaps import first_not_before

__all__ = ["count_block", "count_blocks"]


@block
def count_block(
    start, stop, segment, t, x, y, z, owner, others, other_t, other_x, other_y, other_z, other_owner,
    time, slowness2, radius2, reach, most, out,
):  # fmt: skip
    """Count, for hits ``start`` to ``stop``, the others that are near, from the nearest in time on."""
    for i in range(start, stop):
        low, high = others[segment[i]], others[segment[i] + 1]
        ti, xi, yi, zi, own = t[i], x[i], y[i], z[i], owner[i]
        found = 0
        middle = first_not_before(other_t, low, high, ti)
        j = middle
        while j < high and found < most and other_t[j] - ti <= reach:
            dt = other_t[j] - ti
            near = is_near(dt, xi - other_x[j], yi - other_y[j], zi - other_z[j], time, slowness2, radius2)
            found += near and other_owner[j] != own
            j += 1
        j = middle - 1
        while j >= low and found < most and ti - other_t[j] <= reach:
            dt = ti - other_t[j]
            near = is_near(dt, xi - other_x[j], yi - other_y[j], zi - other_z[j], time, slowness2, radius2)
            found += near and other_owner[j] != own
            j -= 1
        out[i] = found
    return NONE


@blocks
def count_blocks(
    n, n_blocks, segment, t, x, y, z, owner, others, other_t, other_x, other_y, other_z, other_owner,
    time, slowness2, radius2, reach, most, out,
):  # fmt: skip
    """Count the others near each of `n` hits, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        count_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, segment, t, x, y, z, owner,
            others, other_t, other_x, other_y, other_z, other_owner,
            time, slowness2, radius2, reach, most, out,
        )  # fmt: skip
    return NONE
