"""Parquet: one row per event, its columns flat, every other table a list of structs.

``hits`` is a column ``list<struct<t, tot, ...>>``, as awkward, pyarrow, pandas,
polars and duckdb read it.  Offsets are 64 bit.  Units and meanings are in the
file's key-value metadata (``km3gpu:schema``), and so is the record of where
the rows came from (``km3gpu:provenance``).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq

from km3gpu.chunk import Chunk
from km3gpu.io import sink
from km3gpu.io.parquet_arrow import ATTRS, described, from_arrow, to_arrow
from km3gpu.io.parquet_file import types_in, with_types, write_tables
from km3gpu.io.rowgroups import RowGroups
from km3gpu.table import Table

__all__ = ["ParquetSink", "from_arrow", "to_arrow"]

_ROWS = b"km3gpu:rows"
_SCHEMA = sink.SCHEMA.encode()


@dataclass(frozen=True)
class ParquetSink:
    """Write chunks as Parquet.

    Attributes
    ----------
    name : str
        Name of the merged file, without suffix.
    tables : tuple of str
        Tables to write; empty for all.
    compression : str
        ``"zstd"``, ``"snappy"``, ``"lz4"``, ``"gzip"`` or ``"none"``.
    level : int
        Level of the compression, where it has levels.
    """

    format: ClassVar[str] = "parquet"
    suffix: ClassVar[str] = ".parquet"

    name: str = "events"
    tables: tuple[str, ...] = ()
    compression: str = field(default="zstd", metadata={"choices": ("zstd", "snappy", "lz4", "gzip", "none")})
    level: int = field(default=1, metadata={"minimum": 1})

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""
        return sink.fingerprint(self)

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Ask for no column: whatever there is can be written."""
        return {}

    def write(self, chunk: Chunk, path: Path) -> sink.Part:
        """Write one part (see `Sink.write`)."""
        tables = sink.host_tables(chunk, self.tables)
        rows = {n: len(t) for n, t in tables.items()}
        attrs = {n: t.attrs for n, t in tables.items()}
        told = {
            _SCHEMA: sink.describe(tables).encode(),
            ATTRS: json.dumps(attrs).encode(),
            _ROWS: json.dumps(rows).encode(),
        }
        level = self.level if self.compression in ("zstd", "gzip") else None
        with sink.HashingFile(path) as file:
            write_tables(file, tables, told, self.compression, level)
        return sink.Part(rows, file.size, file.digest)

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Copy the row groups of all `parts` into one file (see `Sink.merge`)."""
        first: dict[bytes, bytes] = {}
        attrs: list[dict[str, dict[str, str]]] = []
        rows: dict[str, int] = {}

        def check(part: Path, metadata: Mapping[bytes, bytes]) -> None:
            if not first or metadata.get(_SCHEMA) != first[_SCHEMA]:
                about = described(metadata, part)
                first.update(first or metadata)
                sink.check_same(described(first), about, part, parts[0])
            attrs.append(json.loads(metadata[ATTRS]))
            for name, n in json.loads(metadata[_ROWS]).items():
                rows[name] = rows.get(name, 0) + n

        with sink.HashingFile(path) as file:
            groups = RowGroups(file)
            for part in parts:
                groups.append(part, functools.partial(check, part))
            told = {
                _SCHEMA: first[_SCHEMA],
                ATTRS: json.dumps(sink.merged_attrs(attrs)).encode(),
                _ROWS: json.dumps(rows).encode(),
                sink.PROVENANCE.encode(): provenance.encode(),
            }
            groups.finish(with_types(types_in(first), told))
        return sink.Part(rows, file.size, file.digest)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        return from_arrow(pq.read_table(path, page_checksum_verification=True))
