"""A reading position in bytes that ROOT wrote: big-endian, strings with their length in front."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

__all__ = ["Cursor", "UnreadableError"]

_BYTE_COUNT = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
_CLASS = 0x80000000
_VERSION = struct.Struct(">IH")
_STRUCTS = {code: struct.Struct(">" + code) for code in "bBhHiIqQfd"}


class UnreadableError(ValueError):
    """Bytes that do not parse; the caller adds the file and says it as a `FormatError`."""


class Cursor:
    """A position in a buffer, moved on by each read.

    Parameters
    ----------
    data : bytes-like
        The buffer.
    pos : int
        Where to begin.
    shift : int
        Added to positions in object references: the length of the key in front
        of the object.
    """

    __slots__ = ("data", "pos", "refs", "shift")

    def __init__(self, data: Any, pos: int = 0, shift: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.shift = shift
        self.refs: dict[int, Any] = {}

    def get(self, code: str) -> Any:
        """Read one number of the struct code `code`."""
        s = _STRUCTS[code]
        value = s.unpack_from(self.data, self.pos)[0]
        self.pos += s.size
        return value

    def fields(self, form: struct.Struct) -> tuple[Any, ...]:
        """Read several numbers."""
        values = form.unpack_from(self.data, self.pos)
        self.pos += form.size
        return values

    def array(self, dtype: str, n: int) -> np.ndarray:
        """Read `n` big-endian numbers to a native array."""
        kind = np.dtype(dtype)
        if n < 0 or self.pos + n * kind.itemsize > len(self.data):
            raise UnreadableError(f"an array of {n} items runs past the end of its record")
        values = np.frombuffer(self.data, kind, n, self.pos)
        self.pos += n * kind.itemsize
        return values.astype(kind.newbyteorder("="))

    def raw(self, n: int) -> bytes:
        """Read `n` bytes."""
        if n < 0 or self.pos + n > len(self.data):
            raise UnreadableError(f"{n} bytes run past the end of their record")
        value = bytes(self.data[self.pos : self.pos + n])
        self.pos += n
        return value

    def string(self) -> str:
        """Read a string: one byte of length, or 255 and four."""
        data, pos = self.data, self.pos
        n = data[pos]
        if n == 255:
            self.pos = pos + 1
            return self.raw(self.get("i")).decode("utf-8", "replace")
        self.pos = pos + 1 + n
        if self.pos > len(data):
            raise UnreadableError("a string runs past the end of its record")
        return str(data[pos + 1 : self.pos], "utf-8", "replace")

    def c_string(self) -> str:
        """Read a string that ends with a zero byte."""
        stop = bytes(self.data[self.pos : self.pos + 256]).find(b"\0")
        if stop < 0:
            raise UnreadableError("a class name without an end")
        value = self.raw(stop).decode("utf-8", "replace")
        self.pos += 1
        return value

    def version(self) -> tuple[int, int]:
        """Read byte count and class version: (version, position after the object).

        The position is -1 where no byte count was written.
        """
        if not self.data[self.pos] & _BYTE_COUNT >> 24:
            return self.get("H"), -1
        count, version = _VERSION.unpack_from(self.data, self.pos)
        stop = self.pos + 4 + (count & ~_BYTE_COUNT)
        self.pos += 6
        if stop > len(self.data):
            raise UnreadableError("an object runs past the end of its record")
        return version, stop

    def skip_object(self) -> None:
        """Skip an object that begins with its byte count."""
        _, stop = self.version()
        if stop < 0:
            raise UnreadableError("an object without byte count cannot be skipped")
        self.pos = stop

    def object_base(self) -> None:
        """Skip a TObject base: version, unique id, bits (and a process id where referenced)."""
        self.pos += 6
        if self.get("I") & 0x10:
            self.pos += 2

    def named(self) -> tuple[str, str]:
        """Read a TNamed: (name, title)."""
        _, stop = self.version()
        self.object_base()
        value = self.string(), self.string()
        if stop >= 0:
            self.pos = stop
        return value

    def object_any(self, make: Any) -> Any:
        """Read an object pointer: None, an object read before, or what `make` reads.

        Parameters
        ----------
        make : callable
            ``make(cursor, class_name, register)`` reads the object's own
            bytes; it calls ``register(obj)`` before it reads members that may
            point back.
        """
        begin = self.pos
        count = self.get("I")
        if count == 0:
            return None
        if count & _BYTE_COUNT and count != _NEW_CLASS:
            start = self.pos
            stop = start + (count & ~_BYTE_COUNT)
            if stop > len(self.data):
                raise UnreadableError("an object runs past the end of its record")
            tag = self.get("I")
        else:
            start, stop, tag = begin, -1, count
        if not tag & _CLASS:
            return self.refs.get(tag) if tag > 1 else None
        if tag == _NEW_CLASS:
            name: Any = self.c_string()
            self.refs[start + 2 + self.shift] = name
        else:
            name = self.refs.get(tag & ~_CLASS)
            if not isinstance(name, str):
                raise UnreadableError("an object of a class that was never named")
        place = begin + 2 + self.shift

        def register(obj: Any) -> None:
            self.refs[place] = obj

        obj = make(self, name, register)
        register(obj)
        if stop >= 0:
            self.pos = stop
        return obj

    def object_array(self, make: Any) -> list[Any]:
        """Read a TObjArray of pointers to the objects that `make` reads."""
        version, stop = self.version()
        if version > 2:
            self.object_base()
        if version > 1:
            self.string()
        n = self.get("i")
        self.get("i")
        if n < 0 or n * 4 > len(self.data) - self.pos:
            raise UnreadableError(f"an array of {n} objects runs past the end of its record")
        items = [self.object_any(make) for _ in range(n)]
        if stop >= 0:
            self.pos = stop
        return items
