"""Raw baskets: the bytes of a branch's entries, and where each entry begins.

A basket is a record of some entries of one branch.  After decompression it
holds the entries one after another and, where their sizes vary, the byte
offset of each.  Everything is checked against the sizes that the file claims,
and those against the file, before memory is taken.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io.codecs import decompress, most_unpacked
from km3gpu.io.cursor import UnreadableError
from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import Branch, Tree

__all__ = [
    "Basket",
    "basket_range",
    "basket_spans",
    "claimed_bytes",
    "entry_bytes",
    "entry_offsets",
    "read_basket",
]

_KEY = struct.Struct(">ihiIh")
_HEAD = struct.Struct(">Hiiii")  # version, buffer size, entry size, entries, end of the data
_HEAD_SIZE = _HEAD.size + 1
_LONGEST_KEY = 1024
_FAULTS = (UnreadableError, struct.error, IndexError, TruncatedFileError)


@dataclass(frozen=True, slots=True)
class Basket:
    """The decompressed entries of one basket.

    Attributes
    ----------
    data : (n_bytes,) uint8 array
        All entries, as stored (big-endian for most types).
    table : (n,) uint8 array or None
        Byte offsets of the entries as stored; None where all have one size.
    keylen : int
        What the stored offsets count from.
    start : int
        Index of the first entry in the tree.
    n_entries : int
        Number of entries.
    """

    data: np.ndarray
    table: np.ndarray | None
    keylen: int
    start: int
    n_entries: int

    def offsets(self) -> np.ndarray:
        """Give the byte offset of each entry in `data`, and its end: (n_entries + 1,) int64.

        Raises
        ------
        UnreadableError
            The stored ones are not in order.
        """
        n = self.n_entries
        if self.table is None:
            size = len(self.data) // n if n else 0
            return np.arange(n + 1, dtype=np.int64) * size
        if len(self.table) < 4 * (n + 1):
            raise UnreadableError(f"its offsets take {len(self.table)} bytes for {n} entries")
        # the count comes first, and the end of the last entry is not stored
        offsets = np.empty(n + 1, np.int64)
        offsets[:-1] = self.table[4 : 4 * (n + 1)].view(">i4")
        offsets[:-1] -= self.keylen
        offsets[-1] = len(self.data)
        if offsets[0] < 0 or (offsets[1:] < offsets[:-1]).any():
            raise UnreadableError("its offsets are not in order")
        return offsets


def basket_range(branch: Branch, start: int, stop: int) -> range:
    """Give the indices of the baskets that hold the entries ``start <= i < stop``.

    Raises
    ------
    FormatError
        The branch ends before.
    """
    if stop <= start:
        return range(0)
    edges = branch.baskets.edges
    if start < 0 or stop > edges[-1]:
        raise FormatError(
            f"branch {branch.name!r} has {edges[-1]} entries, not {stop}",
            where=branch.where,
            remedy="the file was not closed, or is damaged: fetch or write it again",
        )
    return range(bisect.bisect_right(edges, start) - 1, bisect.bisect_left(edges, stop))


def basket_spans(branches: Iterable[Branch], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Give place and size of the records of all baskets of an entry range, for `RootFile.prefetched`."""
    every = {id(b): b for branch in branches for b in (branch, branch.counter) if b is not None}
    for branch in every.values():
        for index in basket_range(branch, start, stop):
            yield branch.baskets.seek[index], branch.baskets.nbytes[index]


def read_basket(tree: Tree, branch: Branch, index: int) -> Basket:
    """Read and decompress one basket.

    Parameters
    ----------
    tree : Tree
        The tree, which knows its file.
    branch : Branch
        One of its branches.
    index : int
        Which basket.

    Returns
    -------
    Basket

    Raises
    ------
    FormatError
        It is damaged; the message names file, tree, branch and basket.
    TruncatedFileError
        The file ends before the basket does.
    """
    try:
        return _read_basket(tree.file, branch, index)
    except _FAULTS as error:
        raise _named(error, tree, branch, index) from error


def entry_offsets(tree: Tree, branch: Branch, index: int, basket: Basket) -> np.ndarray:
    """Give `Basket.offsets`, with the names of file, tree, branch and basket in its errors."""
    try:
        return basket.offsets()
    except UnreadableError as error:
        raise _named(error, tree, branch, index) from error


def _named(error: Exception, tree: Tree, branch: Branch, index: int) -> FormatError:
    """Say which basket of what could not be read."""
    if isinstance(error, TruncatedFileError):
        return TruncatedFileError(
            f"basket {index} of branch {branch.name!r} is cut off: {error.what}",
            where=tree.where,
            remedy=error.remedy,
        )
    first, last = branch.baskets.edges[index : index + 2]
    return FormatError(
        f"basket {index} of branch {branch.name!r} is damaged: {error}",
        where=tree.where,
        remedy=f"fetch the file again, or leave out its entries {first} to {last}",
    )


