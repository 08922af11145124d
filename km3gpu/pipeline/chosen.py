"""A sink for some of the events: ``where = "train"``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, Km3GpuError
from km3gpu.expressions import Expression
from km3gpu.io.sink import Part, Sink
from km3gpu.stages.select import kept_events
from km3gpu.stages.stage import joined_columns
from km3gpu.table import Table

__all__ = ["Chosen"]


@dataclass(frozen=True)
class Chosen:
    """Write the events that fulfil a condition, with all that belongs to them.

    Attributes
    ----------
    sink : Sink
        Writes them.
    where : str
        Condition on events (see `km3gpu.expressions`).
    """

    sink: Sink
    where: str

    def __post_init__(self) -> None:
        try:
            Expression(self.where)
        except Km3GpuError as error:
            error.what = f"where = {self.where!r}: {error.what}"
            raise
        if not isinstance(self.where, str):
            raise ConfigError(f"where = {self.where!r}", remedy="give a condition in quotes")

    @property
    def format(self) -> str:
        """That of the sink."""
        return self.sink.format

    @property
    def suffix(self) -> str:
        """That of the sink."""
        return self.sink.suffix

    @property
    def name(self) -> str:
        """That of the sink."""
        return self.sink.name

    @property
    def tables(self) -> tuple[str, ...]:
        """Those of the sink."""
        return self.sink.tables

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Give the columns that the sink reads; those of the condition are named by `requires`."""
        return self.sink.reads(kind)

    def requires(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Give the columns that must be there: of the condition, and those of the sink."""
        inner = getattr(self.sink, "requires", None)
        return joined_columns(Expression(self.where).reads, inner(kind) if inner else {})

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""
        return json.dumps({"where": self.where, "of": json.loads(self.sink.fingerprint())}, sort_keys=True)

    def write(self, chunk: Chunk, path: Path) -> Part:
        """Write the events of one part that fulfil the condition."""
        mask = Expression(self.where).mask(chunk)
        tables = kept_events(dict(chunk.tables), mask)
        return self.sink.write(Chunk(chunk.source, tables, chunk.history, chunk.counters), path)

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> Part:
        """Put parts together."""
        return self.sink.merge(parts, path, provenance)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back."""
        return self.sink.read(path)
