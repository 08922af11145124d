"""Multiplicity in a sliding window on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.coincidence import CHANNEL_TOO_HIGH, MOST_CHANNELS, from_here
from km3gpu.kernels.scalar.fault import fault

__all__ = ["sliding_block", "sliding_blocks"]


@block
def sliding_block(start, stop, order, segment, dom_id, channel_id, t, window, hits, pmts):
    """Count from each of the sorted rows ``start`` to ``stop``."""
    worst = NONE
    for p in range(start, stop):
        i = order[p]
        hits[i], pmts[i] = from_here(p, order, segment, dom_id, channel_id, t, window)
        if np.int64(channel_id[i]) >= MOST_CHANNELS:
            worst = min(worst, fault(i, CHANNEL_TOO_HIGH))
    return worst


@blocks
def sliding_blocks(n, n_blocks, order, segment, dom_id, channel_id, t, window, hits, pmts):
    """Count from each of `n` sorted rows in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = sliding_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            order, segment, dom_id, channel_id, t, window, hits, pmts,
        )  # fmt: skip
    return worst.min()
