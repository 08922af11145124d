"""Put the rows of each event in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.kernels import segments
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Ragged

__all__ = ["Sort", "sort"]


@dataclass(frozen=True)
class Sort(Stage):
    """Sort the rows of each event by a column; equal rows keep their order, NaN come last.

    The events themselves stay in the order of the plan.  Hits of timeslices are
    sorted within their frame.

    Attributes
    ----------
    by : str
        Column; ``"t"`` sorts hits by time.
    table : str
        Table whose rows are sorted: ``"hits"``, ``"tracks"``, ...
    descending : bool
        Largest first.
    """

    name: ClassVar[str] = "sort"

    by: str = "t"
    table: str = "hits"
    descending: bool = False

    def __post_init__(self) -> None:
        if self.table == "events":
            raise ConfigError(
                "table = 'events': events stay in the order of the plan", remedy="sort the files of the plan"
            )

    def reads(self, kind: str) -> Columns:
        """Give the column, and which hits are of which frame."""
        frames = {"frames": ("n_hits",)} if kind == "timeslices" and self.table == "hits" else {}
        return {self.table: (self.by,), **frames}

    def requires(self, kind: str) -> Columns:
        """Give the column."""
        return {self.table: (self.by,)}

    def writes(self, kind: str) -> Columns:
        """Give nothing: no column is made."""
        return {}

    def apply(self, chunk: Chunk) -> Result:
        """Sort one table."""
        table = getattr(chunk, self.table)
        if table.offsets is None:
            raise FormatError(f"table {self.table!r} has one row per event: nothing to sort")
        if self.by not in table:
            raise UnknownNameError.of("column", self.by, table.columns, where=f"table {self.table!r}")
        values = table.flat(self.by)
        if isinstance(values, Ragged) or values.ndim != 1:
            raise FormatError(f"column {self.by!r} of lists cannot be sorted by")
        offsets = table.offsets
        if self.table == "hits" and "frames" in chunk and "n_hits" in chunk.frames:
            offsets = segments.counts_to_offsets(chunk.frames.flat("n_hits"))
        return {self.table: table.take_rows(_order(offsets, values, self.descending))}, {}


def _order(offsets: Any, values: Any, descending: bool) -> Any:
    xp = backend.namespace(values)
    if descending:  # a stable sort, then backwards, would turn equal rows around
        back = xp.argsort(values[::-1], kind="stable")[::-1]
        order = len(values) - 1 - back
        if values.dtype.kind == "f":
            order = order[xp.argsort(xp.isnan(values[order]), kind="stable")]
    else:
        order = xp.argsort(values, kind="stable")
    return order[xp.argsort(segments.expand(offsets)[order], kind="stable")]


def sort(chunk: Chunk, by: str = "t", table: str = "hits", descending: bool = False) -> Chunk:
    """Put the rows of each event in order of a column (see `Sort`).

    Parameters
    ----------
    chunk : Chunk
    by : str
        Column; ``"t"`` sorts hits by time.
    table : str
        Table whose rows are sorted: ``"hits"``, ``"tracks"``, ...
    descending : bool
        Largest first.

    Returns
    -------
    Chunk

    Raises
    ------
    UnknownNameError
        No such table or column.
    """
    return Sort(by, table, descending)(chunk)
