"""Rows of PMTs of hits on a GPU: one thread, one hit."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.lookup import first_slot
from km3gpu.kernels.scalar.rows import row_of

__all__ = ["pmt_rows"]


@cuda.jit
def pmt_rows(n, dom_id, channel_id, slots, multiplier, shift, row, slot):
    """Find the rows of `n` hits; nothing is reported in `slot`."""
    mask = slots.shape[0] - 1
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        module = dom_id[i]
        s = first_slot(module, multiplier, shift) * 4
        while slots[s] != module and slots[s + 2] >= 0:
            s = (s + 4) & mask
        row[i] = row_of(slots[s + 1], slots[s + 2], channel_id[i])
