"""What a Parquet file says of tables: its schema, and the columns that lie at the ends of it.

One row per event.  The columns of ``events`` are flat; any other table is a list
of structs, or a struct where it has one row per event.  Nothing is null.  The
schema is that of ``parquet.thrift`` of the Apache Parquet format, with the lists
of ``LogicalTypes.md`` (three levels, ``list`` and ``element``).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from km3gpu.errors import FormatError
from km3gpu.io import thrift
from km3gpu.io.parquet_arrow import to_arrow
from km3gpu.table import Ragged, Table

__all__ = ["TEXT", "Layout", "Leaf", "layout_of", "leaf_arrays"]

TEXT = "text"
_I8, _I32, _BINARY, _LIST, _STRUCT = 3, 5, 8, 9, 12
_TRUE, _FALSE = 1, 2
_BOOLEAN, _INT32, _INT64, _FLOAT, _DOUBLE, _BYTES, _FIXED = 0, 1, 2, 4, 5, 6, 7
_REQUIRED, _REPEATED = 0, 2
_AS_LIST, _AS_TEXT = 3, 0
_PHYSICAL = {
    "b1": _BOOLEAN, "i1": _INT32, "i2": _INT32, "i4": _INT32, "i8": _INT64, "u1": _INT32, "u2": _INT32,
    "u4": _INT32, "u8": _INT64, "f2": _FIXED, "f4": _FLOAT, "f8": _DOUBLE, TEXT: _BYTES,
    **{f"{c}8[{unit}]": _INT64 for c in "Mm" for unit in ("s", "ms", "us", "ns")},
}  # fmt: skip
_CONVERTED = {"u1": 11, "u2": 12, "u4": 13, "u8": 14, "i1": 15, "i2": 16}
_UNITS = {"M8[ms]": 1, "M8[us]": 2, "M8[ns]": 3}


@dataclass(frozen=True)
class Leaf:
    """A column of numbers or strings.

    Attributes
    ----------
    path : tuple of str
        In the schema of the file.
    kind : str
        A numpy dtype without byte order (``"f8"``), or `TEXT`.
    physical : int
        Type of Parquet that its values are stored as.
    flat : bool
        It is a column of ``events`` without lists.
    """

    path: tuple[str, ...]
    kind: str
    physical: int
    flat: bool

    @functools.cached_property
    def told(self) -> bytes:
        """The path as the footer has it."""
        names = [n.encode() for n in self.path]
        return thrift.list_head(len(names), _BINARY) + b"".join(thrift.varint(len(n)) + n for n in names)


@dataclass(frozen=True)
class Layout:
    """The columns of a file.

    Attributes
    ----------
    elements : tuple of bytes
        The schema of the file, as Thrift structures.
    leaves : tuple of Leaf
    arrow : pyarrow.Schema
        Types of Arrow, by which pyarrow gives lists of fixed size and 64 bit offsets back.
    """

    elements: tuple[bytes, ...]
    leaves: tuple[Leaf, ...]
    arrow: pa.Schema


def layout_of(tables: Mapping[str, Table]) -> Layout:
    """Give the columns of a file of `tables`.

    Raises
    ------
    FormatError
        Parquet has no column of some dtype; or a column of ``events`` has the name of a table.
    """
    key = tuple(
        (name, t.offsets is not None, tuple((c, _shape(t.flat(c), f"{name}/{c}")) for c in t.columns))
        for name, t in tables.items()
    )
    found = _layouts.get(key)
    if found is None:
        # the types are all that is asked for
        none = np.zeros(0, np.int64)
        schema = to_arrow({n: t.take_events(none) for n, t in tables.items()}).schema
        found = _layout(key, schema.remove_metadata())
        if len(_layouts) >= _KEEP:
            _layouts.clear()
        _layouts[key] = found
    return found


_layouts: dict[Any, Layout] = {}
_KEEP = 64


def leaf_arrays(tables: Mapping[str, Table]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Give for each leaf the offsets of the lists around it, from outside, and its values.

    Yields
    ------
    offsets : tuple of (n + 1,) int64 array or int
        An int is the length of lists of fixed length.
    values : (n,) array or Ragged
        Contiguous, in the byte order of the machine; a Ragged of text.
    """
    for name, table in tables.items():
        above = () if name == "events" or table.offsets is None else (table.offsets,)
        for column in table.columns:
            chain, values = above, table.flat(column)
            while isinstance(values, Ragged) and not _is_text(values):
                chain, values = (*chain, values.offsets), values.content
            if not isinstance(values, Ragged):
                chain = (*chain, *values.shape[1:])
                values = np.ascontiguousarray(values.reshape(-1), values.dtype.newbyteorder("="))
            yield chain, values


