"""Spans of time on a GPU: one thread, one event (or span)."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.overlaps import first_after, first_not_before, mark_starts

__all__ = ["merge", "within"]


@cuda.jit
def merge(n, offsets, first, last, gap, longest, starts, slot):
    """Mark the spans of `n` events that begin a new group."""
    for e in range(cuda.grid(1), n, cuda.gridsize(1)):
        mark_starts(offsets[e], offsets[e + 1], first, last, gap, longest, starts)


@cuda.jit
def within(n, event, earliest, latest, offsets, t, begin, end, slot):
    """Find the rows within `n` spans."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        low = offsets[event[i]]
        high = offsets[event[i] + 1]
        begin[i] = first_not_before(t, low, high, earliest[i])
        end[i] = first_after(t, begin[i], high, latest[i])
