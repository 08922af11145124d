"""Chunks through a backend, several at a time: copy one while others compute.

Each slot has a staging buffer and a stream of its own.  A chunk is copied into
the buffer of its slot, from there to the backend, and worked on, all in the
order of that slot's stream; slots run beside each other.  No more chunks than
slots are on their way: the next one is not even asked for before there is room,
so a slow consumer holds the reader back and memory stays bounded.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

import numpy as np

from km3gpu.backend import Backend
from km3gpu.errors import BackendError
from km3gpu.streams import Event, Stream

__all__ = ["run_through"]

T = TypeVar("T")

_LINE = 64


def run_through(
    chunks: Iterable[Sequence[np.ndarray]],
    work: Callable[..., T],
    where: Backend,
    slots: int = 3,
) -> Iterator[T]:
    """Put chunks through `work` on a backend, in order, `slots` at a time.

    Parameters
    ----------
    chunks : iterable of sequence of numpy.ndarray
        Host arrays of each chunk; asked for one by one, when there is room.  An
        array may be overwritten as soon as the next chunk is asked for.
    work : callable
        ``work(*arrays)`` with the arrays on the backend.  What it gives back
        should be on the host; its device arrays go when it returns.
    where : Backend
        Where to work.
    slots : int
        Chunks on their way at once: 1 does one after the other, 2 overlap copy
        and work, one more also hides the host's own copy.

    Yields
    ------
    object
        What `work` gave for each chunk, in the order of the chunks.

    Raises
    ------
    BackendError
        `slots` is below 1.
    Exception
        Whatever `chunks` or `work` raised, after the results before it; chunks
        after it are dropped.
    """
    if slots < 1:
        raise BackendError(f"{slots} slots hold no chunk", remedy="take 1 or more")
    with contextlib.ExitStack() as stack:
        ring = [_Slot(where) for _ in range(slots)]
        for slot in ring:
            stack.callback(slot.close)
        waiting: collections.deque[Future[T]] = collections.deque()
        source = iter(chunks)
        for slot in itertools.cycle(ring):
            if len(waiting) == slots:
                yield waiting.popleft().result()
            arrays = next(source, None)
            if arrays is None:
                break
            slot.stage(arrays)
            waiting.append(slot.start(work))
        while waiting:
            yield waiting.popleft().result()


class _Slot:
    """A staging buffer and the stream that empties it."""

    def __init__(self, where: Backend) -> None:
        self._where = where
        self._stream = Stream(where)
        self._buffer = where.pinned(0)
        self._staged: list[np.ndarray] = []
        self._emptied: Event | None = None

    def stage(self, arrays: Sequence[np.ndarray]) -> None:
        """Copy host arrays into the buffer, once the last ones have left it."""
        if self._emptied is not None:
            self._emptied.synchronize()
        sizes = [-(-a.nbytes // _LINE) * _LINE for a in arrays]
        if sum(sizes) > len(self._buffer):
            # half as much again: chunks differ a little, and page-locking is slow
            self._buffer = self._where.pinned(sum(sizes) * 3 // 2)
        starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        self._staged = []
        for a, start in zip(arrays, starts, strict=False):
            view = self._buffer[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
            view[...] = a
            self._staged.append(view)

    def start(self, work: Callable[..., T]) -> Future[T]:
        """Queue the copy to the backend and the work."""
        self._emptied = Event(self._where)
        return self._stream.submit(self._process, self._staged, self._emptied, work)

    def _process(self, staged: list[np.ndarray], emptied: Event, work: Callable[..., T]) -> T:
        try:
            arrays = [self._where.upload(a) for a in staged]
        finally:
            emptied.record()
        return work(*arrays)

    def close(self) -> None:
        self._stream.close()
