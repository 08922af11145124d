"""A hit looked up among the sorted hits of its event."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

__all__ = ["row_of_hit"]


@register_jitable
def row_of_hit(
    low: int, high: int, order: Any,
    dom_ids: Any, channel_ids: Any, tdcs: Any, tots: Any,
    dom_id: int, channel_id: int, tdc: int, tot: int,
) -> int:  # fmt: skip
    """Give the row of the hit with these four values, -1 where there is none.

    The rows are ``order[low:high]``, sorted by module and tdc; of equal hits the
    first in that order is given.
    """
    stop = high
    while low < high:
        middle = (low + high) >> 1
        i = order[middle]
        if dom_ids[i] < dom_id or (dom_ids[i] == dom_id and tdcs[i] < tdc):
            low = middle + 1
        else:
            high = middle
    while low < stop:
        i = order[low]
        if dom_ids[i] != dom_id or tdcs[i] != tdc:
            break
        if channel_ids[i] == channel_id and tots[i] == tot:
            return int(i)
        low += 1
    return -1
