"""FITS binary tables as bytes: headers, rows, heaps; by number of row, without a loop over rows.

A `Sheet` is one binary table.  Its fixed columns lie in the rows, its lists (and
texts) in the heap behind them, column after column, each without gaps, so that
the lists of neighbouring rows are one piece.  Numbers are big-endian; unsigned
integers are stored with an offset (``TZERO``), as the standard asks (FITS 4.0,
sections 5.3 and 7.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io.fits import VerifyError

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io.filebytes import FileBytes, file_bytes
from km3gpu.io.fitsheader import BLOCK, Column, columns_of, header_at, rows_dtype
from km3gpu.io.fitstext import unescaped
from km3gpu.table import Ragged, counts_to_offsets

__all__ = ["Sheet", "encode", "padding", "read_sheets"]


@dataclass(frozen=True)
class Sheet:
    """One binary table of a file.

    Attributes
    ----------
    name : str
        ``EXTNAME``.
    columns : tuple of Column
    n_rows : int
    start, heap, end : int
        Bytes of the file at which rows and heap begin, and the heap ends.
    data : FileBytes
    where : str
        For messages.
    """

    name: str
    columns: tuple[Column, ...]
    n_rows: int
    start: int
    heap: int
    end: int
    data: FileBytes = field(repr=False)
    where: str

    def rows(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Give rows ``start <= i < stop`` as they are stored."""
        dtype = rows_dtype(self.columns)
        n = max(stop - start, 0)
        span = self.data.span(self.start + start * dtype.itemsize, n * dtype.itemsize)
        return np.frombuffer(span, dtype, n)

    def column(self, name: str, rows: np.ndarray[Any, Any]) -> Any:
        """Decode a column of some rows that follow each other.

        Raises
        ------
        FormatError
            The lists are not where they should be.
        """
        column = next(c for c in self.columns if c.name == name)
        if not column.listed:
            return _decode(column, rows[name])
        offsets, first, size = self.span_of(column, rows)
        raw = np.frombuffer(self.data.span(self.heap + first, size), column.stored)
        values = _decode(column, raw)
        return (
            unescaped(Ragged(offsets, values, text=True))
            if column.kind == "text"
            else Ragged(offsets, values)
        )

    def span_of(self, column: Column, rows: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int, int]:
        """Give offsets of the lists of some rows, and where in the heap their values are: start and bytes."""
        counts = rows[column.name]["n"].astype(np.int64)
        at = rows[column.name]["at"].astype(np.int64)
        width = column.stored.itemsize
        first = int(at[0]) if len(at) else 0
        offsets: np.ndarray[Any, Any] = counts_to_offsets(counts)
        size = int(offsets[-1]) * width
        lost = bool(len(counts)) and (
            int(counts.min()) < 0 or not np.array_equal(at, first + offsets[:-1] * width)
        )
        if lost or first < 0 or self.heap + first + size > self.end:
            raise FormatError(
                f"the lists of column {column.name!r} of {self.name!r} are not where they should be",
                where=self.where,
                remedy="fetch or write the file again",
            )
        return offsets, first, size

    def bisect(self, name: str, value: int) -> int:
        """Give the first row whose value in a rising column is at least `value`."""
        dtype = rows_dtype(self.columns)
        assert dtype.fields is not None
        at = self.start + dtype.fields[name][1]
        low, high = 0, self.n_rows
        while low < high:
            middle = (low + high) // 2
            if int.from_bytes(self.data.span(at + middle * dtype.itemsize, 8), "big", signed=True) < value:
                low = middle + 1
            else:
                high = middle
        return low


def padding(size: int) -> bytes:
    """Give the zeros that fill the last block."""
    return bytes(-size % BLOCK)


# -- values --------------------------------------------------------------------
def encode(column: Column, values: Any) -> Any:
    """Give values as they are stored."""
    if column.code == "L":
        return np.where(values, np.uint8(ord("T")), np.uint8(ord("F")))
    if column.bias is not None:
        unsigned = values.view(f"u{values.dtype.itemsize}")
        flipped = unsigned ^ unsigned.dtype.type(column.bias)
        return flipped.view(column.stored.newbyteorder("=")).astype(column.stored)
    return values.astype(column.stored, copy=False)


def _decode(column: Column, stored: Any) -> Any:
    if column.code == "L":
        return stored == ord("T")
    if column.code == "A":
        return np.ascontiguousarray(stored)
    native = np.ascontiguousarray(stored).astype(column.stored.newbyteorder("="))
    if column.bias is None:
        return native
    unsigned = native.view(f"u{native.dtype.itemsize}")
    return (unsigned ^ unsigned.dtype.type(column.bias)).view(column.kind)


def read_sheets(path: str) -> dict[str, Sheet]:
    """Look into a FITS file.

    Returns
    -------
    dict of str to Sheet
        Its binary tables by name, but those with columns that km3gpu never
        writes.

    Raises
    ------
    FormatError, TruncatedFileError
        The file is damaged.
    """
    data = file_bytes(path)
    found: dict[str, Sheet] = {}
    at = 0
    while at + BLOCK <= data.size:
        header, start = header_at(data, at, path)
        try:
            # the size of an HDU (FITS 4.0, equations 1 and 2)
            axes = [int(header[f"NAXIS{i + 1}"]) for i in range(int(header["NAXIS"]))]
            values = int(np.prod(axes, dtype=object)) if axes else 0
            extra, groups = int(header.get("PCOUNT", 0)), int(header.get("GCOUNT", 1))
            size = abs(int(header["BITPIX"])) // 8 * groups * (extra + values)
            if min([0, extra, groups, *axes]) < 0:
                raise ValueError("a negative size")
            if start + size > data.size:
                raise TruncatedFileError(
                    "the FITS file is shorter than it says", where=path, remedy="fetch it again"
                )
            if header.get("XTENSION") == "BINTABLE":
                columns = tuple(columns_of(header))
                if columns and rows_dtype(columns).itemsize == axes[0]:
                    name, heap = str(header.get("EXTNAME", "")), int(header.get("THEAP", values))
                    found[name] = Sheet(name, columns, axes[1], start, start + heap, start + size, data, path)
        except (KeyError, ValueError, IndexError, TypeError, VerifyError) as error:
            raise FormatError(
                f"a FITS header that does not make sense: {error}", where=path, remedy="fetch it again"
            ) from error
        at = start + size + -size % BLOCK
    if at != data.size:
        raise TruncatedFileError("the FITS file is cut short", where=path, remedy="fetch it again")
    return found
