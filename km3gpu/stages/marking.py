"""What stages that select hits have in common: what they need, and what becomes of the hits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, get_args

from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError, FormatError
from km3gpu.stages.quality import drop
from km3gpu.stages.stage import Columns, Result
from km3gpu.table import Table

__all__ = ["Mode", "calibrated", "check_mode", "finish", "marks", "of_events"]

Mode: TypeAlias = Literal["keep", "drop", "mark"]


def check_mode(mode: str) -> None:
    """Raise where a mode is none of ``"keep"``, ``"drop"`` and ``"mark"``."""
    if mode not in get_args(Mode):
        raise ConfigError(f"mode = {mode!r}", remedy="take 'keep', 'drop' or 'mark'")


def calibrated(chunk: Chunk, columns: Iterable[str]) -> Table:
    """Give the hits of a chunk.

    Raises
    ------
    CalibrationError
        They lack one of the columns.
    """
    hits = chunk.hits
    if lacking := [c for c in columns if c not in hits]:
        raise CalibrationError(
            f"hits have no {', '.join(lacking)}", where=repr(chunk), remedy="calibrate them first"
        )
    return hits


def of_events(chunk: Chunk, columns: Iterable[str], remedy: str) -> tuple[Any, ...]:
    """Give columns of the events.

    Raises
    ------
    FormatError
        One is not there.
    """
    if lacking := [c for c in columns if c not in chunk.events]:
        raise FormatError(f"events have no {', '.join(lacking)}", where=repr(chunk), remedy=remedy)
    return tuple(chunk.events.flat(c) for c in columns)


def marks(mode: str, column: str) -> Columns:
    """Give what `finish` adds to the hits."""
    return {"hits": (column,)} if mode == "mark" else {}


def finish(chunk: Chunk, hits: Table, chosen: Any, column: str, mode: str) -> Result:
    """Keep or drop the chosen hits, or mark them.

    Parameters
    ----------
    chunk : Chunk
        That the hits are of.
    hits : Table
        All hits, new columns among them.
    chosen : (n,) bool array
        Those that are meant.
    column : str
        Name of the mark.
    mode : {"keep", "drop", "mark"}
        Keep only those, all but those, or all, with the mark.  The table of
        clusters stays as it was found.

    Returns
    -------
    tables, counters
        As `Stage.apply` gives them.
    """
    counters = {"hits": float(len(hits)), column: float(chosen.sum())}
    if mode == "mark":
        return {"hits": hits.with_columns(**{column: chosen})}, counters
    return drop(chunk, hits, chosen if mode == "keep" else ~chosen), counters
