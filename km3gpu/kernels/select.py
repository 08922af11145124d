"""Select one track for each event."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend
from km3gpu.kernels.cpu import select as cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["KERNELS", "best_track"]

_BEST_TRACK = Kernel(
    name="select.best_track",
    block=cpu.best_track_block,
    blocks=cpu.best_track_blocks,
    signatures=(("i8[]", "f8[]", "i4[]", "i8[]", "i4[]", "i8", "i8", "i8", "i8[]"),),
    bytes_per_item=56 * (8 + 4 + 8 + 3 * 4)
    + 16,  # an event of 56 tracks with 3 stages each, as in real files
    item="event",
    registers=64,
)
KERNELS = (_BEST_TRACK,)


def best_track(
    offsets: Any, lik: Any, rec_type: Any, stage_offsets: Any, stages: Any, wanted: int, low: int, high: int
) -> Any:
    """Find the best reconstructed track of each event.

    A track qualifies with ``rec_type == wanted`` and at least one stage, all of
    them within `low` to `high`.  The most stages win, then the largest `lik`,
    then the first in the file.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Tracks of each event.
    lik : (n_tracks,) float64 array
        Likelihood.
    rec_type : (n_tracks,) int32 array
        Reconstruction.
    stage_offsets : (n_tracks + 1,) int64 array
        Stages of each track.
    stages : (n_stages,) int32 array
        Reconstruction stages of all tracks.
    wanted, low, high : int
        ``rec_type`` and range of stages, ends included.

    Returns
    -------
    (n_events,) int64 array
        Row of the best track among all tracks, -1 for none.
    """
    where = where_of(offsets, lik, rec_type, stage_offsets, stages)
    n = len(offsets) - 1
    row = backend.Backend(where).xp.empty(n, dtype=np.int64)
    run(
        _BEST_TRACK, where, n,
        offsets, lik, rec_type, stage_offsets, stages, np.int64(wanted), np.int64(low), np.int64(high), row,
        work=len(lik),
    )  # fmt: skip
    return row
