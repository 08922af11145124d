"""Same-module coincidences, slowly: sort, then walk from anchor to anchor."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["same_module"]


def same_module(
    offsets: Any, dom_id: Any, channel_id: Any, t: Any, tot: Any,
    window: float, min_hits: int, l2_window: float | None, min_cos: float | None, axes: Any,
) -> tuple[list[int], list[tuple[Any, ...]], Any]:  # fmt: skip
    """Find coincidences.

    Returns
    -------
    cluster_offsets : list of int
        Clusters of each event.
    clusters : list of tuple
        First row, last row, hits, PMTs, sum of time over threshold.
    cluster_id : (n,) int64 array
        Cluster of each hit within its event, -1 for none.
    """
    cluster_offsets = [0]
    clusters: list[tuple[Any, ...]] = []
    cluster_id = np.full(len(t), -1, np.int64)
    for low, high in itertools.pairwise(offsets):
        rows = sorted(range(low, high), key=lambda i: (dom_id[i], t[i], i))
        while rows:
            group = [i for i in rows if dom_id[i] == dom_id[rows[0]] and t[i] - t[rows[0]] <= window]
            rows = rows[len(group) :]
            if len(group) < min_hits or not _tight(group, t, min_hits, l2_window, min_cos, axes):
                continue
            cluster_id[group] = len(clusters) - cluster_offsets[-1]
            pmts = {int(channel_id[i]) for i in group}
            clusters.append((group[0], group[-1], len(group), len(pmts), sum(int(tot[i]) for i in group)))
        cluster_offsets.append(len(clusters))
    return cluster_offsets, clusters, cluster_id


def _tight(group: list[int], t: Any, least: int, window: Any, min_cos: Any, axes: Any) -> bool:
    if window is None:
        return True
    near = [i for i in group if t[i] - t[group[0]] <= window]
    if len(near) < least:
        return False
    pairs = itertools.combinations(near, 2)
    return min_cos is None or any(float(np.dot(axes[a], axes[b])) >= min_cos for a, b in pairs)
