"""Raw DAQ baskets to coincidences without leaving the backend.

Bytes go in; decoding, calibration, the order by (module, time), the search for
coincidences, the choice of events and the compaction of their hits follow one
another on the GPU, and only what was chosen comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.backend import Backend
from km3gpu.errors import BackendError
from km3gpu.kernels import coincidence, fused, segments
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.kernels.slewing import SLEWING
from km3gpu.kernels.staging import run_through

__all__ = ["Found", "Rule", "Step", "find", "hits_that_fit", "memory_plan", "run"]

_HIT_COLUMNS = (
    "dom_id", "channel_id", "tdc", "tot", "t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z",
)  # fmt: skip


class Rule(NamedTuple):
    """What to look for and what to keep.

    Attributes
    ----------
    window, min_hits, l2_window, min_cos
        As for `km3gpu.kernels.coincidence.same_module`.
    min_clusters : int
        Keep events with at least so many coincidences.
    keep_hits : bool
        Bring back the hits of the coincidences of the events kept, too.
    """

    window: float = 25.0
    min_hits: int = 2
    l2_window: float | None = None
    min_cos: float | None = None
    min_clusters: int = 1
    keep_hits: bool = True


RULE = Rule()


class Found(NamedTuple):
    """What came of one chunk, on the host.

    Attributes
    ----------
    n_hits : int
        Hits that went in.
    events : (n_kept,) int64 array
        Events kept, as entries of the chunk.
    cluster_offsets, hit_offsets : (n_kept + 1,) int64 array
        Clusters and hits of each; the second is None without hits.
    clusters : dict of str to array
        Columns of `km3gpu.kernels.coincidence.same_module`.
    hits : dict of str to array
        Columns of `km3gpu.kernels.fused.snapshot_hits` and ``cluster_id``.
    """

    n_hits: int
    events: np.ndarray
    cluster_offsets: np.ndarray
    clusters: dict[str, np.ndarray]
    hit_offsets: np.ndarray | None
    hits: dict[str, np.ndarray]


class Step(NamedTuple):
    """Memory of one step of the chain.

    Attributes
    ----------
    name : str
        What is done.
    highest, left : float
        Bytes per hit that are alive at its highest point, and after it.
    """

    name: str
    highest: float
    left: float


def find(
    raw: Any, byte_offsets: Any, lookup: PmtLookup, rule: Rule = RULE, slewing: Any | None = SLEWING
) -> Found:
    """Take one chunk through the chain, where its arrays are.

    Parameters
    ----------
    raw, byte_offsets
        As for `km3gpu.kernels.decode.snapshot_hits`.
    lookup : PmtLookup
        On the same backend.
    rule : Rule
        What to look for and what to keep.
    slewing : (m,) float64 array, optional
        As for `km3gpu.kernels.calibrate.hits`.

    Returns
    -------
    Found

    Raises
    ------
    FormatError, GeometryError
        As for `km3gpu.kernels.fused.snapshot_hits`.
    """
    offsets, hits = fused.snapshot_hits(raw, byte_offsets, lookup, slewing=slewing)
    axes = {c: hits[c] for c in ("dir_x", "dir_y", "dir_z")} if rule.min_cos is not None else {}
    used = ("dom_id", "channel_id", "t", "tot", "pos_x", "pos_y", "pos_z")
    cluster_offsets, clusters, cluster_id = coincidence.same_module(
        offsets, *(hits[c] for c in used),
        window=rule.window, min_hits=rule.min_hits, l2_window=rule.l2_window, min_cos=rule.min_cos, **axes,
    )  # fmt: skip
    xp, host = _backend.namespace(offsets), Backend.to_host
    kept = cluster_offsets[1:] - cluster_offsets[:-1] >= rule.min_clusters
    events = xp.flatnonzero(kept)
    index, cluster_offsets = segments.compact(kept[segments.expand(cluster_offsets)], cluster_offsets)
    hit_offsets = None
    brought: dict[str, np.ndarray] = {}
    if rule.keep_hits:
        chosen = cluster_id >= 0
        chosen &= kept[segments.expand(offsets)]
        rows, starts = segments.compact(chosen, offsets)
        hit_offsets = host(_only(xp, starts, events))
        brought = {c: host(hits[c][rows]) for c in _HIT_COLUMNS}
        brought["cluster_id"] = host(cluster_id[rows])
    return Found(
        int(offsets[-1]),
        host(events),
        host(_only(xp, cluster_offsets, events)),
        {c: host(v[index]) for c, v in clusters.items()},
        hit_offsets,
        brought,
    )


def _only(xp: Any, offsets: Any, events: Any) -> Any:
    """Drop the events that are not kept, which have no rows any more."""
    return xp.concatenate([offsets[:1], offsets[1:][events]])


def run(
    chunks: Iterable[tuple[np.ndarray, np.ndarray]],
    lookup: PmtLookup,
    where: Backend,
    rule: Rule = RULE,
    slewing: Any | None = SLEWING,
    slots: int = 3,
) -> Iterator[Found]:
    """Take many chunks through the chain, `slots` at a time.

    Parameters
    ----------
    chunks : iterable of (raw, byte_offsets)
        Host arrays, asked for when there is room.
    lookup : PmtLookup
        On any backend; it is moved.
    where : Backend
        Where to work.
    rule, slewing
        As for `find`.
    slots : int
        As for `km3gpu.kernels.staging.run_through`.

    Yields
    ------
    Found
        One for each chunk, in order.
    """
    table = lookup.to(where)

    def work(raw: Any, byte_offsets: Any) -> Found:
        return find(raw, byte_offsets, table, rule, slewing)

    yield from run_through(chunks, work, where, slots)


def memory_plan(
    rule: Rule = RULE, clusters_per_hit: float = 0.25, hits_kept: float = 1.0
) -> tuple[Step, ...]:
    """Count the memory that each step of the chain has alive on a GPU.

    Parameters
    ----------
    rule : Rule
        What is looked for.
    clusters_per_hit : float
        Coincidences per hit: a tenth in real events, at most one in `min_hits`.
    hits_kept : float
        Share of hits that come back, at most 1.

    Returns
    -------
    tuple of Step
        In bytes per hit.  Offsets, some bytes per event, are left out, and so are
        the tables of the detector.
    """
    columns = 10 + (4 + 1 + 4 + 1) + 7 * 8  # bytes of the basket; stored; calibrated
    axes = 12 if rule.min_cos is not None else 0
    order, segment, members, number = 8, 4, 4, 8
    found = columns + axes + order + segment + members
    scratch, table = 24 * clusters_per_hit, 60 * clusters_per_hit
    # a mask, its running sum, and the rows that it leaves
    masked = 1 + 8 + 8 * (hits_kept if rule.keep_hits else clusters_per_hit)
    # besides, columns come back one by one
    choosing = segment + 1 + masked + 8 * hits_kept if rule.keep_hits else 0.0
    done = columns + number + table
    return (
        Step("upload", 10, 10),
        Step("decode and calibrate", columns, columns),
        # the order twice, as each round of merging reads one and writes the other
        Step("order by module and time", columns + axes + segment + 2 * order, columns + axes + order),
        Step("mark coincidences", found, found),
        Step("describe coincidences", found + max(1 + 8 + scratch, scratch + table + number), done),
        Step("choose and compact", done + max(2 * table, choosing), 0),
    )


def hits_that_fit(free_bytes: int, rule: Rule = RULE, slots: int = 3, reserve: float = 0.2) -> int:
    """Give the number of hits per chunk that fits a GPU's free memory.

    Parameters
    ----------
    free_bytes : int
        `Backend.free_memory`.
    rule : Rule
        What is looked for.
    slots : int
        Chunks on their way at once.
    reserve : float
        Share of the memory left alone, for tables, offsets and the pool's rounding.

    Returns
    -------
    int
        Hits; as bytes of basket, ten times as many.

    Raises
    ------
    BackendError
        Not even a thousand hits fit.
    """
    highest = max(step.highest for step in memory_plan(rule))
    n = int(free_bytes * (1 - reserve) / (slots * highest))
    if n < 1000:
        raise BackendError(
            f"{free_bytes} bytes of free memory are too few", remedy="free memory, or use fewer slots"
        )
    return n
