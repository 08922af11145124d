"""Lists out of ROOT's stream: one pass over the bytes of a branch, on the CPU.

An entry of a branch of lists starts with six bytes (byte count, version); then
each of its rows follows: a length of four bytes and the items, or a string
with its length in front.  ``status`` gets an error code and the entry.
"""

from __future__ import annotations

import numba as nb
import numpy as np

__all__ = ["count_strings", "gather_lists", "gather_strings"]

OK, OVERRUN, LEFT_OVER, NO_ROOM = 0, 1, 2, 3
_BE4 = np.int64(0xFFFFFFFF)


@nb.njit(inline="always")
def _int4(data, p):
    return (
        (np.int64(data[p]) << 24)
        | (np.int64(data[p + 1]) << 16)
        | (np.int64(data[p + 2]) << 8)
        | np.int64(data[p + 3])
    )


@nb.njit(nogil=True, cache=True)
def gather_lists(data, starts, rows, header, width, offsets, out, status):
    """Copy the items of lists of numbers together, and set the offsets of the lists.

    Parameters
    ----------
    data : (n_bytes,) uint8 array
        The entries.
    starts : (n + 1,) int64 array
        Byte offset of each entry.
    rows : (n + 1,) int64 array
        Offsets of the rows of each entry.
    header : int
        Bytes in front of the rows of each entry.
    width : int
        Bytes of an item.
    offsets : (n_rows + 1,) int64 array
        Filled, in items.
    out : (n_items * width,) uint8 array
        Filled, byte order as stored.
    status : (2,) int64 array
        Set to (error code, entry) where something does not fit.
    """
    at = np.int64(0)
    row = np.int64(0)
    offsets[0] = 0
    for e in range(starts.size - 1):
        p = starts[e]
        stop = starts[e + 1]
        n = rows[e + 1] - rows[e]
        if p == stop and n == 0:
            continue
        p += header
        for _ in range(n):
            if p + 4 > stop:
                status[0] = OVERRUN
                status[1] = e
                return
            size = _int4(data, p) * width
            p += 4
            if p + size > stop:
                status[0] = OVERRUN
                status[1] = e
                return
            if at + size > out.size:
                status[0] = NO_ROOM
                status[1] = e
                return
            for k in range(size):
                out[at + k] = data[p + k]
            p += size
            at += size
            row += 1
            offsets[row] = at // width
        if p != stop:
            status[0] = LEFT_OVER
            status[1] = e
            return


@nb.njit(inline="always")
def _string_at(data, p, stop):
    """Give (begin, length) of the string at p, length -1 where it runs past `stop`."""
    if p >= stop:
        return p, np.int64(-1)
    size = np.int64(data[p])
    p += 1
    if size == 255:
        if p + 4 > stop:
            return p, np.int64(-1)
        size = _int4(data, p)
        p += 4
    if p + size > stop:
        return p, np.int64(-1)
    return p, size


@nb.njit(nogil=True, cache=True)
def count_strings(data, starts, rows, header, nested, status):
    """Count strings and their bytes: (n_strings, n_bytes).  See `gather_strings`."""
    strings = np.int64(0)
    size = np.int64(0)
    for e in range(starts.size - 1):
        p = starts[e]
        stop = starts[e + 1]
        n_rows = rows[e + 1] - rows[e]
        if p == stop and n_rows == 0:
            continue
        p += header
        for _ in range(n_rows):
            n = np.int64(1)
            if nested:
                if p + 4 > stop:
                    status[0] = OVERRUN
                    status[1] = e
                    return strings, size
                n = _int4(data, p)
                p += 4
            for _ in range(n):
                p, length = _string_at(data, p, stop)
                if length < 0:
                    status[0] = OVERRUN
                    status[1] = e
                    return strings, size
                strings += 1
                size += length
                p += length
        if p != stop:
            status[0] = LEFT_OVER
            status[1] = e
            return strings, size
    return strings, size


@nb.njit(nogil=True, cache=True)
def gather_strings(data, starts, rows, header, nested, row_offsets, offsets, out):
    """Copy strings together; the sizes come from `count_strings`, which also checked.

    Parameters
    ----------
    data, starts, rows, header
        As for `gather_lists`.
    nested : bool
        Each row is a list of strings (with a length of four bytes), not one.
    row_offsets : (n_rows + 1,) int64 array
        Filled with the strings of each row.
    offsets : (n_strings + 1,) int64 array
        Filled with the bytes of each string.
    out : (n_bytes,) uint8 array
        Filled with the characters.
    """
    at = np.int64(0)
    row = np.int64(0)
    string = np.int64(0)
    row_offsets[0] = 0
    offsets[0] = 0
    for e in range(starts.size - 1):
        p = starts[e]
        stop = starts[e + 1]
        n_rows = rows[e + 1] - rows[e]
        if p == stop and n_rows == 0:
            continue
        p += header
        for _ in range(n_rows):
            n = np.int64(1)
            if nested:
                n = _int4(data, p)
                p += 4
            for _ in range(n):
                p, length = _string_at(data, p, stop)
                for k in range(length):
                    out[at + k] = data[p + k]
                p += length
                at += length
                string += 1
                offsets[string] = at
            row += 1
            row_offsets[row] = string
