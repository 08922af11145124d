"""Thrift's compact protocol, as far as the footers of Parquet files need it.

A structure is read without knowing its definition, as fields by number, and
written back as it was but for what was changed; or its bytes are copied, with
some numbers in them changed.  The encoding is that of the Apache Thrift compact
protocol specification.
"""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, Union

from km3gpu.errors import FormatError

__all__ = [
    "Changes",
    "Struct",
    "dumps",
    "fields",
    "list_head",
    "loads",
    "value",
    "varint",
    "zigzag",
]

Struct: TypeAlias = dict[int, tuple[int, Any]]
"""Fields by number: type and value.  A list is a pair of the type of its items and the items.

A structure that is to be written may be bytes, as `dumps` gave them."""

Changes: TypeAlias = Mapping[int, Union[Callable[[int], int], "Changes"]]
"""By number of a field: what becomes of a whole number, or the changes in structures below."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def loads(data: bytes) -> Struct:
    """Read one structure.

    Raises
    ------
    FormatError
        The bytes end too early, or are of another protocol.
    """
    with _readable():
        return _Reader(data).struct()


def fields(
    data: bytes, changes: Mapping[int, Changes]
) -> tuple[dict[int, tuple[int, int, int]], dict[int, tuple[int, bytes]]]:
    """Tell where the fields of one structure are, and copy some lists with numbers in them changed.

    Parameters
    ----------
    data : bytes
    changes : mapping of int to Changes
        For fields that are lists of structures.

    Returns
    -------
    places : dict of int to (int, int, int)
        Type, first byte and end of the value of each field.
    copied : dict of int to (int, bytes)
        For each list of `changes` that is there: how many structures, and all of them.

    Raises
    ------
    FormatError
        As for `loads`; or a field is not of the type that is to be changed.
    """
    found: dict[int, tuple[int, int, int]] = {}
    copied: dict[int, tuple[int, bytes]] = {}
    with _readable():
        reader = _Reader(data)
        number = 0
        while head := reader.byte():
            kind = head & 0xF
            number = number + (head >> 4) if head >> 4 else reader.signed()
            start = reader.at
            if number in changes:
                copied[number] = reader.list_changed(kind, changes[number])
            else:
                reader.skip(kind, field=True)
            found[number] = kind, start, reader.at
    return found, copied


def value(data: bytes, place: tuple[int, int, int]) -> Any:
    """Read one value, where `fields` told.

    Raises
    ------
    FormatError
        As for `loads`.
    """
    with _readable():
        return _Reader(data, place[1]).value(place[0])


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (IndexError, KeyError, struct.error, RecursionError) as error:
        raise FormatError("a damaged Thrift structure", remedy="write the file again") from error


def dumps(value: Struct) -> bytes:
    """Write one structure."""
    out = bytearray()
    _put_struct(out, value)
    return bytes(out)


def varint(n: int) -> bytes:
    """Write a number that is not negative."""
    out = bytearray()
    _put_varint(out, n)
    return bytes(out)


@functools.lru_cache(1 << 12)
def zigzag(n: int) -> bytes:
    """Write a number that may be negative."""
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def list_head(n: int, kind: int) -> bytes:
    """Write what comes before the `n` items of a list."""
    return bytes((n << 4 | kind,)) if n < 15 else bytes((0xF0 | kind,)) + varint(n)


class _Reader:
    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

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
            inner, n = self.list_head()
            return inner, [self.value(inner) for _ in range(n)]
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

    def list_head(self) -> tuple[int, int]:
        head = self.byte()
        return head & 0xF, head >> 4 if head >> 4 < 15 else self.varint()

    def skip(self, kind: int, *, field: bool = False) -> None:
        if kind in (_I32, _I64, _I16):
            data, at = self.data, self.at
            while data[at] & 0x80:
                at += 1
            self.at = at + 1
        elif kind == _BINARY:
            n = self.varint()
            self.at += n
            if self.at > len(self.data):
                raise IndexError
        elif kind == _STRUCT:
            while head := self.byte():
                if not head >> 4:
                    self.signed()
                self.skip(head & 0xF, field=True)
        elif kind in (_LIST, _SET):
            inner, n = self.list_head()
            for _ in range(n):
                self.skip(inner)
        elif not (field and kind in (_TRUE, _FALSE)):
            self.value(kind)

    def list_changed(self, kind: int, changes: Changes) -> tuple[int, bytes]:
        if kind != _LIST:
            raise KeyError(kind)
        inner, n = self.list_head()
        if n and inner != _STRUCT:
            raise KeyError(inner)
        out, done = bytearray(), self.at
        for _ in range(n):
            done = self.copy(changes, out, done)
        out += self.data[done : self.at]
        return n, bytes(out)

    def copy(self, changes: Changes, out: bytearray, done: int) -> int:
        """Read a structure, copy what is before each changed number, and give how far that is."""
        number = 0
        while head := self.byte():
            kind = head & 0xF
            number = number + (head >> 4) if head >> 4 else self.signed()
            change = changes.get(number)
            if change is None:
                self.skip(kind, field=True)
            elif callable(change):
                if kind not in (_I16, _I32, _I64):
                    raise KeyError(kind)
                out += self.data[done : self.at]
                _put_signed(out, change(self.signed()))
                done = self.at
            elif kind == _STRUCT:
                done = self.copy(change, out, done)
            else:
                inner, n = self.list_head()
                if kind != _LIST or (n and inner != _STRUCT):
                    raise KeyError(kind)
                for _ in range(n):
                    done = self.copy(change, out, done)
        return done


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
    elif kind == _STRUCT and isinstance(value, bytes):
        out += value
    elif kind == _STRUCT:
        _put_struct(out, value)
    elif kind in (_LIST, _SET):
        inner, items = value
        out += list_head(len(items), inner)
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
