"""Timers, callbacks that are not called too often, memory, colours."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

__all__ = [
    "Cuckoo",
    "Timer",
    "colored",
    "cprint",
    "ignored",
    "isnotebook",
    "peak_memory_usage",
    "supports_color",
]

ignored = contextlib.suppress

_ATTRIBUTES = {"bold": 1, "dark": 2, "underline": 4, "blink": 5, "reverse": 7, "concealed": 8}
_NAMES = ("grey", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_COLOURS = {name: 30 + i for i, name in enumerate(_NAMES)}
_HIGHLIGHTS = {f"on_{name}": 40 + i for i, name in enumerate(_NAMES)}
_RESET = "\033[0m"


class Timer:
    """Measure the wall and CPU time of a block.

    Parameters
    ----------
    message : str
        What is measured.
    precision : int
        Digits after the point.
    callback : callable, optional
        Called with a line of text at the end; None: nobody is told.
    """

    def __init__(
        self, message: str = "It", precision: int = 3, callback: Callable[[str], Any] | None = print
    ) -> None:
        self.message = message
        self.precision = precision
        self.callback = callback
        self._began: tuple[float, float] | None = None
        self._ended: tuple[float, float] | None = None

    def __enter__(self) -> Timer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to measure."""
        self._began = (time.perf_counter(), time.process_time())

    def stop(self) -> float:
        """End, tell the callback, and give the wall time in seconds."""
        self._ended = (time.perf_counter(), time.process_time())
        if self.callback is not None:
            self.log()
        return self.seconds

    @property
    def seconds(self) -> float:
        """Wall time in seconds."""
        return self._spent(0)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process in seconds."""
        return self._spent(1)

    def _spent(self, which: int) -> float:
        if self._began is None or self._ended is None:
            raise TypeError(f"the timer of {self.message!r} was not started and stopped")
        return self._ended[which] - self._began[which]

    def log(self) -> None:
        """Tell the callback."""
        n = self.precision
        if self.callback is not None:
            self.callback(f"{self.message} took {self.seconds:.{n}f}s (CPU {self.cpu_seconds:.{n}f}s).")


class Cuckoo:
    """Call a function at most once in an interval.

    Parameters
    ----------
    interval : float
        Seconds.
    callback : callable
    """

    def __init__(self, interval: float = 0, callback: Callable[..., Any] = print) -> None:
        self.interval = interval
        self.callback = callback
        self.timestamp: datetime | None = None
        self._last = 0.0

    def reset(self) -> None:
        """Begin the interval now."""
        self.timestamp = datetime.now()
        self._last = time.monotonic()  # the wall clock may be set back

    def _interval_reached(self) -> bool:
        return time.monotonic() - self._last > self.interval

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Call the function, where the last time is long enough ago."""
        if self.timestamp is None or self._interval_reached():
            self.callback(*args, **kwargs)
            self.reset()


def peak_memory_usage() -> float:
    """Give the largest resident memory of this process so far, in MiB."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)


def colored(
    text: str,
    color: str | None = None,
    on_color: str | None = None,
    attrs: list[str] | None = None,
    ansi_code: int | None = None,
) -> str:
    """Colour a text for a terminal; not where ``ANSI_COLORS_DISABLED`` is set.

    Parameters
    ----------
    text : str
    color : str, optional
        ``"grey"``, ``"red"``, ``"green"``, ``"yellow"``, ``"blue"``, ``"magenta"``,
        ``"cyan"`` or ``"white"``; colours inside of the text give way.
    on_color : str, optional
        Of the background, with ``on_`` before it.
    attrs : list of str, optional
        ``"bold"``, ``"dark"``, ``"underline"``, ``"blink"``, ``"reverse"``, ``"concealed"``.
    ansi_code : int, optional
        One of the 256 colours; the rest is ignored.

    Returns
    -------
    str
    """
    if "ANSI_COLORS_DISABLED" in os.environ:
        return text
    if ansi_code is not None:
        return f"\033[38;5;{ansi_code}m{text}{_RESET}"
    for name, codes in ((color, _COLOURS), (on_color, _HIGHLIGHTS)):
        if name is not None:
            text = f"\033[{codes[name]}m{_without(text, codes)}"
    if attrs is not None:
        text = _without(text, _ATTRIBUTES)
        for attribute in attrs:
            text = f"\033[{_ATTRIBUTES[attribute]}m{text}"
    return text + _RESET


def _without(text: str, codes: dict[str, int]) -> str:
    inner = "|".join(map(str, codes.values()))
    return re.sub(rf"\033\[(?:{inner})m(.*?)\033\[0m", r"\1", text)


def cprint(
    text: str, color: str | None = None, on_color: str | None = None, attrs: list[str] | None = None
) -> None:
    """Print a text in colours (see `colored`)."""
    sys.stdout.write(colored(text, color, on_color, attrs) + "\n")


def isnotebook() -> bool:
    """Tell whether this is a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def supports_color() -> bool:
    """Tell whether what is printed goes where colours are shown."""
    return isnotebook() or bool(getattr(sys.stdout, "isatty", bool)())
