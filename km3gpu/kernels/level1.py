"""Raw hits of module frames to same-module coincidences (L1), without columns in between.

The result is that of `km3gpu.kernels.calibrate.hits` and
`km3gpu.kernels.coincidence.same_module` one after the other, bit by bit.  On a
CPU it takes a fraction of their time, since a module's hits of a frame fit the
cache: they are calibrated, sorted and grouped there, and only coincidences are
written.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import GeometryError, KernelError
from km3gpu.kernels import calibrate as _calibrate
from km3gpu.kernels import coincidence as _coincidence
from km3gpu.kernels.arrays import as_offsets, exactly, item_of, same_length, together
from km3gpu.kernels.cpu import level1 as _cpu
from km3gpu.kernels.launch import NONE, Kernel, run, where_of
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.kernels.scalar.coincidence import MOST_CHANNELS
from km3gpu.kernels.scalar.fault import split
from km3gpu.kernels.segments import counts_to_offsets

__all__ = ["KERNELS", "frames"]

_U1, _U4, _I4 = np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.int32)
_I8, _F8 = np.dtype(np.int64), np.dtype(np.float64)

# a GPU goes the way of the separate kernels
_FRAMES = Kernel(
    "level1.frames", _cpu.frames_block, _cpu.frames_blocks, (),
    bytes_per_item=6.0, item="frame", registers=0,
)  # fmt: skip

KERNELS = (_FRAMES,)

_COLUMNS: dict[str, np.dtype[Any]] = {
    "dom_id": _I4, "t_first": _F8, "t_last": _F8, "n_hits": _I4, "n_pmts": _I4, "tot_sum": _F8,
    "pos_x": _F8, "pos_y": _F8, "pos_z": _F8,
}  # fmt: skip


def frames(
    offsets: Any,
    dom_id: Any,
    channel_id: Any,
    tdc: Any,
    tot: Any,
    lookup: PmtLookup,
    *,
    slewing: Any | None = None,
    window: float = 25.0,
    min_hits: int = 2,
) -> tuple[Any, dict[str, Any]]:
    """Find the coincidences of each frame.

    Parameters
    ----------
    offsets : (n_frames + 1,) int64 array
        Hits of each frame; any order within a frame, but nearly sorted is fast.
    dom_id : (n_frames,) int32 array
        Module of each frame.
    channel_id : (n,) uint8 array
        Channel of each hit.
    tdc : (n,) uint32 array
        Time as stored [ns].
    tot : (n,) uint8 array
        Time over threshold [ns].
    lookup : PmtLookup
        Time offsets and positions.
    slewing : (256,) float64 array, optional
        ns to take off by time over threshold; None takes off nothing, as the
        data filter does.
    window : float
        Members come at most this long after their anchor [ns], ends included.
    min_hits : int
        Fewest members, on whatever PMTs.

    Returns
    -------
    cluster_offsets : (n_frames + 1,) int64 array
        Coincidences of each frame.
    columns : dict of str to (n_clusters,) array
        As from `km3gpu.kernels.coincidence.same_module`, in order of time.

    Raises
    ------
    GeometryError
        A module that the table does not have, or a channel that a module does
        not have; the first is named.
    KernelError
        Columns do not fit, or `min_hits` is below 1.
    """
    if min_hits < 1:
        raise KernelError(f"min_hits must be 1 or more, not {min_hits}")
    n = same_length(channel_id=channel_id, tdc=tdc, tot=tot)
    offsets = as_offsets(offsets, n)
    dom_id = exactly(dom_id, _I4, "dom_id")
    if len(dom_id) != len(offsets) - 1:
        raise KernelError(f"{len(dom_id)} modules for {len(offsets) - 1} frames")
    channel_id, tdc, tot = (
        exactly(channel_id, _U1, "channel_id"),
        exactly(tdc, _U4, "tdc"),
        exactly(tot, _U1, "tot"),
    )
    where = where_of(offsets, dom_id, channel_id, tdc, tot, lookup.slots, lookup.rows)
    if where != "cpu":
        return _separately(offsets, dom_id, channel_id, tdc, tot, lookup, slewing, window, min_hits)
    first_row, n_pmts = _modules(dom_id, lookup)
    room = counts_to_offsets((offsets[1:] - offsets[:-1]) // min_hits)
    counts = np.empty(len(dom_id), _I8)
    begin = np.empty(len(dom_id), _I8)
    columns = together(int(room[-1]), _COLUMNS)
    slew = np.zeros(256) if slewing is None else np.array(slewing, dtype=_F8)
    if len(slew) != 256:
        raise KernelError(f"a slewing table of {len(slew)} entries", remedy="give one of 256")
    worst = run(
        _FRAMES, where, len(dom_id), offsets, dom_id, first_row, n_pmts, channel_id, tdc, tot,
        lookup.rows, slew, float(window), int(min_hits), room, begin, counts, *columns.values(), work=n,
    )  # fmt: skip
    if worst != NONE:
        row, _ = split(worst)
        frame = int(np.searchsorted(offsets, row, side="right")) - 1
        what = f"channel {int(channel_id[row])} of module {int(dom_id[frame])}"
        raise GeometryError(
            f"{what} is not in the detector description",
            where=item_of(row, offsets),
            remedy="take the detector of this run",
        )
    cluster_offsets = counts_to_offsets(counts)
    return cluster_offsets, _joined(columns, begin, cluster_offsets)


def _joined(columns: dict[str, Any], begin: Any, cluster_offsets: Any) -> dict[str, Any]:
    """Move what the blocks wrote together, in place, and cut off the room that is left."""
    total, room = int(cluster_offsets[-1]), len(columns["dom_id"])
    gap = begin - cluster_offsets[:-1]  # it grows from block to block
    edges = np.flatnonzero(np.diff(gap, prepend=0))
    for low, high in itertools.pairwise([*edges.tolist(), len(gap)]):
        to, end, by = int(cluster_offsets[low]), int(cluster_offsets[high]), int(gap[low])
        for column in columns.values():
            column[to:end] = column[to + by : end + by]
    # a column that is mostly room is not worth its memory
    few = total < room // 4
    return {name: c[:total].copy() if few else c[:total] for name, c in columns.items()}


def _separately(
    offsets: Any, dom_id: Any, channel_id: Any, tdc: Any, tot: Any,
    lookup: PmtLookup, slewing: Any, window: float, min_hits: int,
) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    xp = _backend.namespace(tdc)
    own = xp.repeat(dom_id, _backend.Backend.to_host(offsets[1:] - offsets[:-1]).tolist())
    made = _calibrate.hits(own, channel_id, tdc, tot, lookup, slewing=slewing, offsets=offsets)
    places = (made[c] for c in ("pos_x", "pos_y", "pos_z"))
    found = _coincidence.same_module(
        offsets, own, channel_id, made["t"], tot, *places, window=window, min_hits=min_hits
    )
    return found[0], found[1]


def _modules(dom_id: Any, lookup: PmtLookup) -> tuple[Any, Any]:
    """Give first row and number of PMTs of each frame's module."""
    slots = lookup.slots.reshape(-1, 4)
    slots = slots[slots[:, 2] >= 0]
    slots = slots[np.argsort(slots[:, 0])]
    if not len(dom_id):
        return np.empty(0, _I4), np.empty(0, _I4)
    place = np.minimum(np.searchsorted(slots[:, 0], dom_id), max(0, len(slots) - 1))
    known = slots[place, 0] == dom_id if len(slots) else np.zeros(len(dom_id), bool)
    if not known.all():
        frame = int(np.argmin(known))
        raise GeometryError(
            f"module {int(dom_id[frame])} is not in the detector description",
            where=f"frame {frame}",
            remedy="take the detector of this run",
        )
    n_pmts = slots[place, 2]
    if n_pmts.max() > MOST_CHANNELS:
        raise KernelError(
            f"a module of {int(n_pmts.max())} PMTs", remedy=f"at most {MOST_CHANNELS} are known"
        )
    return np.ascontiguousarray(slots[place, 1]), np.ascontiguousarray(n_pmts)
