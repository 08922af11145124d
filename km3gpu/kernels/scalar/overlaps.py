"""Spans of time that overlap, and rows within a span."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

__all__ = ["first_after", "first_not_before", "mark_starts"]


@register_jitable
def mark_starts(low: int, high: int, first: Any, last: Any, gap: float, longest: float, starts: Any) -> None:
    """Mark the spans ``low`` to ``high``, in order of `first`, that begin a new group.

    A span reaches another that begins at most `gap` after its end; no span joins
    a group that began more than `longest` before it.
    """
    reach = -np.inf
    begin = -np.inf
    for i in range(low, high):
        new = first[i] > reach + gap or first[i] > begin + longest
        starts[i] = new
        if new:
            begin = first[i]
            reach = last[i]
        else:
            reach = max(reach, last[i])


@register_jitable
def first_not_before(t: Any, low: int, high: int, earliest: float) -> int:
    """Give the first of the sorted rows ``low`` to ``high`` that is not before `earliest`."""
    while low < high:
        middle = (low + high) >> 1
        if t[middle] < earliest:
            low = middle + 1
        else:
            high = middle
    return low


@register_jitable
def first_after(t: Any, low: int, high: int, latest: float) -> int:
    """Give the first of the sorted rows ``low`` to ``high`` that is after `latest`; NaN is."""
    while low < high:
        middle = (low + high) >> 1
        if t[middle] <= latest:
            low = middle + 1
        else:
            high = middle
    return low
