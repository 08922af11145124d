"""Triggers on real events: muon and shower beside the same rules written plainly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import km3net_testdata
import numpy as np

import km3gpu
from benchmarks import plain_trigger
from benchmarks.harness import Row, alternate, cpu_time, ratio_row
from km3gpu.kernels import sites as ticks
from km3gpu.kernels import threads
from km3gpu.stages.triggers import hits_for_triggers
from km3gpu.trigger import finding, sets
from km3gpu.trigger.clusters import clusters
from km3gpu.trigger.grid import directions
from km3gpu.trigger.roots import muon, shower

__all__ = ["EVENTS", "rows"]

DATA = Path(km3net_testdata.__file__).parent / "data"
EVENTS = DATA / "online/muon_cc_daqevents.root"
ARCA = DATA / "datx/KM3NeT_00000133_20221025.datx"
_PLACES = ("dom_id", "pos_x", "pos_y", "pos_z", "t_first")


class _Work:
    """The coincidences of 250 events, and what finds them."""

    def __init__(self) -> None:
        chunk = km3gpu.open(EVENTS).read(backend="cpu")
        self.parameters = sets.named("arca133")
        self.offsets = chunk.hits.offsets
        self.hits = hits_for_triggers(chunk, str(ARCA))
        self.level2 = clusters(self.offsets, self.hits, self.parameters)
        self.roots = ticks.sites(self.level2.offsets, *(self.level2.columns[c] for c in _PLACES))
        self.axes = np.ascontiguousarray(
            ticks.direction_axes(directions(self.parameters.muon.grid_angle_deg)).reshape(9, -1).T
        )

    def event(self, e: int) -> ticks.Sites:
        low, high = int(self.roots.offsets[e]), int(self.roots.offsets[e + 1])
        return ticks.Sites(np.array([0, high - low]), *(c[low:high] for c in self.roots[1:]))

    def ours(self, roots: ticks.Sites) -> tuple[Any, Any]:
        found = (f(roots, self.hits, self.level2, self.parameters)[0] for f in (muon, shower))
        return tuple(found)  # type: ignore[return-value]

    def plain(self) -> tuple[Any, Any]:
        found: list[list[Any]] = [[], []]
        for e in range(len(self.offsets) - 1):
            s = self.event(e)
            metres = tuple(np.ascontiguousarray(c / ticks.TICKS_PER_M) for c in (s.x, s.y, s.z))
            one = (s.module.copy(), *metres, s.t / (ticks.TICKS_PER_M * ticks.SPEED_OF_LIGHT))
            found[0].append(plain_trigger.muon(one, self.axes, self.parameters.muon))
            found[1].append(plain_trigger.shower(one, self.parameters.shower))
        return np.concatenate(found[0]), np.concatenate(found[1])


def rows(repeats: int) -> list[Row]:
    """Measure; the plain formulation runs fewer times."""
    work = _Work()
    n = len(work.offsets) - 1
    took = alternate({"ours": lambda: work.ours(work.roots), "peer": work.plain}, min(repeats, 3))
    differ = [int((a != b).sum()) for a, b in zip(work.ours(work.roots), work.plain(), strict=True)]
    slowest = max(min(cpu_time(lambda e=e: work.ours(work.event(e))) for _ in range(3)) for e in range(n))
    parameters, offsets, hits = work.parameters, work.offsets, work.hits
    steps = alternate(
        {
            "all": lambda: finding.find(offsets, hits, parameters),
            "L2 coincidences": lambda: clusters(offsets, hits, parameters),
            "muon": lambda: muon(work.roots, hits, work.level2, parameters),
            "shower": lambda: shower(work.roots, hits, work.level2, parameters),
        },
        repeats,
    )
    cores = os.cpu_count() or 1
    with threads(cores):
        wide = alternate({"all": lambda: finding.find(offsets, hits, parameters)}, repeats)["all"]
    total, millions = len(work.roots.t), len(hits["t"]) / 1e6
    return [
        ratio_row(
            "muon and shower trigger, 250 events", took, limit=5.0, items=n, unit="event/s",
            note=f"the same rules written plainly; {total} coincidences, 423 directions; of what is found "
            f"{differ[0]} (muon) and {differ[1]} (shower) differ",
        ),
        Row("slowest event", 1e3 * slowest, "ms", limit=50.0, sense="at most"),
        Row(
            "hits to events, all triggers", n / steps["all"].cpu, "event/s",
            note=f"one core; {millions / steps['all'].cpu:.2f} Mhit/s, MXShower among them",
        ),
        *(Row(f"step: {k}", n / steps[k].cpu, "event/s") for k in ("L2 coincidences", "muon", "shower")),
        Row(
            "hits to events, all cores", n / wide.wall, "event/s",
            note=f"wall time, {cores} threads; CPU time alone {n / wide.cpu:.0f} event/s per core",
        ),
    ]  # fmt: skip
