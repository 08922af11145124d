"""The best track of one event."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

__all__ = ["best_of"]


@register_jitable
def best_of(
    first: int,
    last: int,
    lik: Any,
    rec_type: Any,
    stage_offsets: Any,
    stages: Any,
    wanted: int,
    low: int,
    high: int,
) -> int:
    """Give the row of the best of the tracks ``first`` to ``last``, -1 where none qualifies.

    A track qualifies with ``rec_type == wanted`` and at least one stage, all of
    them within `low` to `high`.  The most stages win, then the largest `lik`,
    then the lowest row.  A NaN never beats a number.
    """
    best = -1
    most = 0
    for i in range(first, last):
        n = int(stage_offsets[i + 1] - stage_offsets[i])
        if rec_type[i] != wanted or n == 0 or n < most:
            continue
        inside = True
        for k in range(stage_offsets[i], stage_offsets[i + 1]):
            if stages[k] < low or stages[k] > high:
                inside = False
        # `not <=` takes a number over a NaN, and keeps the first of equals
        better = n > most or (lik[i] == lik[i] and not lik[i] <= lik[best])
        if inside and better:
            best = i
            most = n
    return best
