"""How long the detector took data, by run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import UNIT

__all__ = ["SLICE_SECONDS", "Livetime", "livetime"]

SLICE_SECONDS = 0.1
"""Length of a timeslice or summary slice (the frame time of the data acquisition)."""

_KINDS = ("summaryslices", "timeslices")


@dataclass(frozen=True)
class Livetime(Stage):
    """Count the time that summary slices, or timeslices, cover.

    Each slice of a run is 0.1 s; one that comes twice in a chunk counts once.
    Slices get the column ``livetime`` [s], by which a histogram over ``run_id``
    can be weighted, and the counters of the run say the seconds in all and of
    each run, as ``run_25291``.  Where files overlap, put ``deduplicate`` before and
    add up the column of the merged output: the counters, chunk by chunk, know
    nothing of slices in another chunk.
    """

    name: ClassVar[str] = "livetime"

    def reads(self, kind: str) -> Columns:
        """Give detector, run and number of the slice."""
        return {"events": ("det_id", "run_id", "frame_index")}

    def requires(self, kind: str) -> Columns:
        """Refuse what are no slices, and give the columns that are read."""
        _check(kind)
        return self.reads(kind)

    def writes(self, kind: str) -> Columns:
        """Give the column that is added."""
        return {"events": ("livetime",)}

    def apply(self, chunk: Chunk) -> Result:
        """Add the column, and count."""
        seconds, by_run = _seconds(chunk)
        counters = {"seconds": sum(by_run.values())}
        counters |= {f"run_{run}": s for (_, run), s in by_run.items()}
        events = chunk.events.with_columns({UNIT + "livetime": "s"}, livetime=seconds)
        return {"events": events}, counters


def livetime(chunk: Chunk) -> dict[tuple[int, int], float]:
    """Give the time that summary slices or timeslices cover, in seconds, by detector and run.

    Simulations carry theirs in the header: ``km3gpu.open(path).header.DAQ.livetime``.

    Parameters
    ----------
    chunk : Chunk
        Of summary slices or timeslices.

    Returns
    -------
    dict of (det_id, run_id) to float

    Raises
    ------
    FormatError
        Events, which do not say how long nothing was triggered.
    """
    return _seconds(chunk)[1]


def _check(kind: str) -> None:
    if kind not in _KINDS:
        raise FormatError(
            f"{kind} events do not say how long data was taken",
            remedy="take the summary slices, tree = 'KM3NET_SUMMARYSLICE', or the header's DAQ.livetime",
        )


def _seconds(chunk: Chunk) -> tuple[Any, dict[tuple[int, int], float]]:
    _check(chunk.source.kind)
    events = chunk.events
    columns = [events.flat(c) for c in ("det_id", "run_id", "frame_index")]
    rows = np.stack([backend.Backend.to_host(c).astype(np.int64) for c in columns], axis=1)
    _, first = np.unique(rows, axis=0, return_index=True)
    seconds = np.zeros(len(rows))
    seconds[first] = SLICE_SECONDS
    runs, counts = np.unique(rows[first, :2], axis=0, return_counts=True)
    # from the count, not by adding up: tenths are no binary fractions
    by_run = {(int(d), int(r)): int(n) / 10 for (d, r), n in zip(runs, counts, strict=True)}
    return backend.of(*columns).to_device(seconds), by_run
