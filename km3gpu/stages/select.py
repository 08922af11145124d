"""Select events, and rows of events, by expressions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.expressions import Expression
from km3gpu.kernels import segments
from km3gpu.stages.quality import drop
from km3gpu.stages.stage import Columns, Result, Stage, joined_columns, located
from km3gpu.table import Table

__all__ = ["Select", "select"]


@dataclass(frozen=True)
class Select(Stage):
    """Keep the events, and of their hits, tracks ... the rows, that fulfil a condition.

    All conditions are judged on the chunk as it comes in.  An event stays where
    it fulfils the condition on events, also when none of its hits do.  Where
    frames of timeslices are left out, so are their hits.

    Attributes
    ----------
    events, hits, triggered_hits, mc_hits, tracks, mc_tracks : str, optional
        See below.
    frames, clusters, triggers, scores : str, optional
        A condition for the rows of this table (see `km3gpu.expressions`):
        ``events = "overlays > 3 & any(hits.tot > 30)"``, ``hits = "tot > 20"``.
    """

    name: ClassVar[str] = "select"

    events: str | None = None
    hits: str | None = None
    triggered_hits: str | None = None
    mc_hits: str | None = None
    tracks: str | None = None
    mc_tracks: str | None = None
    frames: str | None = None
    clusters: str | None = None
    triggers: str | None = None
    scores: str | None = None

    def __post_init__(self) -> None:
        if not self._conditions():
            raise ConfigError("select has no condition", remedy='write hits = "tot > 20", say')

    def _conditions(self) -> dict[str, Expression]:
        texts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        made = {}
        for table, text in texts.items():
            if text is not None:
                with located(table, text):
                    made[table] = Expression(text, table)
        return made

    def reads(self, kind: str) -> Columns:
        """Give the columns in the conditions, and which hits are of which frame."""
        frames = {"frames": ("n_hits",)} if kind == "timeslices" and (self.hits or self.frames) else {}
        return joined_columns(*(e.reads for e in self._conditions().values()), frames)

    def requires(self, kind: str) -> Columns:
        """Give the columns in the conditions."""
        return joined_columns(*(e.reads for e in self._conditions().values()))

    def writes(self, kind: str) -> Columns:
        """Give nothing: no column is made."""
        return {}

    def apply(self, chunk: Chunk) -> Result:
        """Select, in every table."""
        masks = {}
        for table, condition in self._conditions().items():
            with located(table, condition.text):
                masks[table] = condition.mask(chunk)
        counters = {t: float(len(m)) for t, m in masks.items()}
        counters |= {f"{t}_selected": float(m.sum()) for t, m in masks.items()}
        events = masks.pop("events", None)
        tables = dict(chunk.tables)
        if "frames" in masks and "n_hits" in chunk.frames and "hits" in chunk:
            frame = segments.expand(segments.counts_to_offsets(chunk.frames.flat("n_hits")))
            masks["hits"] = masks["frames"][frame] & masks.get("hits", True)
        for name in sorted(masks, key=lambda n: n == "frames"):  # hits first: the frames count them
            if name == "frames":
                tables["frames"] = tables["frames"].filter(masks["frames"])
            else:
                tables |= drop(Chunk(chunk.source, tables), tables[name], masks[name])
        if events is not None:
            tables = kept_events(tables, events)
        return tables, counters


def kept_events(tables: dict[str, Table], mask: Any) -> dict[str, Table]:
    """Keep the events where `mask` (n_events,) is true, in every table."""
    index = mask.nonzero()[0]
    return {name: table.take_events(index) for name, table in tables.items()}


def select(chunk: Chunk, **conditions: str) -> Chunk:
    """Select events, and rows of events, by expressions.

    Parameters
    ----------
    chunk : Chunk
    **conditions : str
        By table: ``events="overlays > 3", hits="tot > 20 & trig > 0"`` (see `Select`).

    Returns
    -------
    Chunk
        With the same columns.

    Raises
    ------
    ConfigError
        No valid expression.
    UnknownNameError
        A column that is not there; the closest come first.
    """
    return Select(**conditions)(chunk)
