"""Take each event's best reconstructed track into the table of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, UnknownNameError
from km3gpu.kernels import select as kernel
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Ragged, Table

__all__ = ["RULES", "BestTrack", "best_track"]

# rec_type and range of rec_stages of the reconstructions, as the offline
# format of KM3NeT defines them (km3net-dataformat: rec_type, reconstruction)
RULES: dict[str, tuple[int, int, int]] = {
    "jmuon": (4000, 0, 99),
    "jshower": (4000, 100, 199),
    "aashower": (101, 300, 399),
    "dusjshower": (200, 200, 299),
}
_TAKEN = ("lik", "E", "t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")


@dataclass(frozen=True)
class BestTrack(Stage):
    """Take the best track of each event.

    Among the tracks of the reconstruction (same ``rec_type``; ``rec_stages``
    not empty and all within its range) those with the most stages; among them
    the one with the largest ``lik``; among equals the first in the file.

    Attributes
    ----------
    rule : str
        ``"jmuon"``, ``"jshower"``, ``"aashower"`` or ``"dusjshower"``.
    """

    name: ClassVar[str] = "best_track"

    rule: str = "jmuon"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(str(UnknownNameError.of("rule for the best track", self.rule, RULES)))

    def reads(self, kind: str) -> Columns:
        """Give what the rule looks at and what it takes; DAQ files have no tracks."""
        if kind != "offline":
            return {}
        return {"tracks": ("rec_type", "rec_stages", *_TAKEN), "events": ("time_ns",)}

    def writes(self, kind: str) -> Columns:
        """Give the columns of the best track in the table of events."""
        if kind != "offline":
            return {}
        return {"events": ("best_track", *(f"track_{c}" for c in _TAKEN), "track_time_ns")}

    def apply(self, chunk: Chunk) -> Result:
        """Add ``best_track``, ``track_*`` and ``track_time_ns`` to the events."""
        if "tracks" not in chunk:
            return {}, {}
        tracks, events = chunk.tracks, chunk.events
        stages = tracks.flat("rec_stages")
        if not isinstance(stages, Ragged):
            raise ConfigError("rec_stages of the tracks is no column of lists", where=repr(chunk))
        row = kernel.best_track(
            tracks.offsets,
            tracks.flat("lik"),
            tracks.flat("rec_type"),
            stages.offsets,
            stages.content,
            *RULES[self.rule],
        )
        found = row >= 0
        columns: dict[str, Any] = {"best_track": _within_event(row, found, tracks)}
        xp = backend.namespace(row)
        for name in _TAKEN:
            column = tracks.flat(name)
            values = column[xp.where(found, row, 0)] if len(column) else xp.zeros(len(row))
            columns[f"track_{name}"] = xp.where(found, values, np.nan)
        columns["track_time_ns"] = events.flat("time_ns") + _whole_ns(xp, columns["track_t"])
        return {"events": events.with_columns(**columns)}, {
            "found": float(found.sum()),
            "events": len(events),
        }


def best_track(chunk: Chunk, rule: str = "jmuon") -> Chunk:
    """Take the best track of each event into the table of events.

    Parameters
    ----------
    chunk : Chunk
        With tables ``tracks`` and ``events``.
    rule : str
        Reconstruction, see `BestTrack`.

    Returns
    -------
    Chunk
        Its events have ``best_track`` (row among the event's tracks, -1 for
        none), ``track_*`` (NaN for none) and ``track_time_ns``, the arrival
        time: int64 UTC ns of the frame plus ``track_t``, to the nearest ns.
    """
    return BestTrack(rule=rule)(chunk)


def _within_event(row: Any, found: Any, tracks: Table) -> Any:
    xp = backend.namespace(row)
    return xp.where(found, row - tracks.offsets[:-1], -1)


def _whole_ns(xp: Any, t: Any) -> Any:
    """Round float64 ns to int64; an event without track keeps the time of its frame."""
    return xp.rint(xp.where(xp.isfinite(t), t, 0.0)).astype(xp.int64)
