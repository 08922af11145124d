"""A ROOT file: its header, its directories, its records.

Only what is needed to find trees and small objects is read, by hand, because
opening one of many files must cost milliseconds.  The layout is ROOT's own
("ROOT File Format Specification", TFile, TDirectory and TKey).
"""

from __future__ import annotations

import bisect
import struct
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from km3gpu.errors import FormatError, InputNotFoundError, NotRootError, TruncatedFileError
from km3gpu.io.codecs import decompress
from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.filebytes import file_bytes

__all__ = ["Key", "RootFile"]

_HEADER, _DIRECTORY = 128, 64  # bytes that hold all of what is read there
_GAP = 32768  # bytes that are rather read for nothing than left out
_KEY = struct.Struct(">ihiIhh")
_BAD = (UnreadableError, struct.error, IndexError, ValueError, OverflowError, RecursionError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a directory.

    Attributes
    ----------
    path : str
        Name with its folders, ``META/JSirene``.
    cycle : int
        Version of the object; the highest is the newest.
    class_name, title : str
        As stored.
    seek, nbytes, objlen, keylen : int
        Place and size of the record; `objlen` is the size when decompressed.
    datime : int
        Packed date and time of writing.
    """

    path: str
    cycle: int
    class_name: str
    title: str
    seek: int
    nbytes: int
    objlen: int
    keylen: int
    datime: int


class RootFile:
    """A ROOT file, opened for reading.

    Parameters
    ----------
    path : str
        A path or URL.

    Attributes
    ----------
    path : str
        As given.
    size : int
        Bytes of the file.
    uuid : str
        The UUID that the file carries.
    keys : list of Key
        All objects of all directories, in the order of the file.

    Raises
    ------
    InputNotFoundError
        No such file; the closest names of the folder are given.
    NotRootError
        The file does not begin as a ROOT file does.
    TruncatedFileError
        The file is shorter than its header says.
    FormatError
        The header or a directory does not parse.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._bytes = file_bytes(path)
        self._fetched = threading.local()
        self.size = self._bytes.size
        if self.size == 0:
            raise TruncatedFileError("the file is empty", where=path, remedy="fetch it again")
        head = bytes(self._bytes.span(0, min(16, self.size)))
        if head[:4] != b"root":
            raise NotRootError(f"{path!r} is not a ROOT file", remedy=_looks_like(head))
        self.parse("header", self._read_header)

    # -- reading -------------------------------------------------------------
    def parse(self, what: str, function: Callable[[], T]) -> T:
        """Run `function`, and say what did not parse as a `FormatError`."""
        try:
            return function()
        except (FormatError, InputNotFoundError):
            raise
        except _BAD as error:
            raise FormatError(
                f"the {what} is damaged: {error}", where=self.path, remedy="fetch or write the file again"
            ) from error

    def span(self, start: int, n: int) -> memoryview:
        """Give `n` bytes of the file from `start`.

        Raises
        ------
        TruncatedFileError
            They are not all there.
        """
        if start < 0 or n < 0:
            raise UnreadableError(f"a record at {start} of {n} bytes")
        if start + n > self.size:
            raise TruncatedFileError(
                f"a record ends at byte {start + n}, the file at {self.size}",
                where=self.path,
                remedy="the file was cut short: fetch it again",
            )
        starts: list[int] = getattr(self._fetched, "starts", [])
        k = bisect.bisect_right(starts, start) - 1
        if k >= 0:
            first, block = starts[k], self._fetched.blocks[k]
            if start + n <= first + len(block):
                fetched: memoryview = block[start - first : start - first + n]
                return fetched
        data = self._bytes.span(start, n)
        if len(data) != n:
            raise TruncatedFileError(
                f"{len(data)} of {n} bytes at byte {start} could be read",
                where=self.path,
                remedy="the file has changed since it was opened: open it again",
            )
        return data

    @contextmanager
    def prefetched(self, spans: Iterable[tuple[int, int]]) -> Iterator[None]:
        """Fetch what is going to be read in few large pieces; `span` takes from them meanwhile.

        Parameters
        ----------
        spans : iterable of (int, int)
            Begin and length of the records to come; those outside the file
            are left to `span`, which says so.
        """
        blocks: list[tuple[int, int]] = []
        for start, n in sorted(s for s in spans if s[0] > 0 and s[0] + s[1] <= self.size):
            if blocks and start <= blocks[-1][1] + _GAP:
                blocks[-1] = (blocks[-1][0], max(blocks[-1][1], start + n))
            else:
                blocks.append((start, start + n))
        self._fetched.starts = [first for first, _ in blocks]
        self._fetched.blocks = [self._bytes.span(first, last - first) for first, last in blocks]
        try:
            yield
        finally:
            self._fetched.starts, self._fetched.blocks = [], []

    def record(self, key: Key) -> Any:
        """Give the bytes of an object, decompressed."""
        raw = self.span(key.seek + key.keylen, key.nbytes - key.keylen)
        if key.objlen > len(raw):
            return decompress(raw, key.objlen)
        return raw

    def find(self, path: str) -> Key | None:
        """Give the newest key of this path, or None."""
        return max((k for k in self.keys if k.path == path), key=lambda k: k.cycle, default=None)

    def cursor(self, key: Key) -> Cursor:
        """Give a cursor at the start of an object."""
        return Cursor(self.record(key), 0, key.keylen)

    # -- parsing -------------------------------------------------------------
    def _read_header(self) -> None:
        c = Cursor(self.span(0, min(_HEADER, self.size)), 4)
        version, begin = c.get("i"), c.get("i")
        wide = version >= 1000000
        end = c.get("q" if wide else "i")
        c.pos += 8 if wide else 4  # free list
        c.pos += 8  # its size and count
        name_bytes = c.get("i")
        c.pos += 5  # units, compression
        info_seek, info_bytes = c.get("q" if wide else "i"), c.get("i")
        c.pos += 2
        self.uuid = str(uuid.UUID(bytes=c.raw(16)))
        self.version = version
        if end > self.size:
            raise TruncatedFileError(
                f"the file ends at byte {self.size}, its header says {end}",
                where=self.path,
                remedy="the file was cut short: fetch it again",
            )
        self.streamer_record = (info_seek, info_bytes)
        self.keys: list[Key] = []
        self._read_directory(begin + name_bytes, "", set())

    def _read_directory(self, place: int, folder: str, seen: set[int]) -> None:
        if place in seen or len(seen) > 1000:
            raise UnreadableError("a directory holds itself")
        seen.add(place)
        if place >= self.size:
            raise UnreadableError(f"a directory at byte {place} of {self.size}")
        c = Cursor(self.span(place, min(_DIRECTORY, self.size - place)))
        version = c.get("h")
        c.pos += 8  # dates
        n_bytes = c.get("i")
        c.get("i")
        wide = version > 1000
        _, _, keys = (c.get("q" if wide else "i") for _ in range(3))
        if n_bytes == 0:
            return
        c = Cursor(self.span(keys, n_bytes))
        read_key(c, "")
        n = c.get("i")
        if n < 0 or n * 26 > n_bytes:
            raise UnreadableError(f"a directory of {n} keys in {n_bytes} bytes")
        for _ in range(n):
            key = read_key(c, folder)
            self.keys.append(key)
            if key.class_name in ("TDirectory", "TDirectoryFile"):
                self._read_directory(key.seek + key.keylen, key.path + "/", seen)

    def __repr__(self) -> str:
        return f"<RootFile {self.path}: {len(self.keys)} keys>"


def read_key(c: Cursor, folder: str) -> Key:
    """Read a TKey at the cursor."""
    nbytes, version, objlen, datime, keylen, cycle = c.fields(_KEY)
    seek, _ = (c.get("q" if version > 1000 else "i") for _ in range(2))
    class_name, name, title = c.string(), c.string(), c.string()
    if keylen < 0 or nbytes < keylen or objlen < 0:
        raise UnreadableError(f"key {name!r} has impossible sizes")
    return Key(folder + name, cycle, class_name, title, seek, nbytes, objlen, keylen, datime)


def _looks_like(head: bytes) -> str:
    if head.startswith(b"\x89HDF"):
        return "it is an HDF5 file"
    if head.startswith((b"\x1f\x8b", b"BZh", b"PK\x03\x04", b"\xfd7zXZ")):
        return "it is compressed: unpack it first"
    if head.lstrip().startswith((b"<", b"{")):
        return "it looks like a web page or JSON: was it downloaded whole?"
    return "check that it is the file you mean"
