"""Ctrl-C and SIGTERM: the first lets the chunks in work end, the second stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["Stop", "held", "watched"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether, and how urgently, the run was asked to stop.

    Attributes
    ----------
    signals : int
        Signals so far.
    name : str
        Name of the last one, ``"SIGINT"``.
    tell : callable, optional
        Called at once with what a signal will do.
    """

    def __init__(self) -> None:
        self.signals = 0
        self.name = ""
        self.tell: Callable[[str], None] | None = None

    def __bool__(self) -> bool:
        return self.signals > 0

    @property
    def at_once(self) -> bool:
        """A second signal came."""
        return self.signals > 1


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold the signals back while the block runs; processes and threads begun in it never see them.

    Ctrl-C in a terminal, and a batch system that ends a job, send them to every
    process of a run.  The run decides what they mean, and lets workers end their chunks.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def watched() -> Iterator[Stop]:
    """Catch the signals while the block runs; only the main thread can, others get none."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def caught(number: int, frame: FrameType | None) -> None:
        stop.signals += 1
        stop.name = signal.Signals(number).name
        if stop.signals > 2:
            raise KeyboardInterrupt
        if stop.tell is not None:
            ending = "ending the chunks in work, then stopping; once more: at once"
            stop.tell(f"{stop.name}: {'stopping at once' if stop.at_once else ending}")

    before = {s: signal.signal(s, caught) for s in _SIGNALS}
    try:
        yield stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
