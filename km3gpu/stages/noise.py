"""Make up timeslices of background for a detector."""

from __future__ import annotations

import hashlib

import numpy as np

from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import GeometryError
from km3gpu.stages.geometry import DetectorLike, detector_of
from km3gpu.table import Table, counts_to_offsets
from km3gpu.trigger.background import FRAME_NS, Background, frames

__all__ = ["noise"]


def noise(
    detector: DetectorLike,
    background: Background | None = None,
    n_slices: int = 1,
    seed: int = 0,
    *,
    first_slice: int = 0,
    modules: int | None = None,
    disorder: float = 0.15,
) -> Chunk:
    """Make up timeslices of L0 data that hold nothing but background.

    Parameters
    ----------
    detector : Detector or str
        Its modules that have PMTs send a frame each.
    background : Background, optional
        Rates; `Background`'s own by default.
    n_slices : int
        Slices of 0.1 s.
    seed : int
        The same seed gives the same hits (with the same version of NumPy).
    first_slice : int
        Number of the first slice; slices are the same made at once or one by one.
    modules : int, optional
        Only the first so many modules.
    disorder : float
        Share of neighbours in a frame that come in the wrong order.

    Returns
    -------
    Chunk
        Tables ``events`` (``det_id, run_id, frame_index, time_ns``), ``frames``
        (``dom_id, n_hits``) and ``hits`` (``dom_id, channel_id, tdc, tot``), as
        timeslices are read.  Calibrated without slewing, hits of one decay
        belong together.

    Raises
    ------
    GeometryError
        The detector has no PMTs, or modules with different numbers of them.
    """
    geometry = detector_of(detector)
    background = background or Background()
    rows = np.flatnonzero(geometry.modules.n_pmts > 0)[:modules]
    sizes = np.unique(geometry.modules.n_pmts[rows])
    if len(sizes) != 1:
        raise GeometryError(
            f"modules of {', '.join(map(str, sizes)) or 'no'} PMTs", where=geometry.path or None,
            remedy="take a detector whose modules have PMTs, all as many",
        )  # fmt: skip
    pmts = geometry.modules.first_row[rows][:, None] + np.arange(sizes[0])
    axes, t0 = geometry.pmts.dir[pmts], geometry.pmts.t0[pmts]
    made = frames(background, axes, t0, n_slices, seed, first_slice=first_slice, disorder=disorder)
    dom_id = geometry.modules.dom_id[rows][made.module].astype(np.int32)
    counts = np.diff(made.offsets)
    edges = np.arange(n_slices + 1) * len(rows)
    index = np.arange(first_slice + 1, first_slice + n_slices + 1)
    tables = {
        "events": Table(
            "events",
            {
                "det_id": np.full(n_slices, geometry.det_id, np.int32),
                "run_id": np.zeros(n_slices, np.int32),
                "frame_index": index.astype(np.int32),
                "time_ns": (index - 1) * int(FRAME_NS),
            },
        ),
        "frames": Table("frames", {"dom_id": dom_id, "n_hits": counts.astype(np.int32)}, edges),
        "hits": Table(
            "hits",
            {
                "dom_id": np.repeat(dom_id, counts), "channel_id": made.channel_id,
                "tdc": made.tdc, "tot": made.tot,
            },
            counts_to_offsets(counts)[edges],
        ),
    }  # fmt: skip
    told = f"{geometry.digest} {background} {seed} {len(rows)} {disorder}"
    digest = "sha256:" + hashlib.sha256(told.encode()).hexdigest()
    origin = Origin("noise", "timeslices", "noise", first_slice, first_slice + n_slices, digest=digest)
    return Chunk(origin, tables)
