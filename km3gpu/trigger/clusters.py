"""The coincidences that triggers begin from: L1 that satisfy L2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from km3gpu import backend as _backend
from km3gpu.kernels import coincidence, segments
from km3gpu.trigger.parameters import TriggerParameters

__all__ = ["HIT_COLUMNS", "Clusters", "clusters"]

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
