"""Neighbours of hits in space and time, on a GPU: one thread, one hit."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.neighbours import is_near

__all__ = ["count"]


@cuda.jit
def count(n, offsets, segment, t, x, y, z, owner, counted, time, slowness2, radius2, reach, most, out, slot):
    """Count the neighbours of `n` hits."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        low = offsets[segment[i]]
        high = offsets[segment[i] + 1]
        found = 0
        j = i - 1
        while j >= low and found < most and t[i] - t[j] <= reach:
            near = is_near(t[i] - t[j], x[i] - x[j], y[i] - y[j], z[i] - z[j], time, slowness2, radius2)
            if near and counted[j] != 0 and owner[j] != owner[i]:
                found += 1
            j -= 1
        j = i + 1
        while j < high and found < most and t[j] - t[i] <= reach:
            near = is_near(t[j] - t[i], x[i] - x[j], y[i] - y[j], z[i] - z[j], time, slowness2, radius2)
            if near and counted[j] != 0 and owner[j] != owner[i]:
                found += 1
            j += 1
        out[i] = found
