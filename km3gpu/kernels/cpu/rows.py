"""Rows of PMTs of hits on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.lookup import first_slot
from km3gpu.kernels.scalar.rows import row_of

__all__ = ["pmt_rows_block", "pmt_rows_blocks"]

# Indices are unsigned: numba then leaves out the handling of negative ones.
_1, _2, _4 = np.uint64(1), np.uint64(2), np.uint64(4)


@block
def pmt_rows_block(start, stop, dom_id, channel_id, slots, multiplier, shift, row):
    """Find the rows of hits ``start`` to ``stop``."""
    mask = np.uint64(slots.shape[0] - 1)
    for i in range(start, stop):
        module = dom_id[i]
        s = np.uint64(first_slot(module, multiplier, shift)) * _4
        while slots[s] != module and slots[s + _2] >= 0:
            s = (s + _4) & mask
        row[i] = row_of(slots[s + _1], slots[s + _2], channel_id[i])
    return NONE


@blocks
def pmt_rows_blocks(n, n_blocks, dom_id, channel_id, slots, multiplier, shift, row):
    """Find the rows of `n` hits in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = pmt_rows_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, dom_id, channel_id, slots, multiplier, shift, row
        )
    return worst.min()
