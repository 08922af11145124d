"""Snapshots: all hits around triggered events, cut out of a stretch of hits."""

from __future__ import annotations

from typing import Any

from km3gpu import backend as _backend
from km3gpu.kernels import segments

__all__ = ["cut_out"]


def cut_out(
    t: Any, hit_mask: Any, t_first: Any, t_last: Any, before: float, after: float
) -> tuple[Any, Any, Any]:
    """Cut events out of a stretch of hits.

    Parameters
    ----------
    t : (n_hits,) float64 array
        Times [ns], in any order; a hit at NaN is in no event.
    hit_mask : (n_hits,) uint64 array
        Trigger bits.
    t_first, t_last : (n_events,) float64 array
        Times of the first and of the last triggered hit; both in ascending order.
    before, after : float
        An event has the hits from so long before the first to so long after the
        last triggered one, both included [ns].

    Returns
    -------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    rows : (n,) int64 array
        Which hits these are, in order of their row; snapshots may overlap, then
        a hit is in more than one.
    mask : (n,) uint64 array
        Their trigger bits, 0 for those that another event was triggered by.
    """
    xp = _backend.namespace(t)
    # events that end at a hit or later, and begin at it or before: a run of them
    low = xp.searchsorted(t_last + after, t, side="left")
    high = xp.searchsorted(t_first - before, t, side="right")
    inside = xp.isfinite(t) & (high > low)
    hit = xp.flatnonzero(inside)
    low, high = low[hit], high[hit]
    pairs = segments.counts_to_offsets(high - low)
    place = segments.expand(pairs)
    event = low[place] + xp.arange(len(place)) - pairs[place]
    order = xp.argsort(event * (len(hit) + 1) + place)  # event by event, each in order of rows
    event, rows = event[order], hit[place[order]]
    offsets = xp.searchsorted(event, xp.arange(len(t_first) + 1)).astype(xp.int64)
    own = (t[rows] >= t_first[event]) & (t[rows] <= t_last[event])
    return offsets, rows, xp.where(own, hit_mask[rows], xp.uint64(0))
