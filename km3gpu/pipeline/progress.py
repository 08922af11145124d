"""Progress of a run: a bar on a terminal, nothing in a pipe, JSON lines for programs."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Container, Iterator, Sequence
from typing import Any, Protocol

from km3gpu.pipeline.plan import PlannedChunk
from km3gpu.pipeline.receipt import Receipt

__all__ = ["Progress", "progress"]


class Progress(Protocol):
    """Something that is told of every receipt."""

    def tell(self, receipt: Receipt) -> None:
        """Take note of a receipt."""

    def say(self, words: str) -> None:
        """Show what is being done."""


class _Silent:
    def tell(self, receipt: Receipt) -> None:
        """Do nothing."""

    def say(self, words: str) -> None:
        """Do nothing."""


class _Lines:
    """A JSON line on stderr for each chunk, for programs that watch."""

    def __init__(self, events: int, before: int) -> None:
        self._events = events
        self._done = before
        self._before = before
        self._failed = 0
        self._began = time.monotonic()

    def tell(self, receipt: Receipt) -> None:
        start, stop = receipt.entries
        self._done += stop - start if receipt.state == "done" else 0
        self._failed += receipt.state != "done"
        rate = (self._done - self._before) / max(time.monotonic() - self._began, 1e-9)
        self._write(
            event="chunk",
            id=receipt.id,
            state=receipt.state,
            path=receipt.path,
            entries=[start, stop],
            seconds=receipt.seconds,
            rows=receipt.rows,
            bytes_in=receipt.bytes_in,
            worker=receipt.worker,
            why=None if receipt.fault is None else receipt.fault.message,
            done=self._done,
            events=self._events,
            failed=self._failed,
            rate=rate,
            left=(self._events - self._done) / rate if rate else None,
        )

    def say(self, words: str) -> None:
        self._write(event="step", what=words)

    @staticmethod
    def _write(**event: Any) -> None:
        sys.stderr.write(json.dumps(event) + "\n")
        sys.stderr.flush()


class _Bar:
    """Events done, events and megabytes per second, time left, failures."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar = bar
        self._task = task
        self._failed = 0
        self._bytes = 0

    def tell(self, receipt: Receipt) -> None:
        start, stop = receipt.entries
        if receipt.state == "done":
            self._bytes += receipt.bytes_in
            self._bar.advance(self._task, stop - start)
        else:
            self._failed += 1
        elapsed = max(self._bar.tasks[0].elapsed or 0.0, 1e-3)
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.update(self._task, rate=f"{self._bytes / 1e6 / elapsed:.0f} MB/s{failed}")

    def say(self, words: str) -> None:
        self._bar.update(self._task, description=words)


@contextlib.contextmanager
def progress(
    chunks: Sequence[PlannedChunk], done: Container[str], show: bool | str | None
) -> Iterator[Progress]:
    """Show the progress of a run while the block runs.

    Parameters
    ----------
    chunks : sequence of PlannedChunk
    done : container of str
        Ids of those that were done before.
    show : bool or str, optional
        True: a bar; None: a bar where stderr is a terminal; ``"json"``: a JSON
        line on stderr for each chunk.
    """
    every = sum(c.origin.n_entries for c in chunks)
    before = sum(c.origin.n_entries for c in chunks if c.id in done)
    if show == "json":
        yield _Lines(every, before)
        return
    if not (sys.stderr.isatty() if show is None else show):
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("events"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty()) as bar:
        yield _Bar(bar, bar.add_task("running", total=every, completed=before, rate=""))
