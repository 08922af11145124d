"""Parquet: one row per event, its columns flat, every other table a list of structs.

``hits`` is a column ``list<struct<t, tot, ...>>``, as awkward, pyarrow, pandas,
polars and duckdb read it.  Offsets are 64 bit.  Units and meanings are in the
file's key-value metadata (``km3gpu:schema``), and so is the record of where
the rows came from (``km3gpu:provenance``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.io import sink
from km3gpu.table import Ragged, Table

__all__ = ["ParquetSink", "from_arrow", "to_arrow"]

_ATTRS = b"km3gpu:attrs"
_GROUP = 12e6  # bytes of a row group in memory


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
        arrow = to_arrow(tables)
        with sink.HashingFile(path) as file, self._writer(file, arrow.schema) as writer:
            # groups of a bounded size, so that merging holds no more than one in memory
            rows = max(1, math.ceil(len(arrow) * _GROUP / max(arrow.nbytes, 1)))
            writer.write_table(arrow, row_group_size=rows)
        return sink.Part({n: len(t) for n, t in tables.items()}, file.size, file.digest)

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Write all `parts` into one file, row group by row group (see `Sink.merge`)."""
        schemas = [pq.read_schema(part) for part in parts]
        described = [_described(s, part) for s, part in zip(schemas, parts, strict=True)]
        for part, about in zip(parts, described, strict=True):
            sink.check_same(described[0], about, part, parts[0])
        attrs = sink.merged_attrs(json.loads(s.metadata[_ATTRS]) for s in schemas)
        metadata = {**schemas[0].metadata, _ATTRS: json.dumps(attrs), sink.PROVENANCE: provenance}
        rows: dict[str, int] = {}
        schema = schemas[0].with_metadata(metadata)
        with sink.HashingFile(path) as file, self._writer(file, schema) as writer:
            for group in _groups(parts):
                writer.write_table(group, row_group_size=max(len(group), 1))
                for name, n in _rows(group, described[0]).items():
                    rows[name] = rows.get(name, 0) + n
                del group
                pa.default_memory_pool().release_unused()
        return sink.Part(rows, file.size, file.digest)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        return from_arrow(pq.read_table(path))

    def _writer(self, file: Any, schema: pa.Schema) -> pq.ParquetWriter:
        levels = self.compression in ("zstd", "gzip")
        return pq.ParquetWriter(
            file,
            schema,
            compression=None if self.compression == "none" else self.compression,
            compression_level=self.level if levels else None,
            # identifiers and times over threshold repeat; float columns would
            # only fill a dictionary to throw it away
            use_dictionary=list(_dictionary_columns(schema)),
            write_statistics=list(_flat_columns(schema)),
            store_schema=True,
        )


# -- tables <-> arrow ----------------------------------------------------------
def to_arrow(tables: Mapping[str, Table]) -> pa.Table:
    """View tables as one Arrow table with a row per event.

    Parameters
    ----------
    tables : mapping of str to Table
        On the host; ``events`` gives the flat columns.

    Returns
    -------
    pyarrow.Table
        Zero-copy but for bool columns.

    Raises
    ------
    FormatError
        A column of ``events`` has the name of a table.
    """
    names: list[str] = []
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for table in tables.values():
        if not table.columns:
            continue
        columns = [(n, _to_arrow(table.flat(n))) for n in table.columns]
        if table.name == "events":
            new = [(n, a, pa.field(n, a.type, nullable=False)) for n, a in columns]
        else:
            inner = [pa.field(n, a.type, nullable=False) for n, a in columns]
            rows = pa.StructArray.from_arrays([a for _, a in columns], fields=inner)
            if table.offsets is not None:
                rows = _list(table.offsets, rows)
            new = [(table.name, rows, pa.field(table.name, rows.type, nullable=False))]
        for name, array, arrow_field in new:
            if name in names:
                raise FormatError(f"table and column of events are both called {name!r}")
            names.append(name)
            arrays.append(array)
            fields.append(arrow_field)
    attrs = json.dumps({n: t.attrs for n, t in tables.items()})
    metadata = {sink.SCHEMA: sink.describe(tables), _ATTRS: attrs}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))


