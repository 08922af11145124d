"""Compressed columns of HDF5 files: whole ones in parts, chunks of a fixed number of rows in merged files.

HDF5 itself compresses in one thread, with zlib.  Here workers compress what
they write, in pieces (`km3gpu.io.pieces`), and the chunks of a merged file are
made of the pieces of its parts: only those on the edges of a chunk are
compressed again.  Any HDF5 library reads the result.  The chunks are made in
threads and written in the order in which they were filled, so the bytes of a
file do not depend on the number of threads.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeAlias

import h5py
import numpy as np

from km3gpu.io.hdf5file import chunk_shape
from km3gpu.io.pieces import Packed, Piece, pack, stream, wants_shuffle

__all__ = ["ChunkWriter", "Column", "chunk_rows", "piece_rows"]

_ROWS = 65536  # of a chunk, fewer where a row is large
_STEPS = 8  # pieces of a plane in a chunk, or more: that many fewer bytes are compressed again
_PIECE = 1 << 15  # bytes of a piece at most: what deflate looks back at
_THREADS = 4  # at most; reading and writing the file keep one busy
_AHEAD = 4  # chunks in hand for each thread

# rows of a column: values, or those from the first to the second of packed ones
Rows: TypeAlias = "Any | tuple[Packed, int, int]"


def chunk_rows(like: np.ndarray | h5py.Dataset) -> tuple[int, ...]:
    """Give the shape of the chunks of a merged dataset."""
    return chunk_shape(_ROWS, like)


def piece_rows(like: np.ndarray | h5py.Dataset, *, shuffled: bool) -> int:
    """Give the rows of a piece of a column."""
    width = math.prod(like.shape[1:]) * (1 if shuffled else like.dtype.itemsize)
    return max(min(chunk_rows(like)[0] // _STEPS, _PIECE // max(width, 1)), 1)


class ChunkWriter:
    """Makes chunks in threads, and writes them in order.

    Parameters
    ----------
    level : int
        Of gzip.
    """

    def __init__(self, level: int) -> None:
        self.level = level
        threads = min(
            _THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _THREADS
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="km3gpu-hdf5")
        self._waiting: deque[tuple[h5py.Dataset, int, Future[bytes]]] = deque()
        self._most = _AHEAD * threads

    def put(self, dataset: h5py.Dataset, row: int, rows: Sequence[Rows], *, shuffled: bool) -> None:
        """Take a whole chunk of `dataset` that begins at `row`."""
        made = self._pool.submit(_made, rows, self.level, shuffled=shuffled)
        self._waiting.append((dataset, row, made))
        while len(self._waiting) > self._most:
            self._write()

    def _write(self) -> None:
        dataset, row, made = self._waiting.popleft()
        place = (row, *(0,) * (dataset.ndim - 1))
        dataset.id.write_direct_chunk(place, made.result())

    def __enter__(self) -> ChunkWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._waiting and error is None:
                self._write()
        finally:
            self._pool.shutdown(cancel_futures=True)


def _made(rows: Sequence[Rows], level: int, *, shuffled: bool) -> bytes:
    """Make the stream of a chunk: what is packed stays so, values beside each other become one piece."""
    planes: list[list[list[Piece]]] = []
    for packed, some in itertools.groupby(rows, lambda r: isinstance(r, tuple)):
        if packed:
            planes += [p.rows(start, stop, level) for p, start, stop in some]
        else:
            values = np.concatenate(list(some))
            planes.append(pack(values, len(values), level, shuffled=shuffled).rows(0, len(values), level))
    return stream(piece for plane in zip(*planes, strict=True) for pieces in plane for piece in pieces)


class Column:
    """A dataset that grows, whose chunks go to a `ChunkWriter`.

    Parameters
    ----------
    like : h5py.Dataset
        Of a part: the type of the values, and the shape of a row.
    make : callable
        Makes the dataset, empty, with chunks of a shape and the filter gzip, and
        with the filter shuffle or not.
    writer : ChunkWriter
    """

    def __init__(self, like: h5py.Dataset, make: Callable[..., h5py.Dataset], writer: ChunkWriter) -> None:
        self._shape = chunk_rows(like)
        self._sample = piece_rows(like, shuffled=True)
        self._empty = np.zeros((0, *like.shape[1:]), like.dtype)
        self._make = make
        self._writer = writer
        self._dataset: h5py.Dataset | None = None
        self._shuffled: bool | None = None  # as long as that is open
        self._open: list[Rows] = []  # of the chunk that is not full
        self._n_open = 0
        self._written = self._length = 0
        self._room = 0  # rows that the dataset has now

    def append(self, values: Any) -> None:
        """Add rows at the end."""
        self._add(len(values), lambda start, stop: values[start:stop])

    def append_packed(self, packed: Packed) -> bool:
        """Add rows that are compressed; False where the dataset has other filters, and they are not added."""
        shuffled = packed.n_planes > 1
        if self._shuffled is None:
            self._shuffled = shuffled
        if self._shuffled == shuffled:
            self._add(packed.n_rows, lambda start, stop: (packed, start, stop))
        return self._shuffled == shuffled

    def _add(self, n: int, rows: Callable[[int, int], Rows]) -> None:
        start = 0
        while start < n:
            stop = min(n, start + self._shape[0] - self._n_open)
            self._open.append(rows(start, stop))
            self._n_open += stop - start
            self._length += stop - start
            start = stop
            if self._n_open == self._shape[0]:
                self._put()

    def _put(self) -> None:
        dataset = self._made()
        if self._written + self._shape[0] > self._room:
            self._extend(2 * self._written + self._shape[0])
        self._writer.put(dataset, self._written, self._open, shuffled=bool(self._shuffled))
        self._written += self._shape[0]
        self._open, self._n_open = [], 0

    def _extend(self, n_rows: int) -> None:
        self._made().id.set_extent((n_rows, *self._shape[1:]))
        self._room = n_rows

    def _made(self) -> h5py.Dataset:
        """Give the dataset, which is made when there are values to choose its filters by."""
        if self._dataset is None:
            if self._shuffled is None:
                sample = np.concatenate([self._empty, *self._open])[: self._sample]  # none of them packed
                self._shuffled = wants_shuffle(sample, self._writer.level)
            self._dataset = self._make(self._shape, shuffle=self._shuffled)
        return self._dataset

    def finish(self) -> None:
        """Write the last chunk, filled up with zeros that the shape leaves out."""
        # before there is a chunk on its edge, which HDF5 would compress once more
        self._extend(self._length)
        if self._n_open:
            n = self._shape[0] - self._n_open
            self._open.append(np.zeros((n, *self._shape[1:]), self._empty.dtype))
            dataset = self._made()
            self._writer.put(dataset, self._written, self._open, shuffled=bool(self._shuffled))
