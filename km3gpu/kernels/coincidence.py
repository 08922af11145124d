"""Same-module coincidences of hits.

The rule, from Jpp's trigger, is in `km3gpu.kernels.scalar.coincidence`: groups of
hits of one module within a window after an anchor; L2 narrows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, item_of, same_length
from km3gpu.kernels.cpu import coincidence as _cpu
from km3gpu.kernels.launch import NONE, Kernel, run, where_of
from km3gpu.kernels.scalar.coincidence import MOST_CHANNELS
from km3gpu.kernels.scalar.fault import split
from km3gpu.kernels.windows import MARK, Windows, chains, windows

__all__ = ["KERNELS", "Windows", "chains", "describe", "same_module", "windows"]

_U1, _U4, _I4 = np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.int32)
_F8 = np.dtype(np.float64)

_DESCRIBE = Kernel(
    "coincidence.describe", _cpu.describe_block, _cpu.describe_blocks,
    tuple(
        (*["i8[]"] * 3, *["i4[]"] * 2, *[f"{small}[]"] * 2, *["i8[]"] * 2, *["i4[]"] * 2, "f8[]", "i8[]")
        for small in ("u1", "u4")
    ),
    # a cluster of three hits, as most are
    bytes_per_item=8 + 8 + 4 + 4 + 3 * (8 + 1 + 1 + 8) + 32, item="cluster", registers=64,
)  # fmt: skip

KERNELS = (MARK, _DESCRIBE)


def same_module(
    offsets: Any,
    dom_id: Any,
    channel_id: Any,
    t: Any,
    tot: Any,
    pos_x: Any,
    pos_y: Any,
    pos_z: Any,
    *,
    window: float = 25.0,
    min_hits: int = 2,
    l2_window: float | None = None,
    min_cos: float | None = None,
    dir_x: Any | None = None,
    dir_y: Any | None = None,
    dir_z: Any | None = None,
    chain: bool = False,
    min_pmts: int = 1,
) -> tuple[Any, dict[str, Any], Any]:
    """Find the coincidences of each event.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    dom_id : (n,) int32 array
        Module of each hit.
    channel_id, tot : (n,) uint8 or uint32 array
        Channel (below 64) and time over threshold [ns].
    t : (n,) float64 array
        Calibrated time [ns]; a hit at NaN is in no coincidence.
    pos_x, pos_y, pos_z : (n,) array
        Position of the PMT [m].
    window : float
        Members come at most this long after their anchor [ns], ends included.
    min_hits : int
        Fewest members, on whatever PMTs.
    l2_window : float, optional
        Keep a group only where the anchor and the next members, `min_hits`
        together, lie within this time [ns].
    min_cos : float, optional
        ... and the PMT axes of two of the members within `l2_window` after the
        anchor have at least this cosine (axes rounded to float32).
    dir_x, dir_y, dir_z : (n,) array, optional
        PMT axes, needed for `min_cos`.
    chain : bool
        Group hits by density instead: each member comes at most `window` after
        the one before it, as in DBSCAN along one axis.  For comparison; the data
        filter does not.  There is no L2 on top.
    min_pmts : int
        Fewest distinct PMTs among the members.

    Returns
    -------
    cluster_offsets : (n_events + 1,) int64 array
        Clusters of each event.
    columns : dict of str to (n_clusters,) array
        ``dom_id`` int32; ``t_first, t_last`` float64 [ns]; ``n_hits`` and
        ``n_pmts`` (distinct channels) int32; ``tot_sum`` float64 [ns];
        ``pos_x, pos_y, pos_z`` of the PMT of the first hit.  Within an event in
        order of (module, time of the first hit).
    cluster_id : (n,) int64 array
        Cluster of each hit, counted within its event; -1 for none.

    Raises
    ------
    KernelError
        Columns do not fit, a channel is above 63, or `min_cos` comes without
        axes or `l2_window`, or either with `chain`.
    """
    for name, least in (("min_hits", min_hits), ("min_pmts", min_pmts)):
        if least < 1:
            raise KernelError(f"{name} must be 1 or more, not {least}")
    if chain and (l2_window is not None or min_cos is not None):
        raise KernelError("chains have no L2", remedy="leave out l2_window and min_cos")
    if chain:
        found = chains(offsets, dom_id, t, window=window, min_hits=min_hits)
    else:
        found = windows(
            offsets, dom_id, t, window=window, min_hits=min_hits,
            l2_window=l2_window, min_cos=min_cos, dir_x=dir_x, dir_y=dir_y, dir_z=dir_z,
        )  # fmt: skip
    made = describe(found, offsets, dom_id, channel_id, t, tot, pos_x, pos_y, pos_z)
    return _of_pmts(made, offsets, min_pmts)


def _of_pmts(
    made: tuple[Any, dict[str, Any], Any], offsets: Any, least: int
) -> tuple[Any, dict[str, Any], Any]:
    """Keep coincidences of enough distinct PMTs."""
    cluster_offsets, columns, cluster_id = made
    if least == 1:
        return made
    xp = _backend.namespace(cluster_id)
    keep = columns["n_pmts"] >= least
    index, kept_offsets = _segments.compact(keep, cluster_offsets)
    number = xp.full(len(keep) + 1, -1, dtype=np.int64)  # the last place stands for none
    number[index] = xp.arange(len(index)) - kept_offsets[_segments.expand(kept_offsets)]
    row = xp.where(cluster_id >= 0, cluster_id + cluster_offsets[_segments.expand(offsets)], -1)
    return kept_offsets, {name: c[index] for name, c in columns.items()}, number[row]


def describe(
    found: Windows,
    offsets: Any,
    dom_id: Any,
    channel_id: Any,
    t: Any,
    tot: Any,
    pos_x: Any,
    pos_y: Any,
    pos_z: Any,
) -> tuple[Any, dict[str, Any], Any]:
    """Describe the windows that are coincidences.

    Parameters
    ----------
    found : Windows
        From `km3gpu.kernels.windows`.
    offsets, dom_id, channel_id, t, tot, pos_x, pos_y, pos_z
        The hits, as for `same_module`.

    Returns
    -------
    cluster_offsets, columns, cluster_id
        As from `same_module`.

    Raises
    ------
    KernelError
        Columns do not fit, or a channel is above 63.
    """
    n = same_length(dom_id=dom_id, channel_id=channel_id, t=t, tot=tot, pos_x=pos_x, pos_y=pos_y, pos_z=pos_z)
    offsets = as_offsets(offsets, n)
    small = _U1 if channel_id.dtype == _U1 and tot.dtype == _U1 else _U4
    dom_id = exactly(dom_id, _I4, "dom_id")
    channel_id = exactly(channel_id, small, "channel_id")
    tot = exactly(tot, small, "tot")
    t = exactly(t, _F8, "t")
    order, segment, members = found
    where = where_of(offsets, dom_id, channel_id, t, tot, pos_x, pos_y, pos_z, members)
    anchors, cluster_offsets = _segments.compact(members > 0, offsets)

    m = len(anchors)
    first, last, n_hits, n_pmts, tot_sum = (
        _backend.empty(m, d, t) for d in (np.int64, np.int64, np.int32, np.int32, np.float64)
    )
    cluster_id = _backend.empty(n, np.int64, t)
    cluster_id.fill(-1)
    worst = run(
        _DESCRIBE, where, m, anchors, cluster_offsets, order, segment, members, channel_id, tot,
        first, last, n_hits, n_pmts, tot_sum, cluster_id,
    )  # fmt: skip
    if worst != NONE:
        row, _ = split(worst)
        raise KernelError(
            f"channel {int(channel_id[row])} is above {MOST_CHANNELS - 1}", where=item_of(row, offsets)
        )
    columns = {
        "dom_id": dom_id[first], "t_first": t[first], "t_last": t[last],
        "n_hits": n_hits, "n_pmts": n_pmts, "tot_sum": tot_sum,
        "pos_x": pos_x[first], "pos_y": pos_y[first], "pos_z": pos_z[first],
    }  # fmt: skip
    return cluster_offsets, columns, cluster_id
