"""From calibrated hits to triggered events: coincidences, the triggers, and what overlaps as one.

The steps of the data filter, over flat arrays of many events (or slices) at once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from km3gpu import backend as _backend
from km3gpu.definitions import Trigger
from km3gpu.kernels import coincidence, overlaps, segments
from km3gpu.kernels import triggers as kernel
from km3gpu.trigger.grid import directions
from km3gpu.trigger.parameters import TriggerParameters

__all__ = ["HIT_COLUMNS", "Clusters", "Found", "SubEvents", "clusters", "find", "gather", "sub_events"]

HIT_COLUMNS = (
    "dom_id", "channel_id", "t", "tot", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z",
)  # fmt: skip
"""What `find` needs to know of hits."""


@dataclass(frozen=True)
class Clusters:
    """The coincidences that the triggers begin from.

    Attributes
    ----------
    offsets : (n_events + 1,) int64 array
        Coincidences of each event.
    columns : dict of str to (n,) array
        See `km3gpu.kernels.coincidence.same_module`.
    of_hit : (n_hits,) int64 array
        Row of each hit's coincidence, -1 for none.
    """

    offsets: Any
    columns: dict[str, Any]
    of_hit: Any


@dataclass(frozen=True)
class SubEvents:
    """What single roots found, before what overlaps is put together.

    Attributes
    ----------
    event : (n,) int32 array
        Event (or slice) of the root.
    first, last : (n,) float64 array
        Time of the first and of the last hit found with it [ns].
    bit : (n,) int64 array
        Number of the trigger's bit.
    factory : (n,) bool array
        The factory limit was reached.
    """

    event: Any
    first: Any
    last: Any
    bit: Any
    factory: Any


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


def clusters(offsets: Any, hits: Mapping[str, Any], parameters: TriggerParameters) -> Clusters:
    """Find the coincidences that enter the triggers: L1 that satisfy L2.

    Parameters
    ----------
    offsets, hits, parameters
        As for `find`.
    """
    l2 = parameters.l2
    axes = {c: hits[c] for c in ("dir_x", "dir_y", "dir_z")} if l2.ct_min > -1.0 else {}
    cluster_offsets, columns, cluster_id = coincidence.same_module(
        offsets,
        *(hits[c] for c in ("dom_id", "channel_id", "t", "tot", "pos_x", "pos_y", "pos_z")),
        window=parameters.t_max_local_ns,
        min_hits=l2.number_of_hits,
        l2_window=l2.t_max_local_ns,
        min_cos=l2.ct_min if axes else None,
        **axes,
    )
    xp = _backend.namespace(cluster_id)
    event = segments.expand(offsets)
    row = xp.where(cluster_id >= 0, cluster_id + cluster_offsets[event], -1)
    if parameters.l1_number_of_hits > l2.number_of_hits:
        keep = columns["n_hits"] >= parameters.l1_number_of_hits
        index, cluster_offsets = segments.compact(keep, cluster_offsets)
        columns = {name: c[index] for name, c in columns.items()}
        new = xp.full(len(keep) + 1, -1, dtype=xp.int64)
        new[index] = xp.arange(len(index))
        row = new[row]  # the last place stands for none
    return Clusters(cluster_offsets, columns, row)


def sub_events(
    offsets: Any, hits: Mapping[str, Any], level2: Clusters, parameters: TriggerParameters
) -> tuple[Any, SubEvents, dict[str, float]]:
    """Run the triggers root by root.

    Parameters
    ----------
    offsets, hits, parameters
        As for `find`.
    level2 : Clusters
        From `clusters`.

    Returns
    -------
    hit_mask : (n_hits,) uint64 array
        Trigger bits of each hit.
    found : SubEvents
        In order of event and first time.
    counters : dict of str to float
        Coincidences, roots that found something by trigger, factory limits and caps.
    """
    xp = _backend.namespace(hits["t"])
    columns = level2.columns
    roots = kernel.sites(
        level2.offsets,
        *(columns[c] for c in ("dom_id", "pos_x", "pos_y", "pos_z", "t_first")),
    )
    root_event = segments.expand(roots.offsets)
    first, last = columns["t_first"][roots.order], columns["t_last"][roots.order]
    counters: dict[str, float] = {"hits": len(hits["t"]), "coincidences": len(root_event)}
    cluster_mask = xp.zeros(len(root_event) + 1, dtype=xp.uint64)  # the last one is that of no cluster
    parts: list[SubEvents] = []

    def keep(name: str, bit: int, state: Any, begin: Any, end: Any) -> None:
        rows = xp.flatnonzero(state & (kernel.FOUND | kernel.FACTORY))
        factory = (state[rows] & kernel.FACTORY) != 0
        bits = xp.full(len(rows), bit, dtype=xp.int64)
        parts.append(SubEvents(root_event[rows], begin(rows), end(rows), bits, factory))
        counters[f"{name}_roots"] = len(rows)
        counters[f"{name}_factory"] = int(factory.sum())
        counters[f"{name}_capped"] = int(((state & kernel.CAPPED) != 0).sum())

    for name, bit, run in (
        ("muon", Trigger.JTRIGGER3DMUON, _muon),
        ("shower", Trigger.JTRIGGER3DSHOWER, _shower),
        ("nb", Trigger.JTRIGGERNB, _nano_beacon),
    ):
        if getattr(parameters, name).enabled:
            seen, latest, state = run(roots, hits, level2, parameters)
            cluster_mask[roots.order[xp.flatnonzero(seen)]] |= xp.uint64(1 << bit)
            keep(name, int(bit), state, lambda r: first[r], lambda r, at=latest: last[at[r]])
    hit_mask = cluster_mask[level2.of_hit]
    if parameters.mx_shower.enabled:
        bit = Trigger.JTRIGGERMXSHOWER
        sites = kernel.sites(offsets, *(hits[c] for c in ("dom_id", "pos_x", "pos_y", "pos_z", "t")))
        seen, earliest, latest, state = kernel.mixed(roots, sites, **_limits(parameters.mx_shower))
        hit_mask[sites.order[xp.flatnonzero(seen)]] |= xp.uint64(1 << bit)
        t = hits["t"][sites.order]
        keep("mx", int(bit), state, lambda r: t[earliest[r]], lambda r: t[latest[r]])
    return hit_mask, _sorted(xp, parts), counters


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
    mask = _any_bit(xp, group, found)
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
    for bit in (*_BITS, Trigger.FACTORY_LIMIT):
        of_bit = (mask >> xp.uint64(bit)) & xp.uint64(1)
        per_event |= (segments.total(event_offsets, of_bit != 0) > 0).astype(xp.uint64) << xp.uint64(bit)
    counters = {**counters, "sub_events": n, "events": len(index), "hits_found": int((hit_mask != 0).sum())}
    return Found(hit_mask, per_event, event_offsets, columns, counters)


_BITS = (
    Trigger.JTRIGGER3DSHOWER,
    Trigger.JTRIGGERMXSHOWER,
    Trigger.JTRIGGER3DMUON,
    Trigger.JTRIGGERNB,
)


def _limits(group: Any) -> dict[str, Any]:
    return {
        "number_of_hits": group.number_of_hits,
        "number_of_modules": group.number_of_modules,
        "d_max": group.d_max_m,
        "t_max_extra": group.t_max_extra_ns,
        "factory_limit": group.factory_limit,
    }


def _muon(roots: Any, hits: Any, level2: Clusters, parameters: TriggerParameters) -> tuple[Any, Any, Any]:
    group = parameters.muon
    axes = _axes(group.grid_angle_deg, _backend.of(roots.t).name)
    return kernel.muon(roots, axes, road_width=group.road_width_m, **_limits(group))


def _shower(roots: Any, hits: Any, level2: Clusters, parameters: TriggerParameters) -> tuple[Any, Any, Any]:
    return kernel.shower(roots, **_limits(parameters.shower))


def _nano_beacon(
    roots: Any, hits: Any, level2: Clusters, parameters: TriggerParameters
) -> tuple[Any, Any, Any]:
    xp = _backend.namespace(roots.t)
    selected = xp.zeros(len(hits["t"]), dtype=bool)
    for module, channel in parameters.nb.selections():
        here = xp.ones(len(selected), dtype=bool)
        if module >= 0:
            here &= hits["dom_id"] == module
        if channel >= 0:
            here &= hits["channel_id"] == channel
        selected |= here
    # one place more, for hits in no coincidence
    begins = xp.zeros(len(roots.t) + 1, dtype=xp.uint8)
    begins[level2.of_hit[selected]] = 1
    return kernel.shower(roots, folded=False, roots=begins[roots.order], **_limits(parameters.nb))


@functools.lru_cache(maxsize=8)
def _axes(spacing_deg: float, where: str) -> Any:
    return _backend.Backend(where).to_device(kernel.direction_axes(directions(spacing_deg)))


def _sorted(xp: Any, parts: list[SubEvents]) -> SubEvents:
    """Put the sub-events of all triggers in order of event and time."""
    if not parts:
        none = xp.zeros(0, dtype=xp.float64)
        return SubEvents(none.astype(xp.int32), none, none, none.astype(xp.int64), none.astype(bool))
    event, first, last, bit, factory = (
        xp.concatenate([getattr(p, name) for p in parts])
        for name in ("event", "first", "last", "bit", "factory")
    )
    order = xp.lexsort(xp.stack((bit.astype(xp.float64), last, first, event.astype(xp.float64))))
    return SubEvents(event[order], first[order], last[order], bit[order], factory[order])


def _any_bit(xp: Any, group: Any, found: SubEvents) -> Any:
    """Give the trigger bits of each group of sub-events."""
    mask = xp.zeros(len(group) - 1, dtype=xp.uint64)
    for bit in _BITS:
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
