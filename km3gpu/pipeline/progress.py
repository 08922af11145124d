"""Progress of a run: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import contextlib
import sys
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
def progress(chunks: Sequence[PlannedChunk], done: Container[str], show: bool | None) -> Iterator[Progress]:
    """Show the progress of a run while the block runs.

    Parameters
    ----------
    chunks : sequence of PlannedChunk
    done : container of str
        Ids of those that were done before.
    show : bool, optional
        None: where stderr is a terminal.
    """
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
    every = sum(c.origin.n_entries for c in chunks)
    before = sum(c.origin.n_entries for c in chunks if c.id in done)
    with Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty()) as bar:
        yield _Bar(bar, bar.add_task("running", total=every, completed=before, rate=""))
