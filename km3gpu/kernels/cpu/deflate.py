"""Where the blocks of deflate streams end, so that others can follow them, on the CPU (RFC 1951)."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from km3gpu.kernels.launch import block

__all__ = ["MORE", "SPARE", "left_open"]

MORE = 5  # bytes that a stream may grow by
SPARE = 8  # bytes behind the last stream that are looked at

_STORED, _FIXED, _DYNAMIC = 0, 1, 2
_END = 256  # the symbol at the end of a block
_LITERALS, _DISTANCES = 288, 32
_LONGEST = 15  # bits of a code
_FEW = 10  # bits of one that is looked up
_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])


@register_jitable
def _bits(data, at, n):
    """Give `n` bits (at most 16) from bit `at`, the first of them the lowest."""
    byte = at >> 3
    word = np.int64(data[byte]) | np.int64(data[byte + 1]) << 8 | np.int64(data[byte + 2]) << 16
    return (word >> (at & 7)) & ((1 << n) - 1)


@register_jitable
def _bit(data, at):
    return np.int64(data[at >> 3] >> (at & 7)) & 1


@register_jitable
def _order(lengths, counts, symbols):
    """Sort the symbols that have a code by it: by length, then by number; count those of each length."""
    counts[:] = 0
    for length in lengths:
        counts[length] += 1
    counts[0] = 0
    places = np.zeros(_LONGEST + 2, np.int64)
    for length in range(1, _LONGEST + 1):
        places[length + 1] = places[length] + counts[length]
    for symbol in range(len(lengths)):
        if lengths[symbol]:
            symbols[places[lengths[symbol]]] = symbol
            places[lengths[symbol]] += 1


@register_jitable
def _short(counts, symbols, table):
    """Note what begins with a code of few bits: the symbol, and the length in the lowest four bits."""
    table[:] = 0
    code, k = 0, 0
    for length in range(1, _FEW + 1):
        for _ in range(counts[length]):
            mirrored = 0
            for bit in range(length):
                mirrored |= ((code >> bit) & 1) << (length - 1 - bit)
            if mirrored < len(table):  # more codes than there can be are met where they are read
                table[mirrored :: 1 << length] = symbols[k] << 4 | length
            code += 1
            k += 1
        code <<= 1


@register_jitable
def _quick(data, at, counts, symbols, table):
    """Read a symbol as `_symbol` does, in one step where its code is short."""
    found = table[_bits(data, at, _FEW)]
    if found:
        return found >> 4, at + (found & 15)
    return _symbol(data, at, counts, symbols)


@register_jitable
def _symbol(data, at, counts, symbols):
    """Read a symbol: (symbol or -1, the bit behind it)."""
    code, first, index = 0, 0, 0
    for length in range(1, _LONGEST + 1):
        code |= _bit(data, at)
        at += 1
        if code - first < counts[length]:
            return symbols[index + code - first], at
        index += counts[length]
        first = (first + counts[length]) << 1
        code <<= 1
    return -1, at


@register_jitable
def _codes(data, at, kind, lengths):
    """Read the lengths of the codes of a block: (number of literals, the bit behind them or -1)."""
    lengths[:] = 0
    if kind == _FIXED:
        lengths[:144] = 8
        lengths[144:256] = 9
        lengths[256:280] = 7
        lengths[280:_LITERALS] = 8
        lengths[_LITERALS : _LITERALS + 30] = 5
        return _LITERALS, at
    literals = _bits(data, at, 5) + 257
    n = literals + _bits(data, at + 5, 5) + 1
    inner = np.zeros(len(_ORDER), np.int64)
    for i in range(_bits(data, at + 10, 4) + 4):
        inner[_ORDER[i]] = _bits(data, at + 14 + 3 * i, 3)
    at += 14 + 3 * (_bits(data, at + 10, 4) + 4)
    counts, symbols = np.zeros(_LONGEST + 1, np.int64), np.zeros(len(_ORDER), np.int64)
    _order(inner, counts, symbols)
    i = 0
    while i < n:
        symbol, at = _symbol(data, at, counts, symbols)
        if symbol < 0:
            return 0, -1
        if symbol < 16:
            lengths[i] = symbol
            i += 1
            continue
        length, times = 0, 0
        if symbol == 16:
            length, times = lengths[max(i - 1, 0)], 3 + _bits(data, at, 2)
            at += 2
        elif symbol == 17:
            times = 3 + _bits(data, at, 3)
            at += 3
        else:
            times = 11 + _bits(data, at, 7)
            at += 7
        if i + times > n:
            return 0, -1
        lengths[i : i + times] = length
        i += times
    return literals, at


@register_jitable
def _behind(data, at, stop, lengths, literals, symbols):
    """Read a block to its end: the bit behind it, or -1."""
    near, far = np.zeros(_LONGEST + 1, np.int64), np.zeros(_LONGEST + 1, np.int64)
    near_table, far_table = np.zeros(1 << _FEW, np.int64), np.zeros(1 << _FEW, np.int64)
    _order(lengths[:literals], near, symbols)
    _short(near, symbols, near_table)
    distances = symbols[_LITERALS:]
    _order(lengths[literals:], far, distances)
    _short(far, distances, far_table)
    while at < 8 * stop:
        symbol, at = _quick(data, at, near, symbols, near_table)
        if symbol == _END:
            return at
        if symbol < 0:
            return -1
        if symbol > _END:  # a match: its length, then its distance
            if 265 <= symbol < 285:
                at += (symbol - 261) // 4
            distance, at = _quick(data, at, far, distances, far_table)
            if distance < 0:
                return -1
            if distance >= 4:
                at += (distance - 2) // 2
    return -1


@register_jitable
def _last_end(data, stop, lengths, literals):
    """Find the end of the last block from behind, without reading it: the bit, or -1.

    Behind the code of the end there are only zeros, to the end of the byte; so
    the last bit that is set is the last one that is set in that code.
    """
    length = lengths[_END]
    counts = np.zeros(_LONGEST + 1, np.int64)
    for symbol in range(literals):
        counts[lengths[symbol]] += 1
    counts[0] = 0
    code = 0
    for bits in range(1, length + 1):
        code = (code + counts[bits - 1]) << 1
    for symbol in range(_END):
        code += lengths[symbol] == length
    if code == 0:
        return -1
    end = 8 * stop
    while end > 8 * (stop - 3) and not _bit(data, end - 1):
        end -= 1
    while not code & 1:
        code >>= 1
        end += 1
    return end if 8 * (stop - 1) < end <= 8 * stop else -1


@register_jitable
def _last_block(data, begin, stop, lengths, symbols):
    """Find the last block of a stream: the bit where it begins, and the bit behind it, or -1."""
    at = 8 * begin
    while at < 8 * stop:
        head, last, kind = at, _bits(data, at, 1), _bits(data, at + 1, 2)
        at += 3
        if kind == _STORED:
            at = (at + 7) & ~7
            at += 32 + 8 * _bits(data, at, 16)
        elif kind <= _DYNAMIC:
            literals, at = _codes(data, at, kind, lengths)
            if at < 0:
                return head, -1
            end = _last_end(data, stop, lengths, literals) if last else -1
            at = end if end >= 0 else _behind(data, at, stop, lengths, literals, symbols)
        else:
            return head, -1
        if last or at < 0:
            return head, at
    return at, -1


@block
def left_open(data, starts, out, sizes):
    """Copy deflate streams so that each ends on a byte, and does not say that it is the last.

    The last block is not read where its end is found without: streams are
    trusted to be whole, as a compressor has made them.

    Parameters
    ----------
    data : (n + SPARE,) uint8 array
        Streams, one after the other, and `SPARE` bytes of any kind.
    starts : (n_streams + 1,) int64 array
        Where each begins; the last: where all end.
    out : (n + MORE * n_streams,) uint8 array
    sizes : (n_streams,) int64 array
        Bytes of each in `out`.

    Returns
    -------
    int
        All bytes in `out`, or -1 where something is no deflate stream.
    """
    lengths = np.zeros(_LITERALS + _DISTANCES, np.int64)
    symbols = np.zeros(_LITERALS + _DISTANCES, np.int64)
    p = 0
    for k in range(len(starts) - 1):
        begin, stop = starts[k], starts[k + 1]
        head, end = _last_block(data, begin, stop, lengths, symbols)
        if end < 0 or (end + 7) >> 3 != stop:
            return -1
        n = stop - begin
        out[p : p + n] = data[begin:stop]
        out[p + (head >> 3) - begin] &= np.uint8(0xFF ^ (1 << (head & 7)))
        size = n
        if end & 7:  # an empty stored block: three bits, zeros up to the byte, and no byte that is stored
            size = ((end + 10) >> 3) - begin
            out[p + n : p + size] = 0
            out[p + size : p + size + 2] = 0
            out[p + size + 2 : p + size + 4] = 0xFF
            size += 4
        sizes[k] = size
        p += size
    return p