def _is_text(column: Ragged) -> bool:
    return column.text and not isinstance(column.content, Ragged)


def _shape(column: Any, where: str) -> Any:
    """Tell how a column is built: its kind, in a pair with 0 for each list around it, or with its length."""
    if isinstance(column, Ragged):
        return TEXT if _is_text(column) else (0, _shape(column.content, where))
    kind: Any = column.dtype.str[1:]
    if kind not in _PHYSICAL:
        raise FormatError(
            f"Parquet has no column of {column.dtype}", where=where, remedy="turn it into plain numbers"
        )
    for n in reversed(column.shape[1:]):
        kind = (n + 1, kind)
    return kind


def _layout(key: Any, arrow: pa.Schema) -> Layout:
    elements: list[thrift.Struct] = []
    leaves: list[Leaf] = []

    def group(name: str, n_children: int, repetition: int = _REQUIRED, *, is_list: bool = False) -> None:
        element: thrift.Struct = {3: (_I32, repetition), 4: (_BINARY, name.encode()), 5: (_I32, n_children)}
        if is_list:
            element |= {6: (_I32, _AS_LIST), 10: (_STRUCT, {3: (_STRUCT, {})})}
        elements.append(element)

    def add(name: str, shape: Any, path: tuple[str, ...], flat: bool) -> None:
        path = (*path, name)
        if isinstance(shape, tuple):
            group(name, 1, is_list=True)
            group("list", 1, _REPEATED)
            add("element", shape[1], (*path, "list"), False)
            return
        elements.append(_leaf(name, shape))
        leaves.append(Leaf(path, shape, _PHYSICAL[shape], flat))

    n_top = 0
    for name, jagged, columns in key:
        if not columns:
            continue
        if name == "events":
            n_top += len(columns)
            for column, shape in columns:
                add(column, shape, (), True)
            continue
        n_top += 1
        path: tuple[str, ...] = (name,)
        if jagged:
            group(name, 1, is_list=True)
            group("list", 1, _REPEATED)
            path = (name, "list", "element")
        group(path[-1], len(columns))
        for column, shape in columns:
            add(column, shape, path, False)
    group("schema", n_top)
    elements.insert(0, elements.pop())
    return Layout(tuple(thrift.dumps(e) for e in elements), tuple(leaves), arrow)


def _leaf(name: str, kind: str) -> thrift.Struct:
    element: thrift.Struct = {1: (_I32, _PHYSICAL[kind]), 3: (_I32, _REQUIRED), 4: (_BINARY, name.encode())}
    logical: thrift.Struct = {}
    if kind == TEXT:
        element[6] = (_I32, _AS_TEXT)
        logical = {1: (_STRUCT, {})}
    elif kind in _CONVERTED:
        element[6] = (_I32, _CONVERTED[kind])
        sign = _TRUE if kind[0] == "i" else _FALSE
        logical = {10: (_STRUCT, {1: (_I8, 8 * int(kind[1:])), 2: (sign, None)})}
    elif kind == "f2":
        element[2] = (_I32, 2)
        logical = {15: (_STRUCT, {})}
    elif kind in _UNITS:
        unit: thrift.Struct = {_UNITS[kind]: (_STRUCT, {})}
        logical = {8: (_STRUCT, {1: (_FALSE, None), 2: (_STRUCT, unit)})}
    if logical:
        element[10] = (_STRUCT, logical)
    return element