def _read_basket(file: RootFile, branch: Branch, index: int) -> Basket:
    seek = branch.baskets.seek[index]
    if seek:
        record: Any = file.span(seek, branch.baskets.nbytes[index])
    else:
        record = memoryview(branch.baskets.embedded[index - branch.n_baskets + len(branch.baskets.embedded)])
    nbytes, version, objlen, _, keylen = _KEY.unpack_from(record, 0)
    entry_size, n_entries, last = _basket_head(record, version, keylen)
    start, stop = branch.baskets.edges[index : index + 2]
    if n_entries != stop - start:
        raise UnreadableError(f"it claims {n_entries} entries, its branch {stop - start}")
    border = last - keylen
    if border < 0:
        raise UnreadableError(f"its data end {-border} bytes before they begin")
    if not seek:
        data, table = _embedded(record, keylen, entry_size, n_entries, border)
        return Basket(data, table, keylen, start, n_entries)
    if nbytes != len(record):
        raise UnreadableError(f"it claims {nbytes} bytes, its branch {len(record)}")
    body = record[keylen:]
    if objlen < border or objlen > most_unpacked(body, len(body)):
        raise UnreadableError(f"it claims {objlen} bytes, {border} of them data, out of {len(body)}")
    if objlen > len(body):
        body = decompress(body, objlen)
    raw = _bytes(body, 0, objlen)
    if border == objlen and n_entries > border:
        raise UnreadableError(f"it claims {n_entries} entries in {border} bytes")
    return Basket(raw[:border], raw[border:] if border != objlen else None, keylen, start, n_entries)


def _basket_head(record: Any, version: int, keylen: int) -> tuple[int, int, int]:
    """Read what follows the key: (size of an entry, number of entries, end of the data)."""
    pos = _KEY.size + 2 + (16 if version > 1000 else 8)
    for _ in range(3):  # class, name and title
        pos += 1 + record[pos]
    if keylen - pos != _HEAD_SIZE or keylen > len(record):
        # one byte more tells that ROOT shall make the offsets itself
        # (ROOT::Experimental::EIOFeatures), which KM3NeT's writers never ask for
        raise UnreadableError(f"its head is {keylen - pos} bytes long instead of {_HEAD_SIZE}")
    _, _, entry_size, n_entries, last = _HEAD.unpack_from(record, pos)
    return entry_size, n_entries, last


def _embedded(
    record: memoryview, keylen: int, entry_size: int, n_entries: int, border: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a basket inside the tree's record: offsets first, then the key again, then the data."""
    pos = keylen
    table = None
    if entry_size * n_entries != border:
        table = _bytes(record, pos, 4 * (n_entries + 1))
        pos += 4 * (n_entries + 1)
    elif n_entries > border:
        raise UnreadableError(f"it claims {n_entries} entries in {border} bytes")
    return _bytes(record, pos + keylen, border), table


def _bytes(buffer: Any, start: int, n: int) -> np.ndarray:
    if start + n > len(buffer):
        raise UnreadableError(f"{n} bytes from {start} in a record of {len(buffer)}")
    raw = np.frombuffer(buffer, np.uint8, n, start)
    raw.flags.writeable = False  # one type for the kernels, wherever the bytes come from
    return raw


def claimed_bytes(tree: Tree, branch: Branch, start: int, stop: int) -> int:
    """Give the most data bytes that the baskets of an entry range can hold.

    It comes from the file's sizes, so that a damaged count is found out before
    memory is taken for it.
    """
    most = 0
    for index in basket_range(branch, start, stop):
        seek = branch.baskets.seek[index]
        if not seek:
            most += len(branch.baskets.embedded[index - branch.n_baskets + len(branch.baskets.embedded)])
            continue
        size = min(branch.baskets.nbytes[index], tree.file.size - seek)
        if size >= _KEY.size:
            head = tree.file.span(seek, min(size, _LONGEST_KEY))
            _, _, objlen, _, keylen = _KEY.unpack_from(head, 0)
            most += min(max(objlen, 0), most_unpacked(head[max(keylen, 0) :], size))
    return most


def entry_bytes(tree: Tree, branch: Branch, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the raw bytes of the entries ``start <= i < stop``.

    Parameters
    ----------
    tree, branch
        The branch to read.
    start, stop : int
        Entry range.

    Returns
    -------
    data : (n_bytes,) uint8 array
        The entries one after another; not copied where they lie in one
        uncompressed basket.
    offsets : (stop - start + 1,) int64 array
        Byte offset of each entry, from 0.

    Raises
    ------
    FormatError, TruncatedFileError
        See `read_basket`.
    """
    parts, bounds = [], []
    at = 0
    for index in basket_range(branch, start, stop):
        basket = read_basket(tree, branch, index)
        offsets = entry_offsets(tree, branch, index, basket)
        lo = max(start - basket.start, 0)
        hi = min(stop - basket.start, basket.n_entries)
        first, last = int(offsets[lo]), int(offsets[hi])
        parts.append(basket.data[first:last])
        bounds.append(offsets[lo:hi] + (at - first) if at != first else offsets[lo:hi])
        at += last - first
    if not parts:
        parts.append(np.empty(0, np.uint8))
    bounds.append(np.asarray([at], np.int64))
    data = parts[0] if len(parts) == 1 else np.concatenate(parts)
    data.flags.writeable = False
    return data, np.concatenate(bounds)
