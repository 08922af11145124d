"""Keep the first of events that are the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.stages.identity import IDENTITY, check_names, hashed, identity_columns
from km3gpu.stages.select import kept_events
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Deduplicate", "deduplicate", "first_of_each"]


@dataclass(frozen=True)
class Deduplicate(Stage):
    """Keep the first of events that are the same, within a chunk.

    A run of a plan keeps the promise over all of its chunks where it puts their
    parts together: in a merged file each event is there once, as the first of
    the order of the plan had it.  Parts that are not merged (``merge = false``,
    one slice) may still hold an event each.

    Attributes
    ----------
    by : tuple of str
        Columns of events that are equal for the same event.  By default, for
        events, slices and summary slices of the data acquisition, those that
        there are of ``det_id, run_id, frame_index, trigger_counter``.  Offline
        files must be told: different simulations use the same numbers.
    """

    name: ClassVar[str] = "deduplicate"

    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", check_names(self.by))

    def reads(self, kind: str) -> Columns:
        """Give the columns that identify an event."""
        return {"events": self.by or IDENTITY[:4]}

    def requires(self, kind: str) -> Columns:
        """Give the columns that were named; they must be named for offline files."""
        if not self.by and kind not in ("daq", "timeslices", "summaryslices"):
            raise ConfigError(
                f"deduplicate cannot know what makes two {kind} events the same",
                remedy="say by = ['run_id', 'trigger_counter'] or, within one simulation, by = ['id']",
            )
        return {"events": self.by}

    def writes(self, kind: str) -> Columns:
        """Give nothing: no column is made."""
        return {}

    def keys(self, events: Table) -> Any:
        """Give 128 bits that stand for the identity of each event, (n, 2) uint64, on the host."""
        columns = identity_columns(events, self.by)
        return np.stack([Backend.to_host(hashed(columns, seed)) for seed in (1, 2)], axis=1)

    def apply(self, chunk: Chunk) -> Result:
        """Drop the later ones, in every table."""
        self.requires(chunk.source.kind)
        [keep] = first_of_each([self.keys(chunk.events)])
        counters = {"events": float(len(keep)), "dropped": float((~keep).sum())}
        if keep.all():
            return {}, counters
        device = backend.of(*identity_columns(chunk.events, self.by))
        return kept_events(dict(chunk.tables), device.to_device(keep)), counters


def first_of_each(keys: Sequence[Any]) -> list[Any]:
    """Tell, for keys in order, which are seen for the first time.

    Parameters
    ----------
    keys : sequence of (n_i, 2) uint64 array
        One array for each chunk, in order.

    Returns
    -------
    list of (n_i,) bool array
    """
    every = np.concatenate(keys) if len(keys) else np.empty((0, 2), np.uint64)
    order = np.lexsort((every[:, 1], every[:, 0]))  # stable: of equal keys the first stays first
    new = np.ones(len(every), bool)
    new[1:] = (every[order][1:] != every[order][:-1]).any(axis=1)
    keep = np.empty(len(every), bool)
    keep[order] = new
    return np.split(keep, np.cumsum([len(k) for k in keys])[:-1])


def deduplicate(chunk: Chunk, by: Iterable[str] = ()) -> Chunk:
    """Keep the first of events that are the same, within a chunk (see `Deduplicate`)."""
    return Deduplicate(tuple(by))(chunk)
