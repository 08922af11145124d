"""Several chunks as one task of dask, with a receipt for each.

A dask scheduler spends milliseconds of one core on a task, whatever the task does.
Where chunks are short, or workers are many, several chunks go out as one: a bundle.
Its worker notes every receipt beside the parts, so that a chunk which is finished is
not made again: not when the worker dies and dask gives the bundle to another, not
when dask gives the bundle up, and not when the run itself is killed.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from km3gpu.pipeline import journal
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.sealed import opened
from km3gpu.pipeline.task import run_chunk

__all__ = ["NOTES", "Pace", "end", "noted", "run_bundle"]

NOTES = ".receipts"
"""Suffix of the notes of a bundle, in the folder of the parts."""

RATE = 25.0  # tasks of dask a second at most, which keep a tenth of a core busy
_LEAST = 0.25  # seconds that a bundle takes at least
_MOST = 256  # chunks of a bundle
_AHEAD = 4  # bundles that each worker is to have before it at least, so that all end at about the same time

_ENDED: set[str] = set()  # runs that want no more chunks from this process


class Pace:
    """How many chunks make a bundle: as many as keep the tasks of dask below a rate.

    A bundle takes `workers` / `RATE` seconds, a quarter of a second at least: chunks of
    some seconds go out one by one to a hundred workers, and in tens to a thousand.
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=33)

    def saw(self, receipt: Receipt) -> None:
        """Learn how long a chunk took."""
        if receipt.fault is None:
            self._seconds.append(sum(receipt.seconds.values()))

    @property
    def chunk(self) -> float:
        """Seconds that a chunk takes; 0 while nobody knows."""
        return statistics.median(self._seconds) if self._seconds else 0.0

    def size(self, workers: int, left: int, window: int = 0) -> int:
        """Give the number of chunks of a bundle.

        Parameters
        ----------
        workers : int
            That work at the same time.
        left : int
            Chunks that wait.
        window : int, optional
            Chunks that may be handed out at a time; 0: any number.
        """
        if not self._seconds:  # nobody knows yet how long a chunk takes
            return 1
        wanted = max(workers / RATE, _LEAST) / max(self.chunk, 1e-4)
        fair = left / (_AHEAD * workers)
        most = window / (2 * workers) if window else _MOST
        return max(1, math.ceil(min(wanted, fair, most, _MOST)))


def run_bundle(data: bytes, notes: str, path: Sequence[str], run: str) -> list[Receipt]:
    """Make the chunks of a bundle, one after the other, on a worker.

    Parameters
    ----------
    data : bytes
        From `km3gpu.pipeline.sealed.seal`.
    notes : str
        File that takes the receipts; ``""`` for a single chunk.
    path : sequence of str
        Folders to look for modules in.
    run : str
        Name of the run, for `end`.

    Returns
    -------
    list of Receipt
        Of all chunks; of the first ones where the run ended, or nothing can be
        written any more.
    """
    known = {r.id: r for r in noted(Path(notes))} if notes else {}
    receipts: list[Receipt] = []
    for task in opened(data, path):
        if receipts and run in _ENDED:
            break
        if isinstance(task, Receipt):
            receipt = task
        elif task.id in known:
            receipt = known[task.id]
        else:
            receipt = run_chunk(task)
            if notes and receipt.fault is None:
                _note(Path(notes), receipt)
        receipts.append(receipt)
        if receipt.fault is not None and receipt.fault.kind in ("disk", "setup"):
            break  # so would be the next
    return receipts


def noted(notes: Path) -> Iterable[Receipt]:
    """Give the receipts that a bundle noted, of chunks whose parts are there."""
    for line in journal.read([notes]):
        with contextlib.suppress(KeyError, TypeError):  # a line that a dying machine left half written
            receipt = Receipt.from_json(line)
            if all(_size(notes.with_name(o.name)) == o.bytes for o in receipt.outputs):
                yield receipt


def end(run: str) -> None:
    """Let the bundles of a run in this process end with the chunk that they are at."""
    _ENDED.add(run)


def _note(notes: Path, receipt: Receipt) -> None:
    # what cannot be noted is only made again; a full disk will be told by the next part
    with contextlib.suppress(OSError), open(notes, "a", encoding="utf-8") as file:
        file.write(json.dumps(receipt.to_json(), separators=(",", ":")) + "\n")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
