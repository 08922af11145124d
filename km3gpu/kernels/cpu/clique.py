"""Reduction of a set of hits to a clique, on the CPU.

Matches are bytes in a matrix, row by row, so that LLVM turns each step over the
members into a few vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

__all__ = ["reduce_to_clique"]

_GONE = np.int32(1 << 20)


@register_jitable
def reduce_to_clique(matches, n, least, member, degree, place):
    """Drop members until all that are left match each other.

    The member with the fewest matches goes first, of equals the one in the
    lowest place; the member in the last place then takes the free one.  When all
    match all, it ends.

    Parameters
    ----------
    matches : (>= n * n,) uint8 array
        1 where members ``i`` and ``j`` match, in place ``i * n + j``; 0 for ``i == j``.
    n : int
        Members, at most 256.
    least : int
        Fewest members of a clique that is of use.
    member : (>= n,) int64 array
        Filled: the number of the member in each place; the first ones are the clique.
    degree, place : (>= n,) int32 array
        Space to work.

    Returns
    -------
    int
        Members of the clique, 0 where they are fewer than `least`.

    Notes
    -----
    That the last one moves up is part of the rule: it decides between equals
    later on.  Jpp's flags fit it better than an order that stays.
    """
    for i in range(n):
        row = matches[i * n : i * n + n]
        d = 0
        for j in range(n):
            d += row[j]
        degree[i] = d
        member[i] = i
        place[i] = i
    left = n
    while left >= least and left > 0:
        # fewest matches and lowest place in one number
        key = _GONE * 256
        for i in range(n):
            key = min(key, degree[i] * np.int32(256) + place[i])
        if key >> 8 >= left - 1:
            return left
        free = key & 255
        who = member[free]
        degree[who] = _GONE
        row = matches[who * n : who * n + n]
        for i in range(n):
            degree[i] -= row[i]
        left -= 1
        member[free] = member[left]
        place[member[free]] = free
    return 0
