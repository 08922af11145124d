"""Thrift's compact protocol, as far as the footers of Parquet files need it.

A structure is read without knowing its definition, as fields by number, and
written back as it was but for what was changed.  The encoding is that of the
Apache Thrift compact protocol specification.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

from km3gpu.errors import FormatError

__all__ = ["Struct", "dumps", "loads"]

Struct: TypeAlias = dict[int, tuple[int, Any]]
"""Fields by number: type and value.  A list is a pair of the type of its items and the items."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def loads(data: bytes) -> Struct:
    """Read one structure.

    Raises
    ------
    FormatError
        The bytes end too early, or are of another protocol.
    """
    try:
        return _Reader(data).struct()
    except (IndexError, KeyError, struct.error, RecursionError) as error:
        raise FormatError("a damaged Thrift structure", remedy="write the file again") from error


def dumps(value: Struct) -> bytes:
    """Write one structure."""
    out = bytearray()
    _put_struct(out, value)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            b = self.data[self.at]
            self.at += 1
            value |= (b & 0x7F) << shift
            if b < 0x80:
                return value
            shift += 7

    def signed(self) -> int:
        n = self.varint()
        return (n >> 1) ^ -(n & 1)

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self.byte():
            kind = head & 0xF
            number = number + (head >> 4) if head >> 4 else self.signed()
            # of a field that is true or false the type is the value
            fields[number] = (kind, None if kind in (_TRUE, _FALSE) else self.value(kind))
        return fields

    def value(self, kind: int) -> Any:
        if kind in (_I32, _I64, _I16):
            return self.signed()
        if kind == _BINARY:
            n = self.varint()
            self.at += n
            if self.at > len(self.data):
                raise IndexError
            return self.data[self.at - n : self.at]
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            head = self.byte()
            n = head >> 4 if head >> 4 < 15 else self.varint()
            return head & 0xF, [self.value(head & 0xF) for _ in range(n)]
        if kind == _DOUBLE:
            self.at += 8
            return struct.unpack_from("<d", self.data, self.at - 8)[0]
        if kind in (_TRUE, _FALSE, _BYTE):
            return self.byte()
        if kind == _MAP:
            n = self.varint()
            kinds = self.byte() if n else 0
            return kinds, [(self.value(kinds >> 4), self.value(kinds & 0xF)) for _ in range(n)]
        raise KeyError(kind)


def _put_varint(out: bytearray, n: int) -> None:
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)


def _put_signed(out: bytearray, n: int) -> None:
    _put_varint(out, n << 1 if n >= 0 else (-n << 1) - 1)


def _put_struct(out: bytearray, fields: Struct) -> None:
    last = 0
    for number, (kind, value) in sorted(fields.items()):
        if 0 < number - last < 16:
            out.append(number - last << 4 | kind)
        else:
            out.append(kind)
            _put_signed(out, number)
        last = number
        if kind not in (_TRUE, _FALSE):
            _put(out, kind, value)
    out.append(0)


def _put(out: bytearray, kind: int, value: Any) -> None:
    if kind in (_I32, _I64, _I16):
        _put_signed(out, value)
    elif kind == _BINARY:
        _put_varint(out, len(value))
        out += value
    elif kind == _STRUCT:
        _put_struct(out, value)
    elif kind in (_LIST, _SET):
        inner, items = value
        if len(items) < 15:
            out.append(len(items) << 4 | inner)
        else:
            out.append(0xF0 | inner)
            _put_varint(out, len(items))
        for item in items:
            _put(out, inner, item)
    elif kind == _DOUBLE:
        out += struct.pack("<d", value)
    elif kind == _MAP:
        kinds, pairs = value
        _put_varint(out, len(pairs))
        if pairs:
            out.append(kinds)
        for key, item in pairs:
            _put(out, kinds >> 4, key)
            _put(out, kinds & 0xF, item)
    else:
        out.append(value)
