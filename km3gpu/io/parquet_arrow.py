"""Tables as Arrow tables, and back: one row per event, as the columns of a Parquet file.

``hits`` is a column ``list<struct<t, tot, ...>>``.  Offsets are 64 bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from km3gpu.errors import FormatError
from km3gpu.io import sink
from km3gpu.table import Ragged, Table

__all__ = ["ATTRS", "described", "from_arrow", "to_arrow"]

ATTRS = b"km3gpu:attrs"


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
    metadata = {sink.SCHEMA: sink.describe(tables), ATTRS: attrs}
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
    return _flat(column)


def _flat(values: Any) -> pa.Array:
    # `pa.array` asks pandas whether an array is its own: 294 modules, 20 MB and 0.3 s in each worker
    if values.dtype == bool:
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    if values.dtype.kind not in "iuf" or not values.dtype.isnative:
        return pa.array(values)
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def _list(offsets: Any, items: pa.Array) -> pa.Array:
    kind = pa.large_list(pa.field("element", items.type, nullable=False))
    return pa.LargeListArray.from_arrays(_flat(offsets), items, type=kind)


def from_arrow(arrow: pa.Table) -> dict[str, Table]:
    """Turn an Arrow table that `to_arrow` made back into tables.

    Raises
    ------
    FormatError
        The table does not say what its columns are.
    """
    attrs = json.loads(arrow.schema.metadata.get(ATTRS, b"{}"))
    tables = {}
    for name, about in described(arrow.schema.metadata).items():
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


def described(metadata: Mapping[bytes, bytes] | None, path: Path | None = None) -> dict[str, Any]:
    """Give what the metadata of a file say of its tables (see `sink.describe`).

    Raises
    ------
    FormatError
        Nothing.
    """
    text = (metadata or {}).get(sink.SCHEMA.encode())
    if text is None:
        where = None if path is None else str(path)
        raise FormatError("a Parquet file that km3gpu did not write", where=where)
    found: dict[str, Any] = json.loads(text)
    return found


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
