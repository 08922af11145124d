"""Slices around those of a chunk, for stages that look across the borders of slices.

A chunk stays what its entries say: what is read around them follows from those
entries and the file, so the same id means the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from km3gpu import io
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import ConfigError
from km3gpu.stages.concat import concat
from km3gpu.stages.stage import Stage

__all__ = ["read_with_surroundings"]


def read_with_surroundings(origin: Origin, stages: Iterable[Stage], n_entries: int, where: Backend) -> Chunk:
    """Read a chunk, and the slices around its own that stages ask for.

    Parameters
    ----------
    origin : Origin
        The chunk's own entries.
    stages : iterable of Stage
        What will be done with it.
    n_entries : int
        Entries of the whole tree.
    where : Backend
        Where the arrays go.

    Returns
    -------
    Chunk
        Where a stage asks for slices around, its events have ``entry``, and
        ``own`` (bool), False for those.

    Raises
    ------
    ConfigError
        A stage asks for slices around in a tree that has none.
    """
    chunk = io.read_origin(origin, backend=where)
    wanted = [s for s in stages if s.neighbours]
    if not wanted:
        return chunk
    if origin.kind != "timeslices":
        raise ConfigError(
            f"stage {wanted[0].name!r} works on timeslices",
            where=f"tree {origin.tree} of {origin.path}",
            remedy="choose a tree of timeslices in [source]",
        )
    every = replace(origin, start=0, stop=n_entries)
    frames = io.read_origin(every, {"events": ("frame_index",)}, backend="cpu").events.flat("frame_index")
    frames = frames.astype(np.int64)
    span = max(s.neighbours for s in wanted)
    number = np.arange(len(frames))
    inside = (number >= origin.start) & (number < origin.stop)
    near = np.unique(frames[inside][:, None] + np.arange(-span, span + 1)[None, :])
    around = np.flatnonzero(np.isin(frames, near) & ~inside)
    parts, entries = [chunk], [np.arange(origin.start, origin.stop)]
    for run in np.split(around, np.flatnonzero(np.diff(around) > 1) + 1) if len(around) else []:
        beside = replace(origin, start=int(run[0]), stop=int(run[-1]) + 1)
        parts.append(io.read_origin(beside, backend=where))
        entries.append(run)
    whole = concat(parts) if len(parts) > 1 else chunk
    entry = np.concatenate(entries).astype(np.int64)
    own = np.arange(len(entry)) < origin.n_entries
    events = whole.events.with_columns(entry=where.to_device(entry), own=where.to_device(own))
    return Chunk(origin, {**whole.tables, "events": events})
