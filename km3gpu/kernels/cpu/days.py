"""Events of one day at a time on the CPU.

Events mostly come in the order of time, so that many in a row share a row of the
sky tables.  With that row in a tuple nothing in the loop over them depends on the
event but its own columns, and LLVM does four or eight of them per instruction.
Times in any order make short runs, and are right all the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.launch import NONE
from km3gpu.kernels.scalar.earth import DAY_NS, PER_NS
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.sky import reason

__all__ = ["body_row", "day_row", "eleven", "first_fault", "fourteen", "nine", "one_day"]


@register_jitable
def one_day(time_ns: Any, low: Any, stop: Any, start_ns: Any, n_days: Any) -> Any:
    """Find how far the events from `low` on, before `stop`, are of one day.

    Returns
    -------
    row : uint64
        The day's row in the table; 0 where the table lacks it.
    midnight : int64
        When the day began, UTC ns.
    per_ns : float64
        Times ns since midnight it is the fraction of the day; NaN where the table lacks it.
    n : int64
        How many events it is, 1 at least.
    """
    day = (time_ns[np.uint64(low)] - start_ns) // DAY_NS
    midnight = start_ns + day * DAY_NS
    high = low + 1
    while high < stop and midnight <= time_ns[np.uint64(high)] < midnight + DAY_NS:
        high += 1
    inside = 0 <= day < n_days
    return np.uint64(day if inside else 0), midnight, PER_NS if inside else math.nan, high - low


@register_jitable
def first_fault(out: Any, low: Any, n: Any, per_ns: Any) -> Any:
    """Fault of the first of `n` events from `low` on whose result is NaN."""
    for i in range(low, low + n):
        value = out[np.uint64(i)]
        if value != value:
            return fault(i, reason(per_ns))
    return NONE


# An array handed to a function once per event costs its reference count; tuples do not.
@register_jitable
def nine(m: Any) -> Any:
    """Give the numbers of a matrix."""
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]


@register_jitable
def eleven(m: Any) -> Any:
    """Give the numbers of a site that directions need."""
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10]


@register_jitable
def fourteen(m: Any) -> Any:
    """Give the numbers of a site that Sun and Moon need."""
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10], m[11], m[12], m[13]


@register_jitable
def body_row(t: Any, r: Any) -> Any:
    """Give the numbers of a row of the Sun's or the Moon's table."""
    return (
        t[r, 0], t[r, 1], t[r, 2], t[r, 3], t[r, 4], t[r, 5],
        t[r, 6], t[r, 7], t[r, 8], t[r, 9], t[r, 10], t[r, 11],
        t[r, 12], t[r, 13], t[r, 14], t[r, 15], t[r, 16], t[r, 17],
        t[r, 18], t[r, 19], t[r, 20], t[r, 21], t[r, 22], t[r, 23],
        t[r, 24], t[r, 25], t[r, 26], t[r, 27], t[r, 28], t[r, 29],
        t[r, 30], t[r, 31], t[r, 32], t[r, 33], t[r, 34], t[r, 35],
    )  # fmt: skip


@register_jitable
def day_row(t: Any, r: Any) -> Any:
    """Give the numbers of a row of the Earth's table."""
    return (
        t[r, 0], t[r, 1], t[r, 2], t[r, 3], t[r, 4], t[r, 5], t[r, 6], t[r, 7],
        t[r, 8], t[r, 9], t[r, 10], t[r, 11], t[r, 12], t[r, 13], t[r, 14], t[r, 15],
        t[r, 16], t[r, 17], t[r, 18], t[r, 19], t[r, 20], t[r, 21], t[r, 22], t[r, 23],
        t[r, 24], t[r, 25], t[r, 26], t[r, 27], t[r, 28], t[r, 29], t[r, 30], t[r, 31],
        t[r, 32], t[r, 33], t[r, 34], t[r, 35], t[r, 36], t[r, 37], t[r, 38], t[r, 39],
        t[r, 40], t[r, 41], t[r, 42], t[r, 43],
    )  # fmt: skip
