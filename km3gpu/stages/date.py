"""Give simulated events, which carry no date, the date of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["UTC_BEGAN_NS", "Date", "date"]

UTC_BEGAN_NS = 63_072_000 * 10**9  # 1972-01-01, the first day of UTC with whole leap seconds


@dataclass(frozen=True)
class Date(Stage):
    """Put events without a date at a time after `start`.

    Simulated events count their time from 1970-01-01, as if the run had begun
    then.  Such an event moves to `start` plus that time.  An event whose time
    stamp was never set (nanoseconds outside 0 to 1e9; seen for the first event
    of some files) moves to `start` itself.  Events with a date keep it.

    Attributes
    ----------
    start : str
        Start of the run, ISO 8601, UTC (``"2021-09-14T11:16:25"``).
    """

    name: ClassVar[str] = "date"

    start: str

    def __post_init__(self) -> None:
        self.start_ns()

    def start_ns(self) -> int:
        """Give the start as int64 UTC ns since 1970."""
        try:
            value = np.datetime64(str(self.start).removesuffix("Z"), "ns")
        except ValueError:
            raise ConfigError(
                f"start {self.start!r} is no time", remedy="give it as '2021-09-14T11:16:25' (UTC)"
            ) from None
        ns = int(value.astype(np.int64))
        if ns < UTC_BEGAN_NS:
            raise ConfigError(f"start {self.start!r} is before 1972, when UTC began")
        return ns

    def reads(self, kind: str) -> Columns:
        """Give the time stamp; DAQ events have a date."""
        return {"events": ("time_ns", "t_ns")} if kind == "offline" else {}

    def writes(self, kind: str) -> Columns:
        """Give the time."""
        return {"events": ("time_ns",)} if kind == "offline" else {}

    def apply(self, chunk: Chunk) -> Result:
        """Replace ``time_ns`` of the events that have no date."""
        events = chunk.events
        time = events.flat("time_ns")
        xp: Any = backend.namespace(time)
        unset = xp.zeros(len(time), dtype=bool)
        if "t_ns" in events:
            ns = events.flat("t_ns")
            unset = (ns < 0) | (ns >= 10**9)
        undated = unset | (time < UTC_BEGAN_NS)
        since = xp.where(unset, 0, time)
        made = xp.where(undated, self.start_ns() + since, time)
        counters = {"undated": float(undated.sum()), "unset": float(unset.sum())}
        return {"events": events.with_columns(time_ns=made)}, counters


def date(chunk: Chunk, start: str) -> Chunk:
    """Give simulated events, which carry no date, the date of a run.

    Parameters
    ----------
    chunk : Chunk
        With table ``events``.
    start : str
        Start of the run, ISO 8601, UTC.

    Returns
    -------
    Chunk
        ``time_ns`` of its events is `start` plus the simulated time where they
        had no date, and unchanged where they had one.
    """
    return Date(start=start)(chunk)
