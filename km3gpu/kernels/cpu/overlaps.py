"""Spans of time on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.overlaps import first_after, first_not_before, mark_starts

__all__ = ["merge_block", "merge_blocks", "within_block", "within_blocks"]


@block
def merge_block(start, stop, offsets, first, last, gap, longest, starts):
    """Mark the spans of events ``start`` to ``stop`` that begin a new group."""
    for e in range(start, stop):
        mark_starts(offsets[e], offsets[e + 1], first, last, gap, longest, starts)
    return NONE


@blocks
def merge_blocks(n, n_blocks, offsets, first, last, gap, longest, starts):
    """Mark the spans of `n` events that begin a new group, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        merge_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, first, last, gap, longest, starts)
    return NONE


@block
def within_block(start, stop, event, earliest, latest, offsets, t, begin, end):
    """Find the rows within spans ``start`` to ``stop``."""
    for i in range(start, stop):
        low, high = offsets[event[i]], offsets[event[i] + 1]
        begin[i] = first_not_before(t, low, high, earliest[i])
        end[i] = first_after(t, begin[i], high, latest[i])
    return NONE


@blocks
def within_blocks(n, n_blocks, event, earliest, latest, offsets, t, begin, end):
    """Find the rows within `n` spans in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        within_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, event, earliest, latest, offsets, t, begin, end
        )
    return NONE
