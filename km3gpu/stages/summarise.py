"""Count and sum up the hits of each event, and give their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.kernels import coincidence, moments, segments
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Of", "Summarise", "summarise"]

Of: TypeAlias = Literal["all", "triggered"]

_COUNTS = ("n_hits", "n_triggered", "n_clusters", "n_l1", "n_l2", "n_doms")
_SHAPE = (
    "centre_x", "centre_y", "centre_z", "inertia_1", "inertia_2", "inertia_3", "extent",
)  # fmt: skip
_MADE = (*_COUNTS, "tot_sum", "t_first", "t_last", *_SHAPE)
_PLACE = ("pos_x", "pos_y", "pos_z")
_HIT = ("dom_id", "tot", "t", *_PLACE)


@dataclass(frozen=True)
class Summarise(Stage):
    """Add to each event how many hits, triggered hits, coincidences and modules it has, and its shape.

    Also the sum of time over threshold.  Where hits have a calibrated time,
    the first and last, and the numbers of L1 and L2 coincidences; where they
    have a place, the shape of the hits by their time over threshold: the
    centre, the eigenvalues of the tensor of inertia over its sum, and the
    largest distance from the centre.  NaN for an event without hits.

    Attributes
    ----------
    l1_window, l2_window : float
        Windows of the coincidences that are counted [ns]; L2 are the L1 whose
        second hit comes within `l2_window`.
    shape : {"all", "triggered"}
        Hits that the shape is of.
    """

    name: ClassVar[str] = "summarise"

    l1_window: float = 25.0
    l2_window: float = 10.0
    shape: Of = "all"

    def __post_init__(self) -> None:
        if not 0 < self.l2_window <= self.l1_window < np.inf:
            raise ConfigError(
                f"l1_window = {self.l1_window}, l2_window = {self.l2_window}",
                remedy="give times above 0 ns, the second no longer than the first",
            )
        if self.shape not in get_args(Of):
            raise ConfigError(f"shape = {self.shape!r}", remedy="take 'all' or 'triggered'")

    def reads(self, kind: str) -> Columns:
        """Give module, time over threshold and trigger bits; time and place where there are."""
        if kind == "daq":
            triggered = ("dom_id", "tot", *_PLACE) if self.shape == "triggered" else ("dom_id",)
            return {"hits": _HIT, "triggered_hits": triggered, "events": ("det_id",)}
        return {"hits": (*_HIT, "trig"), "events": ("det_id",)}

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
        if "t" in hits:
            columns |= self._by_module(xp, hits)
        else:
            columns["n_doms"] = _distinct(xp, hits.offsets, hits.flat("dom_id"))
        columns["tot_sum"] = segments.total(hits.offsets, hits.flat("tot")).astype(np.float64)
        if "t" in hits:
            columns["t_first"] = segments.minimum(hits.offsets, hits.flat("t"))
            columns["t_last"] = segments.maximum(hits.offsets, hits.flat("t"))
        columns |= self._shape(chunk)
        counters = {c: float(columns[c].sum()) for c in _COUNTS if c in columns and c != "n_doms"}
        return {"events": events.with_columns(**columns)}, {"events": len(events), **counters}

    def _by_module(self, xp: Any, hits: Table) -> dict[str, Any]:
        """Count modules and coincidences, with the hits sorted once."""
        dom_id, t, offsets = hits.flat("dom_id"), hits.flat("t"), hits.offsets
        order, segment, members = coincidence.windows(offsets, dom_id, t, window=self.l1_window)
        module, time = dom_id[order], t[order]
        new = xp.ones(len(module), bool)
        new[1:] = (module[1:] != module[:-1]) | (segment[1:] != segment[:-1])
        first = xp.flatnonzero(members >= 2)
        tight = xp.zeros(len(module), bool)
        tight[first] = time[first + 1] - time[first] <= self.l2_window
        return {
            "n_l1": segments.total(offsets, members >= 2),
            "n_l2": segments.total(offsets, tight),
            "n_doms": segments.total(offsets, new),
        }

    def _shape(self, chunk: Chunk) -> dict[str, Any]:
        hits = chunk.hits
        weight = hits.flat("tot")
        if self.shape == "triggered":
            if "triggered_hits" in chunk:
                hits = chunk.triggered_hits
                weight = hits.flat("tot")
            elif "trig" in hits:
                weight = weight * (hits.flat("trig") != 0)
            else:
                return {}
        if any(c not in hits for c in _PLACE):
            return {}
        x, y, z = (hits.flat(c) for c in _PLACE)
        found = moments.shape(hits.offsets, x, y, z, weight)
        return dict(zip(_SHAPE, (*found.centre, *found.inertia, found.extent), strict=True))


def summarise(chunk: Chunk, **options: Any) -> Chunk:
    """Count and sum up the hits of each event, and give their shape.

    Parameters
    ----------
    chunk : Chunk
        With ``hits``, and ``triggered_hits`` and ``clusters`` where there are.
    **options
        Attributes of `Summarise`: ``l1_window, l2_window, shape``.

    Returns
    -------
    Chunk
        Its events have ``n_hits, n_triggered, n_clusters, n_doms`` (int64) and
        ``tot_sum`` [ns]; with calibrated hits ``t_first, t_last`` [ns], ``n_l1,
        n_l2``, ``centre_x`` to ``centre_z`` and ``extent`` [m], and
        ``inertia_1 <= inertia_2 <= inertia_3`` [m^2].

    Raises
    ------
    ConfigError
        An option that makes no sense.
    """
    return Summarise(**options)(chunk)


def _distinct(xp: Any, offsets: Any, ids: Any) -> Any:
    """Count the distinct ids of each event."""
    n = len(offsets) - 1
    event = xp.repeat(xp.arange(n), offsets[1:] - offsets[:-1])
    # module ids are int32: event and id fit one int64 key
    keys = xp.unique((event << 32) | (ids.astype(xp.int64) & 0xFFFFFFFF))
    return xp.bincount(keys >> 32, minlength=n).astype(xp.int64)
