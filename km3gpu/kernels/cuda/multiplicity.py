"""Multiplicity in a sliding window on a GPU: one thread, one hit."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.coincidence import CHANNEL_TOO_HIGH, MOST_CHANNELS, from_here
from km3gpu.kernels.scalar.fault import fault

__all__ = ["sliding"]


@cuda.jit
def sliding(n, order, segment, dom_id, channel_id, t, window, hits, pmts, slot):
    """Count from each of `n` sorted rows."""
    for p in range(cuda.grid(1), n, cuda.gridsize(1)):
        i = order[p]
        hits[i], pmts[i] = from_here(p, order, segment, dom_id, channel_id, t, window)
        if int(channel_id[i]) >= MOST_CHANNELS:
            cuda.atomic.min(slot, 0, fault(i, CHANNEL_TOO_HIGH))
