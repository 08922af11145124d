"""Where the baskets of a branch are: on disk, and the last ones in the tree's own record."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu.io.cursor import Cursor, UnreadableError

__all__ = ["Baskets", "Places", "read_embedded", "read_places"]

_BASKET = struct.Struct(">Hiiii")


def read_places(
    c: Cursor,
    version: int,
    most: int,
    n_entries: int,
    write_basket: int,
    embedded: list[tuple[int, bytes]],
) -> Places:
    """Read where the baskets are, and step over it.

    Raises
    ------
    UnreadableError
        There are more than the record has room for.
    """
    # a byte that says whether there is an array comes before each
    nbytes = c.pos + 1
    entries = nbytes + 4 * most + 1
    seek = entries + 8 * most + 1
    if most < 0 or seek > len(c.data):
        raise UnreadableError(f"{most} baskets run past the end of the record")
    wide = version >= 11 or c.data[seek - 1] == 2
    c.pos = seek + (8 if wide else 4) * most
    if c.pos > len(c.data):
        raise UnreadableError(f"{most} baskets run past the end of the record")
    dtype = ">i8" if wide else ">i4"
    return Places(c.data, (nbytes, entries, seek), most, dtype, n_entries, write_basket, embedded)


@dataclass(slots=True, eq=False)
class Places:
    """Where the baskets of a branch are, as streamed; worked out when first needed.

    Most branches of a tree are never read, so that opening a file leaves this.
    """

    data: Any
    at: tuple[int, int, int]  # of sizes, first entries and places
    most: int
    seek_dtype: str
    n_entries: int
    write_basket: int
    embedded: list[tuple[int, bytes]]

    def spans(self) -> list[tuple[int, int]]:
        """Give the bytes of the record that hold them."""
        sizes = 4, 8, int(self.seek_dtype[-1])
        return [(at, at + size * self.most) for at, size in zip(self.at, sizes, strict=True)]

    def elsewhere(self, data: Any, n_entries: int, write_basket: int) -> Places:
        """Give the same places of another record of this shape."""
        return Places(data, self.at, self.most, self.seek_dtype, n_entries, write_basket, [])

    def work_out(self) -> Baskets:
        """Keep the baskets that exist: those on disk, then those in the tree's own record."""
        nbytes, entries, seek = (
            np.frombuffer(self.data, dtype, self.most, at)
            for dtype, at in zip((">i4", ">i8", self.seek_dtype), self.at, strict=True)
        )
        limit = min(max(self.write_basket, 0), self.most)
        n = limit
        free = np.flatnonzero(seek[:limit] == 0)
        if len(free):
            n = int(free[0])
        edges = entries[: n + 1].tolist()
        if len(edges) <= n:
            edges.append(self.n_entries)
        records = []
        for count, record in self.embedded if edges[-1] != self.n_entries else ():
            edges.append(edges[-1] + count)
            records.append(record)
        if edges[0] != 0 or any(b < a for a, b in itertools.pairwise(edges)):
            raise UnreadableError("its baskets are out of order")
        places = (*seek[:n].tolist(), *[0] * len(records))
        sizes = (*nbytes[:n].tolist(), *[len(r) for r in records])
        return Baskets(np.array(edges, np.int64), tuple(edges), places, sizes, tuple(records))


@dataclass(frozen=True, slots=True, eq=False)
class Baskets:
    """Where the baskets of a branch are.

    Attributes
    ----------
    entries : (n_baskets + 1,) int64 array
        First entry of each basket, and the number of entries at the end.
    edges : tuple of int
        The same, for looking at one at a time.
    seek, nbytes : tuple of int
        Place and size of each basket's record; place 0 for one of `embedded`.
    embedded : tuple of bytes
        Records of the last baskets, which lie inside the tree's own record.
    """

    entries: np.ndarray
    edges: tuple[int, ...]
    seek: tuple[int, ...]
    nbytes: tuple[int, ...]
    embedded: tuple[bytes, ...]


def read_embedded(c: Cursor) -> tuple[int, bytes]:
    """Read a basket in the tree's record: (entries, its bytes up to the end of the record)."""
    begin = c.pos
    c.pos += 14
    c.pos = begin + c.get("h") - _BASKET.size - 1
    n_entries = c.fields(_BASKET)[3]
    if n_entries < 0:
        raise UnreadableError(f"a basket of {n_entries} entries")
    return n_entries, bytes(c.data[begin:])
