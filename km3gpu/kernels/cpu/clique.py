"""Reduction of a set of hits to a clique, on the CPU.

Matches are bytes in a matrix, row by row, so that LLVM turns each step over the
members into a few vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

__all__ = ["GONE", "reduce_to_clique"]

_FAR = np.int32(1 << 20)

GONE = 1 << 19
"""A member with this degree or more was dropped."""


@register_jitable
def reduce_to_clique(matches, n, least, degree):
    """Drop members until all that are left match each other.

    The member with the fewest matches goes first, of equals the one of the
    lowest index; when all match all, it ends.

    Parameters
    ----------
    matches : (>= n * n,) uint8 array
        1 where members ``i`` and ``j`` match, in place ``i * n + j``; 0 for ``i == j``.
    n : int
        Members, at most 256.
    least : int
        Fewest members of a clique that is of use.
    degree : (>= n,) int32 array
        Filled: at least `GONE` for a member that was dropped.

    Returns
    -------
    int
        Members of the clique, 0 where they are fewer than `least`.
    """
    for i in range(n):
        row = matches[i * n : i * n + n]
        d = 0
        for j in range(n):
            d += row[j]
        degree[i] = d
    left = n
    while left >= least:
        # fewest matches and lowest index in one number
        key = _FAR * 256
        for i in range(n):
            key = min(key, degree[i] * np.int32(256) + np.int32(i))
        if key >> 8 >= left - 1:
            return left
        who = key & 255
        degree[who] = _FAR
        row = matches[who * n : who * n + n]
        for i in range(n):
            degree[i] -= row[i]
        left -= 1
    return 0
