"""What a sink is: it writes the tables of a chunk into a part file, and parts into one file.

Parts and merged files hold the same things in the same layout; a merged file is
its parts in the order of the plan.  The bytes depend on the rows and on the
sink's configuration only, never on time, place or worker.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from km3gpu import schema
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.table import UNIT, Ragged, Table

__all__ = [
    "PROVENANCE",
    "SCHEMA",
    "HashingFile",
    "Part",
    "Sink",
    "check_same",
    "describe",
    "fingerprint",
    "host_tables",
    "merged_attrs",
]

SCHEMA = "km3gpu:schema"
PROVENANCE = "km3gpu:provenance"


@dataclass(frozen=True)
class Part:
    """What a sink says of a file it wrote.

    Attributes
    ----------
    rows : mapping of str to int
        Rows by table.
    bytes : int
        Size of the file.
    digest : str
        ``"sha256:..."`` of the file.
    """

    rows: Mapping[str, int]
    bytes: int
    digest: str


@runtime_checkable
class Sink(Protocol):
    """A file format and its options, as a frozen dataclass."""

    @property
    def format(self) -> str:
        """What plans call it."""

    @property
    def suffix(self) -> str:
        """End of the names of its files, with the dot."""

    @property
    def name(self) -> str:
        """Name of the merged file, without suffix."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables to write; empty for all."""

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Give the columns that the format wants of a file of this `kind`, beside what stages make.

        Empty for a format that takes whatever there is.
        """

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""

    def write(self, chunk: Chunk, path: Path) -> Part:
        """Write one part and sync it to disk; the caller renames it to its final name."""

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> Part:
        """Write the rows of all `parts`, in that order, into one file, and sync it."""

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back."""


def fingerprint(sink: Any) -> str:
    """Describe a sink by format and options; its name is no part of it."""
    options = {f.name: getattr(sink, f.name) for f in dataclasses.fields(sink) if f.name != "name"}
    return json.dumps({"sink": sink.format, **options}, sort_keys=True, separators=(",", ":"))


def host_tables(chunk: Chunk, names: Iterable[str]) -> dict[str, Table]:
    """Give the tables to write, on the host, ``events`` first.

    Parameters
    ----------
    chunk : Chunk
    names : iterable of str
        Those to write; empty for all.

    Raises
    ------
    UnknownNameError
        The chunk lacks a table that was asked for.
    FormatError
        A table does not belong to the events of the chunk.
    """
    wanted = list(names) or sorted(chunk.tables, key=lambda n: n != "events")
    tables = {}
    for name in wanted:
        if name not in chunk:
            raise UnknownNameError.of("table", name, chunk.tables, where="the tables of a sink")
        table = chunk.tables[name].map(Backend.to_host)
        if table.n_events != chunk.n_events:
            raise FormatError(
                f"table {name!r} has {table.n_events} events, the chunk has {chunk.n_events}",
                remedy="a stage must cut all tables alike (Table.take_events)",
            )
        tables[name] = table
    if not any(t.columns for t in tables.values()):
        raise FormatError("the chunk has no columns to write", remedy="name columns or stages in the plan")
    return tables


def describe(tables: Mapping[str, Table]) -> str:
    """Give dtype, unit, frame and meaning of every column, as JSON, in the order of the columns.

    Returns
    -------
    str
        ``{table: {"jagged": bool, "columns": {name: {"dtype", "unit", "frame", "meaning"}}}}``.
    """
    found: dict[str, Any] = {}
    for table in tables.values():
        columns = {}
        for name in table.columns:
            entry = {"dtype": _dtype(table.flat(name))}
            known = schema.FIELDS.get((table.name, name))
            if known is not None:
                entry |= {"unit": known.unit, "frame": known.frame, "meaning": known.meaning}
            if UNIT + name in table.attrs:
                entry["unit"] = table.attrs[UNIT + name]
            columns[name] = {k: v for k, v in entry.items() if v}
        found[table.name] = {"jagged": table.offsets is not None, "columns": columns}
    return json.dumps(found)


def check_same(first: Mapping[str, Any], other: Mapping[str, Any], part: Path, first_part: Path) -> None:
    """Check that two parts have the same columns, so that they fit into one file.

    Raises
    ------
    FormatError
        They differ; the message names the columns.
    """
    if first == other:
        return
    flat = [
        {(t, c): d["dtype"] for t, about in described.items() for c, d in about["columns"].items()}
        for described in (first, other)
    ]
    differing = sorted(f"{t}/{c}" for t, c in {k for k, _ in flat[0].items() ^ flat[1].items()})
    raise FormatError(
        f"parts differ in {', '.join(differing[:8]) or 'their tables'}",
        where=f"{part.name} and {first_part.name}",
        remedy="name in the plan the columns that all inputs have, or run the inputs apart",
    )


def merged_attrs(parts: Iterable[Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    """Put the attributes of the tables of several parts together: the distinct values, in order."""
    merged: dict[str, dict[str, dict[str, None]]] = {}
    for tables in parts:
        for table, attrs in tables.items():
            kept = merged.setdefault(table, {})
            for key, value in attrs.items():
                kept.setdefault(key, {})[value] = None
    return {t: {k: "; ".join(v) for k, v in attrs.items()} for t, attrs in merged.items()}


def _dtype(column: Any) -> str:
    if not isinstance(column, Ragged):
        shape = "".join(f"[{n}]" for n in column.shape[1:])
        return f"{column.dtype.name}{shape}"
    if column.text and not isinstance(column.content, Ragged):
        return "text"
    return f"[{_dtype(column.content)}]"


class HashingFile:
    """A new file that hashes what is written to it, and is on disk when it is closed.

    Writers of other libraries take it for a file; their errors stay those of
    the operating system (a full disk is errno 28).
    """

    def __init__(self, path: Path) -> None:
        self._file = io.BufferedWriter(io.FileIO(path, "w"), buffer_size=1 << 20)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        """Append bytes."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._hash.update(view)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        """Give the position, which is the end."""
        return self.size

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()

    @property
    def closed(self) -> bool:
        """Tell whether the file is closed."""
        return self._file.closed

    def close(self) -> None:
        """Flush, sync to disk, close."""
        if not self._file.closed:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                self._file.close()

    @property
    def digest(self) -> str:
        """``"sha256:..."`` of all that was written."""
        return "sha256:" + self._hash.hexdigest()

    def __enter__(self) -> HashingFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
