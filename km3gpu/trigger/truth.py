"""Which hits are simulated light: hits matched with simulated hits of their PMT, by time.

Files of simulated events hold the light (``mc_hits``) and what the data
acquisition made of it among noise (``hits``), but not which is which.  Their
times differ by one number for each event, which is found first: where
differences of times on equal PMTs are densest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels import overlaps, segments

__all__ = ["Labels", "match"]

_I4, _I8 = np.dtype(np.int32), np.dtype(np.int64)


@dataclass(frozen=True)
class Labels:
    """What each hit is.

    Attributes
    ----------
    offset : (n_events,) float64 array
        Time of hits less that of simulated hits [ns]; NaN for an event that has
        too few of either, whose hits are not labelled.
    signal : (n_hits,) bool array
        A simulated hit of the same PMT fits the time of the hit.
    mc_hit : (n_hits,) int64 array
        Row of the nearest such simulated hit within its event, -1 for noise.
    """

    offset: Any
    signal: Any
    mc_hit: Any


def match(
    offsets: Any,
    pmt: Any,
    t: Any,
    mc_offsets: Any,
    mc_pmt: Any,
    mc_t: Any,
    *,
    early: float = 10.0,
    late: float = 15.0,
    width: float = 10.0,
    at_most: int = 50,
    least: int = 3,
) -> Labels:
    """Match hits with simulated hits.

    Parameters
    ----------
    offsets, mc_offsets : (n_events + 1,) int64 array
        Hits and simulated hits of each event.
    pmt, mc_pmt : (n,) int array
        PMT of each, by whatever number they have in common; negative for none.
    t, mc_t : (n,) float64 array
        Times [ns].
    early, late : float
        A hit fits a simulated one from so long before it to so long after it [ns].
    width : float
        The offset of an event is the median of the differences within the
        densest interval of this width [ns], the earliest of equals.
    at_most : int
        Simulated hits (the earliest of its PMT) that one hit is compared with to
        find the offset; for the labels all are.
    least : int
        Fewest differences, and simulated hits, that make an offset.

    Returns
    -------
    Labels
    """
    xp = _backend.namespace(t)
    n_events = len(offsets) - 1
    order = segments.order(mc_offsets, mc_pmt.astype(_I4), mc_t)
    sorted_t = xp.ascontiguousarray(mc_t[order])
    keys = _keys(mc_offsets, mc_pmt[order])
    wanted = _keys(offsets, pmt)
    low = xp.searchsorted(keys, wanted, side="left")
    high = xp.searchsorted(keys, wanted, side="right")
    usable = (pmt >= 0) & xp.isfinite(t)
    high = xp.where(usable, high, low)

    offset = _offsets(xp, offsets, t, low, xp.minimum(high, low + at_most), sorted_t, width, least)
    few = (mc_offsets[1:] - mc_offsets[:-1]) < least
    offset = xp.where(few, xp.nan, offset)

    target = t - offset[segments.expand(offsets)] if n_events else t
    # one segment for each PMT of an event, the simulated hits of it in order of time
    group, group_offsets = _groups(xp, keys)
    mine = group[low] if len(keys) else xp.zeros(len(t), _I4)
    there = (high > low) & xp.isfinite(target)
    mine = xp.where(there, mine, 0).astype(_I4)
    if not len(keys):
        none = xp.zeros(len(t), bool)
        return Labels(offset, none, xp.full(len(t), -1, _I8))
    begin, end = overlaps.within(mine, target - late, target + early, group_offsets, sorted_t)
    signal = there & (end > begin)
    nearest = _nearest(xp, signal, begin, end, mine, target, group_offsets, sorted_t)
    row = order[xp.maximum(nearest, 0)] - mc_offsets[segments.expand(offsets)]
    return Labels(offset, signal, xp.where(signal, row, -1).astype(_I8))


def _keys(offsets: Any, pmt: Any) -> Any:
    """Give event and PMT as one int64, none of which is that of no PMT."""
    event = segments.expand(offsets).astype(_I8)
    return (event << 32) + pmt.astype(_I8)


def _groups(xp: Any, keys: Any) -> tuple[Any, Any]:
    """Give the number of the run of equal keys of each row (one row more), and their offsets."""
    new = xp.concatenate((xp.ones(1, bool), keys[1:] != keys[:-1])) if len(keys) else xp.zeros(0, bool)
    starts = xp.flatnonzero(new)
    group = xp.cumsum(new) - 1
    last = xp.full(1, max(0, len(starts) - 1), group.dtype)
    end = xp.full(1, len(keys), starts.dtype)
    return xp.concatenate((group, last)), xp.concatenate((starts, end)).astype(_I8)


def _offsets(xp: Any, offsets: Any, t: Any, low: Any, high: Any, mc_t: Any, width: float, least: int) -> Any:
    """Give the offset of each event, NaN where there are too few differences."""
    pairs = segments.counts_to_offsets(high - low)
    hit = segments.expand(pairs)
    difference = t[hit] - mc_t[low[hit] + xp.arange(len(hit)) - pairs[hit]]
    of_event = pairs[offsets]
    order = segments.order(of_event, xp.zeros(len(hit), _I4), difference)
    difference = difference[order]
    event = segments.expand(of_event)
    _, end = overlaps.within(event, difference, difference + width, of_event, difference)
    here = xp.arange(len(hit))
    # most first, then earliest: one whole number holds both
    rank = ((end - here) << 32) - (here - of_event[event])
    best = segments.maximum(of_event, rank)
    count = (best + 0xFFFFFFFF) >> 32
    first = of_event[:-1] + (count << 32) - best
    enough = (of_event[1:] - of_event[:-1]) >= least
    if not len(hit):
        return xp.full(len(offsets) - 1, xp.nan)
    first = xp.where(enough, first, 0)
    count = xp.where(enough, count, 1)
    middle = (difference[first + (count - 1) // 2] + difference[first + count // 2]) / 2.0
    return xp.where(enough, middle, xp.nan)


def _nearest(
    xp: Any, signal: Any, begin: Any, end: Any, group: Any, target: Any, offsets: Any, mc_t: Any
) -> Any:
    """Give the sorted row of the simulated hit that is nearest to each target; the earlier of equals."""
    after, _ = overlaps.within(group, target, xp.full(len(target), xp.inf), offsets, mc_t)
    last = xp.where(signal, end - 1, 0)
    after = xp.minimum(after, last)
    before = xp.where(signal, xp.maximum(after - 1, begin), 0)
    return xp.where(abs(mc_t[before] - target) <= abs(mc_t[after] - target), before, after)
