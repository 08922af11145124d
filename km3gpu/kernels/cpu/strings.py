"""Columns of strings to the encodings of Parquet, on the CPU.

Layouts are those of ``Encodings.md`` of the Apache Parquet format; the hash is
FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo).
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.launch import block

__all__ = ["text_dictionary", "texts"]

_FNV, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@block
def text_dictionary(offsets, data, firsts, indices):
    """Find the distinct strings, and number them in the order of their first place.

    Parameters
    ----------
    offsets : (n + 1,) int64 array
        String i is ``data[offsets[i]:offsets[i + 1]]``.
    data : uint8 array
    firsts : (m,) int64 array
        Gets where each distinct string comes first, for `m` at most.
    indices : (n,) int32 array
        Which of them each string is.

    Returns
    -------
    int
        Number of distinct strings; -1 where there are more than `m`.
    """
    n, limit = len(offsets) - 1, len(firsts)
    size = 16
    while size < 4 * limit:
        size *= 2
    table = np.full(size, -1, np.int32)
    found = 0
    for i in range(n):
        start, length = offsets[i], offsets[i + 1] - offsets[i]
        mixed = _FNV
        for k in range(start, start + length):
            mixed = (mixed ^ np.uint64(data[k])) * _FNV_PRIME
        at = np.int64(mixed >> np.uint64(1)) & (size - 1)
        while table[at] >= 0 and not _same(offsets, data, firsts[table[at]], start, length):
            at = (at + 1) & (size - 1)
        if table[at] < 0:
            if found == limit:
                return -1
            table[at] = found
            firsts[found] = i
            found += 1
        indices[i] = table[at]
    return found


@register_jitable
def _same(offsets, data, row, start, length):
    other = offsets[row]
    if offsets[row + 1] - other != length:
        return False
    k = 0
    while k < length and data[other + k] == data[start + k]:
        k += 1
    return k == length


@block
def texts(offsets, data, rows, out):
    """Write strings with their lengths in front (``PLAIN``), give the number of bytes.

    Parameters
    ----------
    offsets, data
        As for `text_dictionary`.
    rows : (m,) int64 array
        Which strings, in that order.
    out : uint8 array
        Of as many bytes and four more for each string.
    """
    p = 0
    for row in rows:
        start, length = offsets[row], offsets[row + 1] - offsets[row]
        for k in range(4):
            out[p + k] = np.uint8((length >> (8 * k)) & 0xFF)
        p += 4
        for k in range(length):
            out[p + k] = data[start + k]
        p += length
    return p
