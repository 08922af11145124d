"""Progress of a run: a bar on a terminal, nothing in a pipe, JSON lines for programs."""

from __future__ import annotations

import contextlib
import json
import os
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

    def note(self, **facts: str) -> None:
        """Show something that stays: the address of a dashboard."""

    def warn(self, words: str) -> None:
        """Say at once what all should know, also from the handler of a signal."""


class _Silent:
    def tell(self, receipt: Receipt) -> None:
        """Do nothing."""

    def say(self, words: str) -> None:
        """Do nothing."""

    def note(self, **facts: str) -> None:
        """Do nothing."""

    def warn(self, words: str) -> None:
        """Say it, in a log too."""
        _at_once(f"km3gpu: {words}")


class _Tally:
    """What the receipts of this session add up to.

    Parameters
    ----------
    events, before : int
        Events of the plan, and those done before this session.
    """

    def __init__(self, events: int, before: int) -> None:
        self.events = events
        self.done = before
        self.chunks = 0
        self.failed = 0
        self.hits = 0
        self.bytes = 0
        self._before = before
        self._began = time.monotonic()

    def add(self, receipt: Receipt) -> int:
        """Take a receipt in, and give the events that it finished."""
        if receipt.state != "done":
            self.failed += 1
            return 0
        n = receipt.entries[1] - receipt.entries[0]
        self.done += n
        self.chunks += 1
        self.hits += receipt.rows.get("hits", 0)
        self.bytes += receipt.bytes_in
        return n

    def rates(self) -> dict[str, float]:
        """Give events, hits and bytes per second of this session."""
        elapsed = max(time.monotonic() - self._began, 1e-3)
        return {
            "events": (self.done - self._before) / elapsed,
            "hits": self.hits / elapsed,
            "bytes": self.bytes / elapsed,
        }


class _Lines:
    """A JSON line on stderr for each chunk and step, for programs that watch."""

    def __init__(self, tally: _Tally, chunks: int) -> None:
        self._tally = tally
        self._heard = True
        self._write(event="began", chunks=chunks, events=tally.events, done=tally.done)

    def tell(self, receipt: Receipt) -> None:
        tally = self._tally
        tally.add(receipt)
        rates = tally.rates()
        rate = rates["events"]
        self._write(
            event="chunk",
            id=receipt.id,
            state=receipt.state,
            attempt=receipt.attempt,
            path=receipt.path,
            entries=list(receipt.entries),
            seconds=dict(receipt.seconds),
            rows=dict(receipt.rows),
            bytes_in=receipt.bytes_in,
            worker=receipt.worker,
            why=None if receipt.fault is None else receipt.fault.message,
            done=tally.done,
            events=tally.events,
            failed=tally.failed,
            rate=rate,
            hits_rate=rates["hits"],
            bytes_rate=rates["bytes"],
            left=(tally.events - tally.done) / rate if rate else None,
        )

    def say(self, words: str) -> None:
        self._write(event="step", what=words)

    def note(self, **facts: str) -> None:
        self._write(event="note", **facts)

    def warn(self, words: str) -> None:
        if self._heard:
            _at_once(json.dumps({"event": "warning", "what": words}))

    def end(self) -> None:
        t = self._tally
        self._write(event="ended", done=t.done, events=t.events, chunks=t.chunks, failed=t.failed)

    def _write(self, **event: Any) -> None:
        if not self._heard:
            return
        try:
            sys.stderr.write(json.dumps(event) + "\n")
            sys.stderr.flush()
        except OSError:  # who watched has gone; the run goes on, and ends without a word
            self._heard = False
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), sys.stderr.fileno())


class _Bar:
    """Events done, events, hits and megabytes per second, time left, failures."""

    def __init__(self, bar: Any, task: Any, tally: _Tally) -> None:
        self._bar = bar
        self._task = task
        self._tally = tally

    def tell(self, receipt: Receipt) -> None:
        self._bar.advance(self._task, self._tally.add(receipt))
        rates = self._tally.rates()
        words = [f"{short(rates['events'])} events/s"]
        if self._tally.hits:
            words.append(f"{short(rates['hits'])} hits/s")
        words.append(f"{rates['bytes'] / 1e6:.3g} MB/s")
        failed = f"  [red]{self._tally.failed} failed[/]" if self._tally.failed else ""
        self._bar.update(self._task, rate=", ".join(words) + failed)

    def say(self, words: str) -> None:
        self._bar.update(self._task, description=words)

    def note(self, **facts: str) -> None:
        for name, value in facts.items():
            self._bar.console.print(f"{name} {value}", highlight=False, markup=False)

    def warn(self, words: str) -> None:
        self._bar.console.print(words, highlight=False, markup=False)


def _at_once(line: str) -> None:
    """Write a line past all buffers: a signal may come in the middle of another line's."""
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode())


def short(n: float) -> str:
    """Write a rate with three digits and a letter: ``12.3k``, ``4.56M``."""
    for unit in ("", "k", "M"):
        if n < 999.5:
            return f"{n:.3g}{unit}"
        n /= 1000
    return f"{n:.3g}G"


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
        True: a bar; None: a bar where stderr is a terminal; ``"json"``: JSON
        lines on stderr, ``began``, one ``chunk`` for each, ``step``, ``note``, ``warning``, ``ended``.
    """
    every = sum(c.origin.n_entries for c in chunks)
    before = sum(c.origin.n_entries for c in chunks if c.id in done)
    tally = _Tally(every, before)
    if show == "json":
        lines = _Lines(tally, len(chunks))
        try:
            yield lines
        finally:
            lines.end()
        return
    if not (sys.stderr.isatty() if show is None else show):
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=sys.stderr.isatty(), expand=True) as bar:
        yield _Bar(bar, bar.add_task("events", total=every, completed=before, rate=""), tally)
