"""Count and sum up the hits of each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.kernels import segments
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Summarise", "summarise"]

_COUNTS = ("n_hits", "n_triggered", "n_clusters", "n_doms")
_MADE = (*_COUNTS, "tot_sum", "t_first", "t_last")


@dataclass(frozen=True)
class Summarise(Stage):
    """Add to each event how many hits, triggered hits, clusters and modules it has.

    Also the sum of time over threshold, and the first and last hit time where
    hits have a calibrated time (NaN for an event without hits).
    """

    name: ClassVar[str] = "summarise"

    def reads(self, kind: str) -> Columns:
        """Give module, time over threshold and trigger bits."""
        if kind == "daq":
            return {"hits": ("dom_id", "tot"), "triggered_hits": ("dom_id",), "events": ("det_id",)}
        return {"hits": ("dom_id", "tot", "trig"), "events": ("det_id",)}

    def writes(self, kind: str) -> Columns:
        """Give the columns added to the events."""
        return {"events": _MADE}

    def apply(self, chunk: Chunk) -> Result:
        """Add the columns to the table of events."""
        hits, events = chunk.hits, chunk.events
        xp = backend.namespace(hits.offsets)
        columns: dict[str, Any] = {"n_hits": hits.counts}
        if "triggered_hits" in chunk:
            columns["n_triggered"] = chunk.triggered_hits.counts
        elif "trig" in hits:
            columns["n_triggered"] = segments.total(hits.offsets, hits.flat("trig") != 0)
        if "clusters" in chunk:
            columns["n_clusters"] = chunk.clusters.counts
        columns["n_doms"] = _distinct(xp, hits.offsets, hits.flat("dom_id"))
        columns["tot_sum"] = segments.total(hits.offsets, hits.flat("tot")).astype(np.float64)
        if "t" in hits:
            columns["t_first"] = segments.minimum(hits.offsets, hits.flat("t"))
            columns["t_last"] = segments.maximum(hits.offsets, hits.flat("t"))
        counters = {c: float(columns[c].sum()) for c in _COUNTS if c in columns and c != "n_doms"}
        return {"events": events.with_columns(**columns)}, {"events": len(events), **counters}


def summarise(chunk: Chunk) -> Chunk:
    """Count and sum up the hits of each event.

    Parameters
    ----------
    chunk : Chunk
        With ``hits``, and ``triggered_hits`` and ``clusters`` where there are.

    Returns
    -------
    Chunk
        Its events have ``n_hits, n_triggered, n_clusters, n_doms`` (int64),
        ``tot_sum`` [ns] and ``t_first, t_last`` [ns].
    """
    return Summarise()(chunk)


def _distinct(xp: Any, offsets: Any, ids: Any) -> Any:
    """Count the distinct ids of each event."""
    n = len(offsets) - 1
    event = xp.repeat(xp.arange(n), offsets[1:] - offsets[:-1])
    # module ids are int32: event and id fit one int64 key
    keys = xp.unique((event << 32) | (ids.astype(xp.int64) & 0xFFFFFFFF))
    return xp.bincount(keys >> 32, minlength=n).astype(xp.int64)
