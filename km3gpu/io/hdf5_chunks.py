"""Compressed chunks of HDF5 datasets, made in threads and written as they are.

HDF5 itself compresses in one thread, with zlib.  Here the shuffle and gzip
filters are applied with libdeflate in several threads, and any HDF5 library
reads the result.  The chunks are written in the order in which they were
filled, so the bytes of a file do not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import deflate
import h5py
import numpy as np

__all__ = ["ChunkWriter", "Column"]

_THREADS = 4  # at most; reading and writing the file keep one busy
_AHEAD = 4  # chunks in hand for each thread


class ChunkWriter:
    """Compresses chunks in threads, and writes them in order.

    Parameters
    ----------
    level : int
        Of gzip.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        threads = min(
            _THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _THREADS
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="km3gpu-hdf5")
        self._waiting: deque[tuple[h5py.Dataset, int, Future[bytes]]] = deque()
        self._most = _AHEAD * threads

    def put(self, dataset: h5py.Dataset, row: int, values: Any) -> None:
        """Take a whole chunk of `dataset` that begins at `row`."""
        self._waiting.append((dataset, row, self._pool.submit(_packed, values, self._level)))
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


def _packed(values: Any, level: int) -> bytes:
    """Apply HDF5's filters shuffle and gzip: the first bytes of all items, then the second ..."""
    data = np.ascontiguousarray(values)
    size = data.dtype.itemsize
    if size > 1:
        data = np.ascontiguousarray(data.reshape(-1).view(np.uint8).reshape(-1, size).T)
    return bytes(deflate.zlib_compress(data.reshape(-1).view(np.uint8).data, level))


class Column:
    """A dataset that grows, whose chunks go to a `ChunkWriter`.

    Parameters
    ----------
    dataset : h5py.Dataset
        Empty, chunked in rows, with the filters shuffle and gzip.
    writer : ChunkWriter
    """

    def __init__(self, dataset: h5py.Dataset, writer: ChunkWriter) -> None:
        self.dataset = dataset
        self._writer = writer
        self._rows = int(dataset.chunks[0])
        self._open: list[Any] = []  # values of the chunk that is not full
        self._n_open = 0
        self._written = 0
        self._length = 0

    def append(self, values: Any) -> None:
        """Add rows at the end."""
        while len(values):
            some = values[: self._rows - self._n_open]
            self._open.append(some)
            self._n_open += len(some)
            values = values[len(some) :]
            if self._n_open == self._rows:
                self._put(self._open)

    def _put(self, pieces: Sequence[Any]) -> None:
        whole = np.concatenate(pieces)
        self.dataset.resize(self._written + self._rows, axis=0)
        self._writer.put(self.dataset, self._written, whole)
        self._written += self._rows
        self._open, self._n_open = [], 0

    def finish(self) -> None:
        """Write the last chunk, filled up with zeros that the shape leaves out."""
        n = self._written + self._n_open
        if self._n_open:
            rest = self._rows - self._n_open
            like = self._open[0]
            self._put([*self._open, np.zeros((rest, *like.shape[1:]), like.dtype)])
        self._length = n

    def cut(self) -> None:
        """Give the dataset its length, when all chunks are written."""
        self.dataset.resize(self._length, axis=0)
