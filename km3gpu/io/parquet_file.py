"""A Parquet file as bytes: row groups of pages, and the footer that says where they are.

The bytes depend on the tables, the compression and its library only, not on the
version of pyarrow.  The structures are those of ``parquet.thrift`` of the Apache
Parquet format.
"""

from __future__ import annotations

import base64
import itertools
import struct
from collections.abc import Iterable, Mapping

import pyarrow as pa

from km3gpu.io import thrift
from km3gpu.io.parquet_layout import layout_of, leaf_arrays
from km3gpu.io.parquet_levels import Levels, levels_of
from km3gpu.io.parquet_pages import Pages
from km3gpu.io.sink import HashingFile
from km3gpu.table import Table

__all__ = ["ARROW_SCHEMA", "MAGIC", "types_in", "with_types", "write_footer", "write_tables"]

MAGIC = b"PAR1"
ARROW_SCHEMA = b"ARROW:schema"
_WRITER = b"km3gpu version 1 (build pages)"
_FORMAT = 2
_GROUP = 16e6  # bytes of a row group in memory, about
_STRUCT = 12
_ORDERED_BY_TYPE = b"\x1c\x00\x00"


def write_tables(
    file: HashingFile,
    tables: Mapping[str, Table],
    metadata: Mapping[bytes, bytes],
    compression: str,
    level: int | None,
) -> None:
    """Write tables as a Parquet file with a row for each event.

    Parameters
    ----------
    file : HashingFile
        Empty.
    tables : mapping of str to Table
        On the host, of the same events, with a column at least.
    metadata : mapping of bytes to bytes
        Of the file.
    compression : str
        One of `km3gpu.io.parquet_pages.CODECS`.
    level : int or None
        Of the compression, where it has levels.

    Raises
    ------
    FormatError
        Parquet has no such columns.
    """
    layout = layout_of(tables)
    arrays = list(leaf_arrays(tables))
    n_rows = next(t.n_events for t in tables.values() if t.columns)
    # groups of a bounded size, so that reading needs no more than one in memory
    n_groups = max(1, round(sum(t.nbytes for t in tables.values()) / _GROUP))
    edges = sorted({n_rows * i // n_groups for i in range(n_groups + 1)} | {0})
    file.write(MAGIC)
    pages = Pages(file, compression, level)
    groups = []
    for start, stop in itertools.pairwise(edges):
        begin = file.tell()
        told, size, packed = [], 0, 0
        shared: dict[tuple[int, ...], Levels] = {}
        for leaf, (chain, values) in zip(layout.leaves, arrays, strict=True):
            key = tuple(map(id, chain))
            if key not in shared:
                shared[key] = levels_of(chain, start, stop)
            column = pages.column(leaf, values, shared[key])
            told.append(column[0])
            size, packed = size + column[1], packed + column[2]
        z = thrift.zigzag
        groups.append(
            b"\x19" + thrift.list_head(len(told), _STRUCT) + b"".join(told)
            + b"\x16" + z(size) + b"\x16" + z(stop - start)
            + b"\x26" + z(begin) + b"\x16" + z(packed) + b"\0"
        )  # fmt: skip
    schema = thrift.list_head(len(layout.elements), _STRUCT) + b"".join(layout.elements)
    typed = with_types(layout.arrow, metadata)
    write_footer(file, schema, len(layout.leaves), n_rows, len(groups), groups, typed)


def with_types(schema: pa.Schema, metadata: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Add the types of Arrow to the metadata of a file.

    pyarrow gives a file the metadata that it finds there, so they hold these too.
    """
    told = schema.with_metadata(dict(metadata)).serialize().to_pybytes()
    return {**metadata, ARROW_SCHEMA: base64.b64encode(told)}


def types_in(metadata: Mapping[bytes, bytes]) -> pa.Schema:
    """Give the types that the metadata of a file tell."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(metadata[ARROW_SCHEMA])))


def write_footer(
    file: HashingFile,
    schema: bytes,
    n_leaves: int,
    n_rows: int,
    n_groups: int,
    groups: Iterable[bytes],
    metadata: Mapping[bytes, bytes],
) -> None:
    """Write the footer, with which the file is whole.

    Parameters
    ----------
    file : HashingFile
    schema : bytes
        A Thrift list of its elements.
    n_leaves : int
        Number of those that have a type.
    n_rows : int
    n_groups : int
        Number of row groups.
    groups : iterable of bytes
        ``RowGroup`` structures, one or more in each.
    metadata : mapping of bytes to bytes
    """
    z = thrift.zigzag
    parts = [
        b"\x15", z(_FORMAT),
        b"\x19", schema,
        b"\x16", z(n_rows),
        b"\x19", thrift.list_head(n_groups, _STRUCT), *groups,
        b"\x19", thrift.list_head(len(metadata), _STRUCT),
    ]  # fmt: skip
    for key, value in metadata.items():
        parts += [b"\x18", thrift.varint(len(key)), key, b"\x18", thrift.varint(len(value)), value, b"\0"]
    parts += [b"\x18", thrift.varint(len(_WRITER)), _WRITER]
    parts += [b"\x19", thrift.list_head(n_leaves, _STRUCT), _ORDERED_BY_TYPE * n_leaves, b"\0"]
    footer = b"".join(parts)
    file.write(footer)
    file.write(struct.pack("<I", len(footer)) + MAGIC)
