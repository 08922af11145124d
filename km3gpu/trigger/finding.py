"""From calibrated hits to triggered events: coincidences, the triggers, and what overlaps as one.

The steps of the data filter, over flat arrays of many events (or slices) at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from km3gpu import backend as _backend
from km3gpu.definitions import Trigger
from km3gpu.kernels import overlaps, segments
from km3gpu.trigger.clusters import HIT_COLUMNS, Clusters, clusters
from km3gpu.trigger.parameters import TriggerParameters
from km3gpu.trigger.roots import BITS, SubEvents, sub_events

__all__ = [
    "HIT_COLUMNS",
    "Clusters",
    "Found",
    "SubEvents",
    "any_bit",
    "clusters",
    "find",
    "gather",
    "sub_events",
]


@dataclass(frozen=True)
class Found:
    """What the triggers found.

    Attributes
    ----------
    hit_mask : (n_hits,) uint64 array
        Trigger bits of each hit.
    event_mask : (n_events,) uint64 array
        Trigger bits of each event (or slice), with FACTORY_LIMIT.
    offsets : (n_events + 1,) int64 array
        Triggered events found in each event (or slice).
    columns : dict of str to (n,) array
        Of the triggered events: ``trigger_mask`` (uint64), ``overlays``
        (uint32), ``t_first, t_last`` (float64, ns), ``n_hits`` (int32).
    counters : dict of str to float
        What was counted.
    """

    hit_mask: Any
    event_mask: Any
    offsets: Any
    columns: dict[str, Any]
    counters: dict[str, float]


def find(offsets: Any, hits: Mapping[str, Any], parameters: TriggerParameters) -> Found:
    """Run all triggers.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event (or slice).
    hits : mapping of str to (n_hits,) array
        `HIT_COLUMNS`; a hit whose time or place is NaN takes no part.
    parameters : TriggerParameters
        What to look for.

    Returns
    -------
    Found
    """
    level2 = clusters(offsets, hits, parameters)
    hit_mask, found, counters = sub_events(offsets, hits, level2, parameters)
    return gather(offsets, hits["t"], hit_mask, found, parameters, counters)


def gather(
    offsets: Any,
    t: Any,
    hit_mask: Any,
    found: SubEvents,
    parameters: TriggerParameters,
    counters: dict[str, float],
) -> Found:
    """Put sub-events that overlap together.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event (or slice).
    t : (n_hits,) float64 array
        Their times [ns].
    hit_mask : (n_hits,) uint64 array
        Their trigger bits.
    found : SubEvents
        From `sub_events`.
    parameters : TriggerParameters
        `t_max_event_ns` is what sub-events may be apart.
    counters : dict of str to float
        To add to.
    """
    xp = _backend.namespace(t)
    n_events, n = len(offsets) - 1, len(found.event)
    sub_offsets = xp.searchsorted(found.event, xp.arange(n_events + 1, dtype=found.event.dtype))
    starts = overlaps.merge(sub_offsets, found.first, found.last, parameters.t_max_event_ns)
    index, event_offsets = segments.compact(starts, sub_offsets)
    group = xp.concatenate((index, xp.full(1, n, dtype=index.dtype)))
    mask = any_bit(group, found)
    event = found.event[index]
    # hits of the last coincidence may be later than the end of the sub-event
    t_first, t_last = found.first[index], segments.maximum(group, found.last, empty=0.0)
    beyond = min(parameters.t_max_local_ns, parameters.t_max_event_ns)
    n_hits, t_first, t_last = _extent(offsets, t, hit_mask, event, t_first, t_last + beyond)
    columns = {
        "trigger_mask": mask,
        "overlays": (group[1:] - group[:-1] - 1).astype(xp.uint32),
        "t_first": t_first,
        "t_last": t_last,
        "n_hits": n_hits,
    }
    per_event = xp.zeros(n_events, dtype=xp.uint64)
    for bit in (*BITS, Trigger.FACTORY_LIMIT):
        of_bit = (mask >> xp.uint64(bit)) & xp.uint64(1)
        per_event |= (segments.total(event_offsets, of_bit != 0) > 0).astype(xp.uint64) << xp.uint64(bit)
    counters = {**counters, "sub_events": n, "events": len(index), "hits_found": int((hit_mask != 0).sum())}
    return Found(hit_mask, per_event, event_offsets, columns, counters)


def any_bit(group: Any, found: SubEvents) -> Any:
    """Give the trigger bits of each group of sub-events.

    Parameters
    ----------
    group : (n_groups + 1,) int64 array
        Sub-events of each.
    found : SubEvents

    Returns
    -------
    (n_groups,) uint64 array
        With FACTORY_LIMIT.
    """
    xp = _backend.namespace(found.first)
    mask = xp.zeros(len(group) - 1, dtype=xp.uint64)
    for bit in BITS:
        there = segments.total(group, found.bit == int(bit)) > 0
        mask |= there.astype(xp.uint64) << xp.uint64(bit)
    there = segments.total(group, found.factory) > 0
    return mask | (there.astype(xp.uint64) << xp.uint64(Trigger.FACTORY_LIMIT))


def _extent(
    offsets: Any, t: Any, hit_mask: Any, event: Any, earliest: Any, latest: Any
) -> tuple[Any, Any, Any]:
    """Give number, first and last time of the triggered hits of each triggered event."""
    xp = _backend.namespace(t)
    index, hit_offsets = segments.compact(hit_mask != 0, offsets)
    times = t[index]
    times = times[segments.order(hit_offsets, xp.zeros(len(times), dtype=xp.int32), times)]
    begin, end = overlaps.within(event, earliest, latest, hit_offsets, times)
    return (end - begin).astype(xp.int32), times[begin], times[end - 1]
