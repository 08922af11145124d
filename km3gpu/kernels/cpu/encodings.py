"""Columns to the encodings of Parquet, on the CPU: dictionaries, runs, differences, streams of bytes.

Values come as their bits, int32 or int64, so that each kernel is compiled twice
at most.  Layouts are those of ``Encodings.md`` of the Apache Parquet format.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.launch import block

__all__ = ["byte_streams", "dictionary", "differences", "runs"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SAMPLE = 256  # values that are looked at ...
_DIFFERING = 243  # ... and of which so many may differ where a dictionary pays
_FIRST_BITS = 13  # of the places in a table of distinct values
_STRIP = 1024  # values that are split at a time, from the nearest cache
_BLOCK, _MINI = 128, 32  # values whose differences have one minimum, and one width
# Indices of the inner loops are unsigned: numba then leaves out the handling of negative ones.
_0, _1, _8 = np.uint64(0), np.uint64(1), np.uint64(8)


@register_jitable
def _varint(out, p, value):
    rest = np.uint64(value)
    while rest > np.uint64(0x7F):
        out[p] = np.uint8((rest & np.uint64(0x7F)) | np.uint64(0x80))
        rest >>= np.uint64(7)
        p += 1
    out[p] = np.uint8(rest)
    return p + 1


@register_jitable
def _pack(values, width, out, p):
    """Write the `width` lower bits of values, the first in the lowest, and zeros to the end of a byte."""
    word, bits, at, wide = _0, _0, np.uint64(p), np.uint64(width)
    whole = np.uint64(64)
    for i in range(len(values)):
        value = np.uint64(values[np.uint64(i)])
        word |= value << bits
        bits += wide
        if bits >= whole:
            for k in range(8):  # one store
                out[at + np.uint64(k)] = np.uint8(word >> np.uint64(8 * k))
            at += _8
            bits -= whole
            word = value >> (wide - bits) if bits > _0 else _0
    while bits > _0:
        out[at] = np.uint8(word & np.uint64(0xFF))
        word >>= _8
        bits = bits - _8 if bits > _8 else _0
        at += _1
    return np.int64(at)


@block
def runs(values, width, out):
    """Encode as runs of equal values and packed groups of 8 (``RLE``), give the number of bytes.

    Parameters
    ----------
    values : (n,) int32 array
        Not negative, of at most `width` bits.
    width : int
        1 to 32.
    out : uint8 array
        Of ``n * width / 8 + n / 8 + 16`` bytes at least.
    """
    n = len(values)
    p = stop = 0
    while stop < n:
        start = i = stop
        while i + 8 <= n and not _alike(values, i):
            i += 8
        stop = i + 8
        if stop > n:
            i = n
        if i > start:
            groups = (i - start + 7) // 8
            p = _varint(out, p, groups << 1 | 1)
            end = p + groups * width
            p = _pack(values[start:i], width, out, p)
            out[p:end] = 0  # the last group is filled up
            p = end
        if i < n:
            while stop < n and values[stop] == values[i]:
                stop += 1
            p = _varint(out, p, (stop - i) << 1)
            for k in range((width + 7) // 8):
                out[p] = np.uint8(values[i] >> (8 * k))
                p += 1
    return p


@register_jitable
def _alike(values, i):
    at = np.uint64(i)
    first = values[at]
    different = first ^ values[at + _1]
    for k in range(2, 8):
        different |= first ^ values[at + np.uint64(k)]
    return different == 0


@block
def dictionary(values, keys, indices):
    """Find the distinct values, and number them in the order of their first place.

    Parameters
    ----------
    values : (n,) int32 or int64 array
        Bits of the values.
    keys : (m,) array like `values`
        Gets the distinct values, `m` at most.
    indices : (n,) int32 array
        Which of them each value is.

    Returns
    -------
    int
        Number of distinct values; -1 where there are more than `m`, or where they hardly repeat.
    """
    n, limit = len(values), len(keys)
    bits = _FIRST_BITS
    table = np.empty(1 << bits, np.int32)
    table[:] = -1
    # neither long events nor sorted columns shall mislead
    if n >= _SAMPLE and _differ(values, table, bits, keys):
        return -1
    begin = found = 0
    while begin < n:
        table[:] = -1
        for k in range(found):
            at = _place(keys[k], bits)
            while table[at] >= 0:
                at = (at + 1) & ((1 << bits) - 1)
            table[at] = k
        begin, found = _number(values, begin, table, bits, keys, found, indices)
        if begin < n and found == limit:
            return -1
        bits += 2
        table = np.empty(1 << bits, np.int32)
    return found


@register_jitable
def _number(values, begin, table, bits, keys, found, indices):
    """Go on until a quarter of the table is full; give where that was, and how many differ."""
    mask = np.uint64((1 << bits) - 1)
    most = min(len(keys), 1 << (bits - 2))
    for i in range(begin, len(values)):
        value = values[np.uint64(i)]
        at = np.uint64(_place(value, bits))
        index = table[at]
        while index >= 0 and keys[np.uint64(index)] != value:
            at = (at + _1) & mask
            index = table[at]
        if index < 0:
            if found == most:
                return i, found
            index = np.int32(found)
            table[at] = index
            keys[found] = value
            found += 1
        indices[np.uint64(i)] = index
    return len(values), found


@register_jitable
def _place(value, bits):
    return np.int64((np.uint64(value) * _GOLDEN) >> np.uint64(64 - bits))


@register_jitable
def _differ(values, table, bits, keys):
    """Tell whether hardly any of some values repeat; they are evenly spread over all."""
    found = 0
    for j in range(_SAMPLE):
        value = values[j * len(values) // _SAMPLE]
        at = _place(value, bits)
        while table[at] >= 0 and keys[table[at]] != value:
            at = (at + 1) & ((1 << bits) - 1)
        if table[at] < 0:
            if found == len(keys):
                return True
            table[at] = found
            keys[found] = value
            found += 1
    return found > _DIFFERING


@block
def differences(values, out):
    """Encode the differences of neighbours (``DELTA_BINARY_PACKED``), give the number of bytes.

    Parameters
    ----------
    values : (n,) int32 or int64 array
    out : uint8 array
        Of ``n`` values, 24 bytes for each 128 of them, and 160 at least.
    """
    n = len(values)
    p = _varint(out, 0, _BLOCK)
    p = _varint(out, p, _BLOCK // _MINI)
    p = _varint(out, p, n)
    p = _varint(out, p, _zigzag(np.int64(values[0]) if n else np.int64(0)))
    steps = np.empty(_BLOCK, values.dtype)
    over = np.empty(_BLOCK, np.uint64)
    for start in range(1, n, _BLOCK):
        count = min(_BLOCK, n - start)
        before, after = values[start - 1 : start + count - 1], values[start : start + count]
        for i in range(count):
            # beyond the largest number it begins again at the smallest, as readers do
            steps[i] = after[i] - before[i]
        least = steps[0]
        for i in range(count):
            least = min(least, steps[i])
        for i in range(count):
            over[i] = np.uint64(np.int64(steps[i]) - np.int64(least))
        over[count:] = 0
        p = _varint(out, p, _zigzag(np.int64(least)))
        head = p
        p += _BLOCK // _MINI
        for mini in range(_BLOCK // _MINI):
            first = mini * _MINI
            some = over[first : first + _MINI]
            every = np.uint64(0)
            for i in range(_MINI):
                every |= some[i]
            width = 0
            while every:
                every >>= np.uint64(1)
                width += 1
            out[head + mini] = width
            p = _pack(some, width, out, p)
    return p


@register_jitable
def _zigzag(value):
    return np.uint64((value << 1) ^ (value >> 63))


@block
def byte_streams(values, width, out):
    """Put the lowest bytes of all values first, then the next (``BYTE_STREAM_SPLIT``).

    Parameters
    ----------
    values : (n,) int32 or int64 array
    width : int
        Bytes of a value.
    out : (n * width,) uint8 array
    """
    n = len(values)
    for start in range(0, n, _STRIP):
        stop = min(start + _STRIP, n)
        strip = values[start:stop]
        for k in range(width):
            stream = out[k * n + start : k * n + stop]
            for i in range(stop - start):
                stream[i] = np.uint8(strip[i] >> (8 * k))
