"""Parquet: one row per event, its columns flat, every other table a list of structs.

``hits`` is a column ``list<struct<t, tot, ...>>``, as awkward, pyarrow, pandas,
polars and duckdb read it.  Offsets are 64 bit.  Units and meanings are in the
file's key-value metadata (``km3gpu:schema``), and so is the record of where
the rows came from (``km3gpu:provenance``).
"""

from __future__ import annotations

import functools
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
from km3gpu.io.rowgroups import RowGroups
from km3gpu.table import Ragged, Table

__all__ = ["ParquetSink", "from_arrow", "to_arrow"]

_ATTRS = b"km3gpu:attrs"
_ROWS = b"km3gpu:rows"
_GROUP = 16e6  # bytes of a row group in memory
_SAMPLE = 256  # values of a column that are looked at ...
_REPEATS = 0.95  # ... and of which so many may differ where a dictionary pays


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
        rows = {n: len(t) for n, t in tables.items()}
        arrow = arrow.replace_schema_metadata({**arrow.schema.metadata, _ROWS: json.dumps(rows)})
        options = self._options(arrow.schema, *_encodings(arrow))
        with sink.HashingFile(path) as file, pq.ParquetWriter(file, arrow.schema, **options) as writer:
            # groups of a bounded size, so that reading needs no more than one in memory
            size = max(1, math.ceil(len(arrow) * _GROUP / max(arrow.nbytes, 1)))
            writer.write_table(arrow, row_group_size=size)
        return sink.Part(rows, file.size, file.digest)

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Copy the row groups of all `parts` into one file (see `Sink.merge`)."""
        schema = pq.read_schema(parts[0])
        first = _described(schema, parts[0])
        attrs: list[dict[str, dict[str, str]]] = []
        rows: dict[str, int] = {}

        def check(part: Path, metadata: Mapping[bytes, bytes]) -> None:
            sink.check_same(first, _described_in(metadata, part), part, parts[0])
            attrs.append(json.loads(metadata[_ATTRS]))
            for name, n in json.loads(metadata[_ROWS]).items():
                rows[name] = rows.get(name, 0) + n

        with sink.HashingFile(path) as file:
            groups = RowGroups(file)
            for part in parts:
                groups.append(part, functools.partial(check, part))
            told = {
                **schema.metadata,
                _ATTRS: json.dumps(sink.merged_attrs(attrs)),
                _ROWS: json.dumps(rows),
                sink.PROVENANCE: provenance,
            }
            groups.finish(schema.with_metadata(told), **self._options(schema))
        return sink.Part(rows, file.size, file.digest)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        return from_arrow(pq.read_table(path, page_checksum_verification=True))

    def _options(
        self, schema: pa.Schema, dictionary: Sequence[str] = (), encodings: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        levels = self.compression in ("zstd", "gzip")
        return {
            "compression": None if self.compression == "none" else self.compression,
            "compression_level": self.level if levels else None,
            "use_dictionary": list(dictionary),
            "column_encoding": dict(encodings or {}) or None,
            "write_statistics": list(_flat_columns(schema)),
            "store_schema": True,
            "write_page_checksum": True,  # so that a flipped bit does not become a number
        }


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
    return _described_in(schema.metadata or {}, path)


def _described_in(metadata: Mapping[bytes, bytes], path: Path | None) -> dict[str, Any]:
    text = metadata.get(sink.SCHEMA.encode())
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


def _encodings(arrow: pa.Table) -> tuple[list[str], dict[str, str]]:
    """Choose how the columns are encoded before they are compressed.

    Returns
    -------
    dictionary : list of str
        Columns whose values repeat: identifiers, times over threshold, positions of
        PMTs.  Others would only fill a dictionary to throw it away.
    encodings : dict of str to str
        The rest.  Times that are floats are split into streams of their bytes, of which
        the upper ones hardly change: a sixth less to write than plain, in less time.
        Of integers the differences are kept.
    """
    dictionary: list[str] = []
    encodings: dict[str, str] = {}
    for top in arrow.schema:
        for path, values in _values(top.name, _whole(arrow.column(top.name))):
            if pa.types.is_large_string(values.type) or _repeats(values):
                dictionary.append(path)
            elif values.type in (pa.float32(), pa.float64()):
                encodings[path] = "BYTE_STREAM_SPLIT"
            elif pa.types.is_integer(values.type):
                encodings[path] = "DELTA_BINARY_PACKED"
    return dictionary, encodings


def _repeats(values: pa.Array) -> bool:
    if not len(values) or pa.types.is_boolean(values.type):
        return False
    # evenly spread, so that neither long events nor sorted columns mislead
    some = np.sort(values.to_numpy(zero_copy_only=False)[:: max(1, len(values) // _SAMPLE)])
    return bool(np.count_nonzero(some[1:] != some[:-1]) < _REPEATS * len(some))


def _values(path: str, array: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """Give the innermost values of a column with their paths, as they lie in memory."""
    kind = array.type
    if pa.types.is_struct(kind):
        for i, inner in enumerate(kind):
            yield from _values(f"{path}.{inner.name}", array.field(i))
    elif pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _values(f"{path}.list.element", array.values)
    else:
        yield path, array


def _flat_columns(schema: pa.Schema) -> Iterator[str]:
    for top in schema:
        if not (pa.types.is_nested(top.type)):
            yield top.name
