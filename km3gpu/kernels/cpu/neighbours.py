"""Neighbours of hits in space and time, on the CPU; hits of an event in order of time."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.neighbours import is_near

__all__ = ["count_block", "count_blocks"]


@block
def count_block(
    start, stop, offsets, segment, t, x, y, z, owner, counted, time, slowness2, radius2, reach, most, out
):
    """Count the neighbours of hits ``start`` to ``stop``."""
    for i in range(start, stop):
        low, high = offsets[segment[i]], offsets[segment[i] + 1]
        ti, xi, yi, zi, own = t[i], x[i], y[i], z[i], owner[i]
        found = 0
        j = i - 1
        while j >= low and found < most and ti - t[j] <= reach:
            near = is_near(ti - t[j], xi - x[j], yi - y[j], zi - z[j], time, slowness2, radius2)
            found += near and counted[j] != 0 and owner[j] != own
            j -= 1
        j = i + 1
        while j < high and found < most and t[j] - ti <= reach:
            near = is_near(t[j] - ti, xi - x[j], yi - y[j], zi - z[j], time, slowness2, radius2)
            found += near and counted[j] != 0 and owner[j] != own
            j += 1
        out[i] = found
    return NONE


@blocks
def count_blocks(
    n, n_blocks, offsets, segment, t, x, y, z, owner, counted, time, slowness2, radius2, reach, most, out
):
    """Count the neighbours of `n` hits in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        count_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, offsets, segment, t, x, y, z, owner, counted,
            time, slowness2, radius2, reach, most, out,
        )  # fmt: skip
    return NONE
