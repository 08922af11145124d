"""Row groups of Parquet files, copied as they are: no row is decompressed to merge files.

The row groups of a file stand between its first four bytes and its footer, and
the footer says where.  Merging copies the bytes, moves the offsets, and writes
one footer (Parquet format, ``parquet.thrift`` of Apache Parquet).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io import thrift
from km3gpu.io.parquet_file import MAGIC, write_footer
from km3gpu.io.sink import HashingFile

__all__ = ["RowGroups"]

_BLOCK = 4 << 20  # bytes copied at once
_I16_MOST = 32767
_LIST = 9

# numbers of fields in parquet.thrift
_SCHEMA, _N_ROWS, _GROUPS, _METADATA = 2, 3, 4, 5
_TYPE = 1  # of an element of the schema
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
        self._groups: list[bytes] = []
        self._n_groups = 0
        self._schema = b""
        self._rows = 0
        self._block = memoryview(bytearray(_BLOCK))
        out.write(MAGIC)

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
        with open(part, "rb", buffering=0) as file:
            data, end = _footer(file, str(part))
            try:
                self._take(data, str(part), check)
            except (KeyError, TypeError, IndexError, AttributeError) as error:
                raise FormatError("a Parquet file with a damaged footer", where=str(part)) from error
            file.seek(len(MAGIC))
            left = end - len(MAGIC)
            while left:
                n = file.readinto(self._block[:left])
                if not n:
                    raise TruncatedFileError("the part ends too early", where=str(part))
                self._out.write(self._block[:n])
                left -= n

    def _take(self, data: bytes, where: str, check: Callable[[dict[bytes, bytes]], None]) -> None:
        shift = self._out.tell() - len(MAGIC)

        def moved(offset: int) -> int:
            # 0 says that there is none, or that a writer left it open
            return offset + shift if offset else 0

        def counted(n: int) -> int:
            self._rows += n
            return n

        def numbered(ordinal: int) -> int:
            # it has 16 bits, and only files that are encrypted need it
            return min(self._n_groups + ordinal, _I16_MOST)

        pages = dict.fromkeys((_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM), moved)
        columns: thrift.Changes = {
            **dict.fromkeys((_CHUNK_OFFSET, _OFFSET_INDEX, _COLUMN_INDEX), moved),
            _CHUNK_META: pages,
        }
        changes: thrift.Changes = {
            _COLUMNS: columns,
            _GROUP_ROWS: counted,
            _GROUP_OFFSET: moved,
            _ORDINAL: numbered,
        }
        known, copied = thrift.fields(data, {_GROUPS: changes})
        pairs = thrift.value(data, known[_METADATA])[1] if _METADATA in known else ()
        check({pair[1][1]: pair[2][1] for pair in pairs if 2 in pair})
        schema = data[slice(*known[_SCHEMA][1:])]
        self._schema = self._schema or schema
        if schema != self._schema:
            raise FormatError("parts differ in their columns", where=where, remedy="run again")
        n, groups = copied[_GROUPS]
        self._groups.append(groups)
        self._n_groups += n

    def finish(self, metadata: Mapping[bytes, bytes]) -> None:
        """Write the footer.

        Parameters
        ----------
        metadata : mapping of bytes to bytes
            Of the new file.
        """
        elements = thrift.value(self._schema, (_LIST, 0, len(self._schema)))[1]
        n_leaves = sum(_TYPE in e for e in elements)
        write_footer(self._out, self._schema, n_leaves, self._rows, self._n_groups, self._groups, metadata)


def _footer(file: Any, where: str) -> tuple[bytes, int]:
    """Give the footer of a file, and where it begins."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    if size < 12 or tail[4:] != MAGIC:
        raise TruncatedFileError("no whole Parquet file", where=where, remedy="run again")
    n = struct.unpack("<I", tail[:4])[0]
    if n > size - 12:
        raise FormatError("a Parquet file with a damaged footer", where=where, remedy="run again")
    file.seek(size - 8 - n)
    return file.read(n), size - 8 - n