def _to_arrow(column: Any) -> pa.Array:
    if isinstance(column, Ragged):
        if column.text and not isinstance(column.content, Ragged):
            buffers = [None, pa.py_buffer(column.offsets), pa.py_buffer(column.content)]
            return pa.Array.from_buffers(pa.large_string(), len(column), buffers)
        return _list(column.offsets, _to_arrow(column.content))
    if column.ndim > 1:
        inner = _to_arrow(column.reshape(-1, *column.shape[2:]) if column.ndim > 2 else column.reshape(-1))
        item = pa.field("element", inner.type, nullable=False)
        return pa.FixedSizeListArray.from_arrays(inner, type=pa.list_(item, column.shape[1]))
    return pa.array(column)


def _list(offsets: Any, items: pa.Array) -> pa.Array:
    kind = pa.large_list(pa.field("element", items.type, nullable=False))
    return pa.LargeListArray.from_arrays(pa.array(offsets), items, type=kind)


def from_arrow(arrow: pa.Table) -> dict[str, Table]:
    """Turn an Arrow table that `to_arrow` made back into tables.

    Raises
    ------
    FormatError
        The table does not say what its columns are.
    """
    described = _described(arrow.schema, None)
    attrs = json.loads(arrow.schema.metadata.get(_ATTRS, b"{}"))
    tables = {}
    for name, about in described.items():
        offsets = None
        if name == "events":
            columns = {c: _from_arrow(_whole(arrow.column(c)), t) for c, t in about["columns"].items()}
        elif not about["columns"]:
            continue
        else:
            rows = _whole(arrow.column(name))
            if about["jagged"]:
                offsets, rows = _cut(rows)
            columns = {c: _from_arrow(rows.field(c), t) for c, t in about["columns"].items()}
        tables[name] = Table(name, columns, offsets, attrs.get(name))
    return tables


def _described(schema: pa.Schema, path: Path | None) -> dict[str, Any]:
    text = (schema.metadata or {}).get(sink.SCHEMA.encode())
    if text is None:
        where = None if path is None else str(path)
        raise FormatError("a Parquet file that km3gpu did not write", where=where)
    described: dict[str, Any] = json.loads(text)
    return described


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 0:
        return pa.array([], type=column.type)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _cut(rows: pa.Array) -> tuple[np.ndarray[Any, Any], pa.Array]:
    offsets = np.asarray(rows.offsets, dtype=np.int64)
    return offsets - offsets[0], rows.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _from_arrow(array: pa.Array, about: Mapping[str, str]) -> Any:
    kind = array.type
    if pa.types.is_large_string(kind):
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
        data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        return Ragged(np.ascontiguousarray(offsets - offsets[0]), data, text=True)
    if pa.types.is_large_list(kind):
        offsets, items = _cut(array)
        return Ragged(offsets, _from_arrow(items, about))
    if pa.types.is_fixed_size_list(kind):
        flat = _from_arrow(array.flatten(), about)
        return flat.reshape(len(array), kind.list_size, *flat.shape[1:])
    return np.ascontiguousarray(array.to_numpy(zero_copy_only=False))


# -- files ---------------------------------------------------------------------
def _groups(parts: Sequence[Path]) -> Iterator[pa.Table]:
    for part in parts:
        with pq.ParquetFile(part) as file:
            for i in range(file.num_row_groups):
                yield file.read_row_group(i)


def _rows(arrow: pa.Table, described: Mapping[str, Any]) -> dict[str, int]:
    """Count the rows of each table without copying any."""
    rows = {}
    for name, about in described.items():
        jagged = about["jagged"] and about["columns"]
        chunks = arrow.column(name).chunks if jagged else ()
        ends = [(c.offsets[0].as_py(), c.offsets[-1].as_py()) for c in chunks]
        rows[name] = sum(b - a for a, b in ends) if jagged else len(arrow)
    return rows


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if pa.types.is_struct(kind):
        for inner in kind:
            yield from _leaves(f"{path}.{inner.name}", inner.type)
    elif pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind


def _dictionary_columns(schema: pa.Schema) -> Iterator[str]:
    for top in schema:
        for path, kind in _leaves(top.name, top.type):
            if pa.types.is_large_string(kind) or (pa.types.is_integer(kind) and kind.bit_width <= 32):
                yield path


def _flat_columns(schema: pa.Schema) -> Iterator[str]:
    for top in schema:
        if not (pa.types.is_nested(top.type)):
            yield top.name
