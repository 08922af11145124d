"""Neighbours of hits in space and time, on a GPU: one thread, one hit."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.neighbours import is_near
from km3gpu.kernels.scalar.overlaps import first_not_before

__all__ = ["count"]


@cuda.jit
def count(
    n, segment, t, x, y, z, owner, others, other_t, other_x, other_y, other_z, other_owner,
    time, slowness2, radius2, reach, most, out, slot,
):  # fmt: skip
    """Count, for `n` hits, the others that are near, from the nearest in time on."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        low = others[segment[i]]
        high = others[segment[i] + 1]
        found = 0
        middle = first_not_before(other_t, low, high, t[i])
        j = middle
        while j < high and found < most and other_t[j] - t[i] <= reach:
            near = is_near(
                other_t[j] - t[i], x[i] - other_x[j], y[i] - other_y[j], z[i] - other_z[j],
                time, slowness2, radius2,
            )  # fmt: skip
            if near and other_owner[j] != owner[i]:
                found += 1
            j += 1
        j = middle - 1
        while j >= low and found < most and t[i] - other_t[j] <= reach:
            near = is_near(
                t[i] - other_t[j], x[i] - other_x[j], y[i] - other_y[j], z[i] - other_z[j],
                time, slowness2, radius2,
            )  # fmt: skip
            if near and other_owner[j] != owner[i]:
                found += 1
            j -= 1
        out[i] = found
