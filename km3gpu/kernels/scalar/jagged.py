"""In which event a row is."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

__all__ = ["event_of"]


@register_jitable
def event_of(offsets: Any, row: int) -> int:
    """Find e with ``offsets[e] <= row < offsets[e + 1]``; events may be empty.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Rising, from 0.
    row : int
        Below ``offsets[-1]``.
    """
    low = 0
    high = offsets.shape[0] - 1
    while high - low > 1:
        middle = (low + high) >> 1
        if offsets[middle] <= row:
            low = middle
        else:
            high = middle
    return low
