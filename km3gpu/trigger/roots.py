"""What single roots find: the triggers run over coincidences, one by one the start of an event."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from km3gpu import backend as _backend
from km3gpu.definitions import Trigger
from km3gpu.kernels import segments
from km3gpu.kernels import triggers as kernel
from km3gpu.trigger.clusters import Clusters
from km3gpu.trigger.grid import directions
from km3gpu.trigger.parameters import TriggerParameters

__all__ = ["BITS", "SubEvents", "muon", "nano_beacon", "reach", "shower", "sub_events"]

BITS = (
    Trigger.JTRIGGER3DSHOWER,
    Trigger.JTRIGGERMXSHOWER,
    Trigger.JTRIGGER3DMUON,
    Trigger.JTRIGGERNB,
)
"""Triggers that there are."""


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


def sub_events(
    offsets: Any,
    hits: Mapping[str, Any],
    level2: Clusters,
    parameters: TriggerParameters,
    begins: Any | None = None,
) -> tuple[Any, SubEvents, dict[str, float]]:
    """Run the triggers root by root.

    Parameters
    ----------
    offsets, hits, parameters
        As for `find`.
    level2 : Clusters
        From `clusters`.
    begins : (n_clusters,) bool array, optional
        Coincidences that may be roots; all by default.

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
    may = None if begins is None else begins[roots.order].astype(xp.uint8)
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
        ("muon", Trigger.JTRIGGER3DMUON, muon),
        ("shower", Trigger.JTRIGGER3DSHOWER, shower),
        ("nb", Trigger.JTRIGGERNB, nano_beacon),
    ):
        if getattr(parameters, name).enabled:
            seen, latest, state = run(roots, hits, level2, parameters, may)
            cluster_mask[roots.order[xp.flatnonzero(seen)]] |= xp.uint64(1 << bit)
            keep(name, int(bit), state, lambda r: first[r], lambda r, at=latest: last[at[r]])
    if parameters.mx_shower.enabled:
        bit = Trigger.JTRIGGERMXSHOWER
        sites = kernel.sites(offsets, *(hits[c] for c in ("dom_id", "pos_x", "pos_y", "pos_z", "t")))
        if may is not None:
            roots = _some(roots, may)
            root_event = segments.expand(roots.offsets)
        seen, earliest, latest, state = kernel.mixed(roots, sites, **_limits(parameters.mx_shower))
        begins_mx = xp.flatnonzero(state & (kernel.FOUND | kernel.FACTORY))
        cluster_mask[roots.order[begins_mx]] |= xp.uint64(1 << bit)
        begin, end = columns["t_first"][roots.order], columns["t_last"][roots.order]
        t = hits["t"][sites.order]
        keep(
            "mx",
            int(bit),
            state,
            lambda r: xp.minimum(t[earliest[r]], begin[r]),
            lambda r: xp.maximum(t[latest[r]], end[r]),
        )
    hit_mask = cluster_mask[level2.of_hit]
    if parameters.mx_shower.enabled:
        hit_mask[sites.order[xp.flatnonzero(seen)]] |= xp.uint64(1 << bit)
    return hit_mask, _sorted(xp, parts), counters


def reach(parameters: TriggerParameters) -> float:
    """Give the longest time between a root and a hit that is found with it [ns]."""
    groups = (parameters.muon, parameters.shower, parameters.mx_shower, parameters.nb)
    light = kernel.INDEX_OF_REFRACTION / kernel.SPEED_OF_LIGHT
    return max((g.d_max_m * light + g.t_max_extra_ns for g in groups if g.enabled), default=0.0)


def _limits(group: Any) -> dict[str, Any]:
    return {
        "number_of_hits": group.number_of_hits,
        "number_of_modules": group.number_of_modules,
        "d_max": group.d_max_m,
        "t_max_extra": group.t_max_extra_ns,
        "factory_limit": group.factory_limit,
    }


def _some(roots: kernel.Sites, may: Any) -> kernel.Sites:
    index, offsets = segments.compact(may != 0, roots.offsets)
    return kernel.Sites(offsets, *(column[index] for column in roots[1:]))


def muon(roots: Any, hits: Any, level2: Clusters, parameters: TriggerParameters, may: Any = None) -> Any:
    """Run 3DMuon alone; what it gives is that of `km3gpu.kernels.triggers.muon`."""
    group = parameters.muon
    axes = _axes(group.grid_angle_deg, _backend.of(roots.t).name)
    return kernel.muon(roots, axes, road_width=group.road_width_m, roots=may, **_limits(group))


def shower(roots: Any, hits: Any, level2: Clusters, parameters: TriggerParameters, may: Any = None) -> Any:
    """Run 3DShower alone; what it gives is that of `km3gpu.kernels.triggers.shower`."""
    return kernel.shower(roots, roots=may, **_limits(parameters.shower))


def nano_beacon(
    roots: Any, hits: Any, level2: Clusters, parameters: TriggerParameters, may: Any = None
) -> Any:
    """Run NB alone; what it gives is that of `km3gpu.kernels.triggers.shower`."""
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
    begins = begins[roots.order]
    if may is not None:
        begins &= may
    return kernel.shower(roots, folded=False, roots=begins, **_limits(parameters.nb))


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
