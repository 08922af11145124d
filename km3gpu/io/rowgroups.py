"""Row groups of Parquet files, copied as they are: no row is decompressed to merge files.

The row groups of a file stand between its first four bytes and its footer, and
the footer says where.  Merging copies the bytes, moves the offsets, and writes
one footer (Parquet format, ``parquet.thrift`` of Apache Parquet).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io import thrift
from km3gpu.io.sink import HashingFile

__all__ = ["RowGroups"]

_MAGIC = b"PAR1"
_BLOCK = 4 << 20  # bytes copied at once
_I16_MOST = 32767
_STRUCT = 12

# numbers of fields in parquet.thrift
_SCHEMA, _N_ROWS, _GROUPS, _METADATA = 2, 3, 4, 5
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
_CHUNK_OFFSET, _CHUNK_META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM = 9, 10, 11, 14


class RowGroups:
    """A new Parquet file made of the row groups of others.

    Parameters
    ----------
    out : HashingFile
        Empty.
    """

    def __init__(self, out: HashingFile) -> None:
        self._out = out
        self._groups: list[thrift.Struct] = []
        self._schema: Any = None
        self._rows = 0
        out.write(_MAGIC)

    def append(self, part: Path, check: Callable[[dict[bytes, bytes]], None]) -> None:
        """Copy all row groups of a file.

        Parameters
        ----------
        part : Path
        check : callable
            Called with its key-value metadata before anything is copied.

        Raises
        ------
        FormatError
            It has other columns than those before.
        TruncatedFileError
            It is no whole Parquet file.
        """
        with open(part, "rb") as file:
            data, end = _footer(file, str(part))
            known = thrift.loads(data)
            if not {_SCHEMA, _N_ROWS, _GROUPS} <= known.keys():
                raise FormatError("a Parquet file with a damaged footer", where=str(part))
            pairs = known[_METADATA][1][1] if _METADATA in known else ()
            check({pair[1][1]: pair[2][1] for pair in pairs if 2 in pair})
            self._schema = known[_SCHEMA] if self._schema is None else self._schema
            if known[_SCHEMA] != self._schema:
                raise FormatError("parts differ in their columns", where=str(part), remedy="run again")
            shift = self._out.tell() - len(_MAGIC)
            try:
                for group in known[_GROUPS][1][1]:
                    self._groups.append(_moved(group, shift, len(self._groups)))
                    self._rows += group[_GROUP_ROWS][1]
            except (KeyError, TypeError, IndexError, AttributeError) as error:
                raise FormatError("a Parquet file with a damaged footer", where=str(part)) from error
            file.seek(len(_MAGIC))
            left = end - len(_MAGIC)
            while left:
                block = file.read(min(left, _BLOCK))
                if not block:
                    raise TruncatedFileError("the part ends too early", where=str(part))
                self._out.write(block)
                left -= len(block)

    def finish(self, schema: pa.Schema, **options: Any) -> None:
        """Write the footer.

        Parameters
        ----------
        schema : pyarrow.Schema
            Of the new file, with its metadata.
        **options
            Of `pyarrow.parquet.ParquetWriter`, as the parts were written.
        """
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, schema, **options):
            pass
        footer = thrift.loads(_footer(buffer, "a new file")[0])
        footer[_SCHEMA] = footer[_SCHEMA] if self._schema is None else self._schema
        footer[_N_ROWS] = (footer[_N_ROWS][0], self._rows)
        footer[_GROUPS] = (footer[_GROUPS][0], (_STRUCT, self._groups))
        text = thrift.dumps(footer)
        self._out.write(text + struct.pack("<I", len(text)) + _MAGIC)


def _footer(file: Any, where: str) -> tuple[bytes, int]:
    """Give the footer of a file, and where it begins."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    if size < 12 or tail[4:] != _MAGIC:
        raise TruncatedFileError("no whole Parquet file", where=where, remedy="run again")
    n = struct.unpack("<I", tail[:4])[0]
    if n > size - 12:
        raise FormatError("a Parquet file with a damaged footer", where=where, remedy="run again")
    file.seek(size - 8 - n)
    return file.read(n), size - 8 - n


def _moved(group: thrift.Struct, shift: int, ordinal: int) -> thrift.Struct:
    """Give a row group with its offsets moved."""
    _shift(group, (_GROUP_OFFSET,), shift)
    if ordinal <= _I16_MOST:
        group[_ORDINAL] = (4, ordinal)
    else:
        group.pop(_ORDINAL, None)  # it has 16 bits, and may be left out
    for chunk in group[_COLUMNS][1][1]:
        _shift(chunk, (_CHUNK_OFFSET, _OFFSET_INDEX, _COLUMN_INDEX), shift)
        _shift(chunk[_CHUNK_META][1], (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM), shift)
    return group


def _shift(fields: thrift.Struct, numbers: Sequence[int], shift: int) -> None:
    for number in numbers:
        if number in fields:
            kind, offset = fields[number]
            # 0 says that there is none, or that a writer left it open
            fields[number] = (kind, offset + shift if offset else 0)
