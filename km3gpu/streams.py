"""Work in order beside other work: streams and events, on a GPU and on the CPU alike.

A `Stream` has a thread of the host; on a GPU that thread works within a CUDA
stream of its own.  Work submitted to one stream runs in order; streams run
beside each other, and order between them comes from events, as in CUDA.  The
kernels let go of the GIL, so the CPU's streams do run at once, and what holds
or breaks on them (order, reuse of buffers, back-pressure) holds or breaks the
same way on a GPU.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from km3gpu import backend as _backend
from km3gpu.backend import Backend
from km3gpu.errors import BackendError

__all__ = ["Event", "Stream", "lane"]

T = TypeVar("T")

_lanes = threading.local()


@contextlib.contextmanager
def lane(where: Backend) -> Iterator[None]:
    """Let this thread work in a stream of its own within the block.

    Threads that share a GPU then copy and compute beside each other: while one
    waits for its file, others' work runs.  The stream is kept for the thread's
    next block; all work is done when the block ends.  On the CPU threads are
    streams already.

    Parameters
    ----------
    where : Backend
        Where the work is done; on a GPU the one that this thread uses.
    """
    if where.name != "cuda":
        yield
        return
    kept: dict[int, Any] = _lanes.__dict__.setdefault("streams", {})
    device = _backend.device_index()
    if device not in kept:
        kept[device] = where.xp.cuda.Stream(non_blocking=True)
    with kept[device]:
        yield
        where.synchronize()


class Event:
    """A mark in the work of a stream that others can wait for.

    Waiting for an event that was not recorded yet waits for the recording too.

    Parameters
    ----------
    where : Backend
        The backend of the streams it is used with.
    """

    def __init__(self, where: Backend) -> None:
        self._recorded = threading.Event()
        self._cuda = where.xp.cuda if where.name == "cuda" else None
        self._mark = self._cuda.Event(disable_timing=True) if self._cuda else None

    def record(self) -> None:
        """Mark this point of the stream whose work calls this."""
        if self._mark is not None:
            self._mark.record(self._cuda.get_current_stream())  # type: ignore[union-attr]
        self._recorded.set()

    def synchronize(self, timeout: float | None = None) -> None:
        """Block this thread until all work before the mark is done.

        Parameters
        ----------
        timeout : float, optional
            Longest to wait for the recording, in seconds.

        Raises
        ------
        BackendError
            Nothing recorded it in that time.
        """
        if not self._recorded.wait(timeout):
            raise BackendError("an event was waited for that nothing has recorded")
        if self._mark is not None:
            self._mark.synchronize()

    @property
    def happened(self) -> bool:
        """Whether all work before the mark is done."""
        return self._recorded.is_set() and (self._mark is None or bool(self._mark.done))

    def _hold_current_stream(self) -> None:
        self._recorded.wait()
        if self._mark is not None:
            self._cuda.get_current_stream().wait_event(self._mark)  # type: ignore[union-attr]


class Stream:
    """A queue of work that runs in order, beside that of other streams.

    Parameters
    ----------
    where : Backend
        Where the work is done.  On a GPU it is the one that this thread uses.

    Examples
    --------
    >>> with Stream(select("cpu")) as stream:
    ...     total = stream.submit(sum, [1, 2, 3])
    >>> total.result()
    6
    """

    def __init__(self, where: Backend) -> None:
        self.where = where
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="km3gpu-stream")
        self._inside: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
        if where.name == "cuda":
            device, stream = _backend.device_index(), where.xp.cuda.Stream(non_blocking=True)

            @contextlib.contextmanager
            def inside() -> Any:
                with where.xp.cuda.Device(device), stream:
                    yield

            self._inside = inside

    def submit(self, work: Callable[..., T], *args: Any, **options: Any) -> concurrent.futures.Future[T]:
        """Queue a call of `work`; it runs after all that was submitted before.

        Returns
        -------
        Future
            Done when the call has returned.  On a GPU what it launched may still
            be running then: wait for an `Event`, or `synchronize`.
        """
        # the caller's choice of memory pool goes with the work
        context = contextvars.copy_context()

        def within() -> T:
            with self._inside():
                return work(*args, **options)

        return self._thread.submit(context.run, within)

    def record(self) -> Event:
        """Queue an event after all work so far."""
        event = Event(self.where)
        self.submit(event.record)
        return event

    def wait(self, event: Event) -> None:
        """Hold back all work submitted from now on until `event` has happened."""
        self.submit(event._hold_current_stream)

    def synchronize(self) -> None:
        """Block this thread until all work submitted so far is done."""
        self.record().synchronize()

    def close(self) -> None:
        """Finish what was submitted and let go of the thread."""
        self._thread.shutdown(wait=True)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
