"""Put tables, or chunks, one after the other."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from km3gpu import backend
from km3gpu.chunk import Chunk, Origin, merge_counters
from km3gpu.errors import ConfigError, FormatError
from km3gpu.kernels import segments
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Column, Ragged, Table

__all__ = ["Concat", "concat", "concatenate"]


@dataclass(frozen=True)
class Concat(Stage):
    """Put the rows of several tables together, event by event: one table of all hits, say.

    Each event has the rows of the first table, then those of the second ...
    Only columns that all of them have are kept.

    Attributes
    ----------
    tables : tuple of str
        ``["hits", "mc_hits"]``.
    into : str
        Name of the table that is made; may be one of them.
    columns : tuple of str
        Columns to keep; by default those that all tables have.
    source : str
        Name of a column (uint8) that says from which of the tables a row is; ``""`` for none.
    """

    name: ClassVar[str] = "concat"

    tables: tuple[str, ...]
    into: str
    columns: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.tables, list | tuple) or len(self.tables) < 2 or "events" in self.tables:
            raise ConfigError(
                f"tables = {self.tables!r}", remedy="give two or more tables of rows, ['hits', 'mc_hits']"
            )
        if self.into == "events" or not isinstance(self.into, str):
            raise ConfigError(f"into = {self.into!r}", remedy="name a table of rows, into = 'hits'")
        object.__setattr__(self, "tables", tuple(self.tables))
        object.__setattr__(self, "columns", tuple(self.columns))
        if self.source in self.columns and self.source:
            raise ConfigError(f"source = {self.source!r}, which is a column", remedy="take another name")

    @property
    def declares(self) -> bool:
        """Whether the columns were named."""
        return bool(self.columns)

    def reads(self, kind: str) -> Columns:
        """Give the columns that were named; without, the tables as they are read."""
        return dict.fromkeys(self.tables, self.columns)

    requires = reads

    def writes(self, kind: str) -> Columns:
        """Give the columns that were named."""
        return {self.into: (*self.columns, *((self.source,) if self.source else ()))}

    def apply(self, chunk: Chunk) -> Result:
        """Make the table."""
        for name in self.tables:
            if name not in chunk:
                patterns = ", ".join(f"'{t}/*'" for t in self.tables)
                raise FormatError(
                    f"tables = {list(self.tables)}: no {name!r} was read",
                    remedy=f"name columns = [...] of the stage, or [source] columns = [{patterns}]",
                )
        parts = [getattr(chunk, name) for name in self.tables]
        if any(p.offsets is None for p in parts):
            raise FormatError("concat takes tables of rows of events", where=repr(chunk))
        names = self.columns or tuple(c for c in parts[0].columns if all(c in p for p in parts))
        if not names:
            raise FormatError(f"{' and '.join(self.tables)} have no column in common", where=repr(chunk))
        xp = backend.namespace(parts[0].offsets)
        columns = {c: _joined([p.flat(c) for p in parts]) for c in names}
        if self.source in columns:
            raise ConfigError(f"source = {self.source!r}, which is a column", remedy="take another name")
        if self.source:
            columns[self.source] = xp.repeat(
                xp.arange(len(parts), dtype=xp.uint8), xp.asarray([len(p) for p in parts])
            )
        event = xp.concatenate([segments.expand(p.offsets) for p in parts])
        offsets = segments.counts_to_offsets(sum(p.counts for p in parts))
        made = Table(self.into, columns, offsets, _attrs(parts))
        return {self.into: made.take_rows(xp.argsort(event, kind="stable"))}, {"rows": float(len(made))}


def concat(chunks: Iterable[Chunk]) -> Chunk:
    """Put chunks one after the other: their events, and the rows of these.

    Parameters
    ----------
    chunks : iterable of Chunk
        With the same tables, columns and history.

    Returns
    -------
    Chunk
        Its source is the range of entries where they follow on each other in one
        file, else one that stands for all of them.

    Raises
    ------
    ConfigError
        No chunk at all.
    FormatError
        Chunks with other tables or columns, or to which other things were done.
    """
    several = list(chunks)
    if not several:
        raise ConfigError("no chunk to concatenate", remedy="give one or more")
    first = several[0]
    for other in several[1:]:
        if other.history != first.history or set(other.tables) != set(first.tables):
            raise FormatError(
                "chunks that were not made alike", where=f"{first!r} and {other!r}", remedy="make them alike"
            )
    tables = {name: concatenate([c.tables[name] for c in several]) for name in first.tables}
    counters: dict[str, float] = {}
    for chunk in several:
        counters = merge_counters(counters, chunk.counters)
    return Chunk(_source([c.source for c in several]), tables, first.history, counters)


def concatenate(tables: Sequence[Table]) -> Table:
    """Put tables of the same columns one after the other.

    Raises
    ------
    FormatError
        Their columns differ.
    """
    first = tables[0]
    for table in tables:
        if set(table.columns) != set(first.columns):
            odd = sorted(set(table.columns) ^ set(first.columns))
            raise FormatError(
                f"tables {first.name!r} differ in {', '.join(odd)}", remedy="read the same columns"
            )
    columns = {c: _joined([t.flat(c) for t in tables]) for c in first.columns}
    offsets = None if first.offsets is None else _offsets([t.offsets for t in tables])
    return Table(first.name, columns, offsets, _attrs(tables))


def _attrs(tables: Iterable[Table]) -> dict[str, str]:
    attrs: dict[str, str] = {}
    for table in tables:
        attrs.update(table.attrs)
    return attrs


def _joined(columns: Sequence[Column]) -> Column:
    first = columns[0]
    if not isinstance(first, Ragged):
        return backend.namespace(first).concatenate(columns)
    content = _joined([c.content for c in columns])
    return Ragged(_offsets([c.offsets for c in columns]), content, first.text)


def _offsets(parts: Sequence[Any]) -> Any:
    xp = backend.namespace(parts[0])
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + int(part[-1]))
    moved = [p[1:] + end for p, end in zip(parts, ends[:-1], strict=True)]
    return xp.concatenate([xp.zeros(1, xp.int64), *moved])


def _source(sources: Sequence[Origin]) -> Origin:
    first, last = sources[0], sources[-1]
    same = all(
        (a.path, a.tree, a.stop, a.columns) == (b.path, b.tree, b.start, b.columns)
        for a, b in itertools.pairwise(sources)
    )
    if same:
        return replace(first, stop=last.stop)
    text = repr([sorted(s.key().items()) for s in sources])
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    path = f"{first.path} and {len(sources) - 1} more"
    n = sum(s.n_entries for s in sources)
    return Origin(path, first.kind, first.tree, 0, n, "", digest, first.columns)
