"""The hits around a root that may be of one event with it, on the CPU.

The loops are plain and free of branches, which LLVM turns into vector
instructions.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.scalar.triggers import WINDOW_CAP

__all__ = ["count_marked", "distinct", "gather", "pick", "take_all", "window_end"]


@register_jitable
def window_end(t, begin, latest, end, stop):
    """Give the first hit from `begin` on that is later than `latest`, or beyond the cap.

    `end` is what the root before gave.
    """
    end = max(end, begin)
    cap = min(stop, begin + WINDOW_CAP)
    while end < cap and t[end] <= latest:
        end += 1
    return end


@register_jitable
def count_marked(ok, n):
    """Count the hits that are marked."""
    k = 0
    for i in range(n):
        k += ok[i]
    return k


@register_jitable
def gather(ok, n, base, member):
    """Collect the numbers of the hits that are marked."""
    k = 0
    for i in range(n):
        member[k] = base + i
        k += ok[i]


@register_jitable
def take_all(ok, n, found):
    """Mark all of `n` hits as found that match, and give the number of the last one."""
    for i in range(n):
        found[i] |= ok[i]
    i = n - 1
    while not ok[i]:
        i -= 1
    return i


@register_jitable
def distinct(chosen, n, module, rooted, root):
    """Count the modules of `n` hits, and that of the root where it counts."""
    count = np.int64(rooted)
    for i in range(n):
        m = module[chosen[i]]
        new = not rooted or m != root
        for j in range(i):
            new &= module[chosen[j]] != m
        count += new
    return count


@register_jitable
def pick(chosen, n, member):
    """Turn numbers of members into rows."""
    for i in range(n):
        chosen[i] = member[chosen[i]]
