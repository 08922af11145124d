"""FITS: a binary table per table, one row an item, as astropy, TOPCAT and cfitsio read it.

The extension ``events`` has a row for each event, ``hits`` a row for each hit with
the number of its event, from 0, in the column ``event_row``.  A column of lists
or texts has variable length (``1QD``, ``1QA``).  A column of lists of lists, or
of unsigned numbers, is an extension of its own, ``tracks/usr_names``, with the number
of the row of ``tracks`` in ``row`` and the values in ``value``.  Units and meanings are in
``TUNIT`` and ``TCOMM``; the extension ``schema`` says what the file holds,
``provenance`` where its rows came from, both as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from astropy.io import fits

from km3gpu import schema
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.io import sink
from km3gpu.io.fitsfile import Sheet, encode, padding, read_sheets
from km3gpu.io.fitsheader import FORMS, Column, header_bytes, rows_dtype
from km3gpu.io.fitstables import EVENT, PROVENANCE, ROW, SCHEMA, VALUE, described, read_table
from km3gpu.io.fitstext import escaped
from km3gpu.table import UNIT, Ragged, Table

__all__ = ["FitsSink"]


@dataclass(frozen=True)
class FitsSink:
    """Write chunks as FITS binary tables.

    Attributes
    ----------
    name : str
        Name of the merged file, without suffix.
    tables : tuple of str
        Tables to write; empty for all.
    """

    format: ClassVar[str] = "fits"
    suffix: ClassVar[str] = ".fits"

    name: str = "events"
    tables: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""
        return sink.fingerprint(self)

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Ask for no column: whatever there is can be written."""
        return {}

    def write(self, chunk: Chunk, path: Path) -> sink.Part:
        """Write one part (see `Sink.write`)."""
        tables = sink.host_tables(chunk, self.tables)
        about = {
            "tables": json.loads(sink.describe(tables)),
            "attrs": {n: t.attrs for n, t in tables.items()},
            "n_events": chunk.n_events,
        }
        with sink.HashingFile(path) as file:
            file.write(_primary())
            _write_text(file, SCHEMA, json.dumps(about))
            for table in tables.values():
                if not table.columns:
                    continue
                index = None if table.offsets is None else (EVENT, _rows_of(table.offsets))
                named = {n: (table.flat(n), *_known(table, n)) for n in table.columns}
                for name, columns, values in _sheets(table.name, index, named):
                    _write_sheet(file, name, columns, values)
        return sink.Part({n: len(t) for n, t in tables.items()}, file.size, file.digest)

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Write all `parts` into one file, table by table (see `Sink.merge`)."""
        opened = [read_sheets(str(part)) for part in parts]
        abouts = [described(sheets, str(part)) for sheets, part in zip(opened, parts, strict=True)]
        for part, about in zip(parts, abouts, strict=True):
            sink.check_same(abouts[0]["tables"], about["tables"], part, parts[0])
        n_events = [about["n_events"] for about in abouts]
        merged = {
            "tables": abouts[0]["tables"],
            "attrs": sink.merged_attrs(about["attrs"] for about in abouts),
            "n_events": sum(n_events),
        }
        rows: dict[str, int] = {t: sum(n_events) for t, a in merged["tables"].items() if not a["columns"]}
        with sink.HashingFile(path) as file:
            file.write(_primary())
            _write_text(file, SCHEMA, json.dumps(merged))
            for name in opened[0]:
                if name == SCHEMA:
                    continue
                sheets = [part[name] for part in opened]
                parent = name.rpartition("/")[0]
                above = [part[parent].n_rows for part in opened] if parent else n_events
                index = ROW if parent else EVENT if merged["tables"][name]["jagged"] else None
                _merge_sheet(file, sheets, index, [0, *accumulate(above)])
                if not parent:
                    rows[name] = sum(s.n_rows for s in sheets)
            _write_text(file, PROVENANCE, provenance)
        return sink.Part({t: rows[t] for t in merged["tables"]}, file.size, file.digest)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        sheets = read_sheets(str(path))
        about = described(sheets, str(path))
        return {
            name: read_table(sheets, about, name, tuple(table["columns"]), 0, about["n_events"])
            for name, table in about["tables"].items()
        }


# -- writing ---------------------------------------------------------------------
def _primary() -> bytes:
    cards = [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True), ("CREATOR", "km3gpu")]
    text: str = fits.Header(cards).tostring()
    return text.encode("ascii")


def _write_text(file: sink.HashingFile, name: str, text: str) -> None:
    data = text.encode() or b" "
    file.write(header_bytes(name, [Column("json", "text", (len(data),))], 1, 0))
    file.write(data)
    file.write(padding(len(data)))


def _known(table: Table, name: str) -> tuple[str, str]:
    known = schema.FIELDS.get((table.name, name))
    unit = table.attrs.get(UNIT + name, known.unit if known is not None else "")
    meaning = known.meaning if known is not None else ""
    frame = f" [{known.frame}]" if known is not None and known.frame else ""
    return _ascii(unit), _ascii(meaning + frame)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _rows_of(offsets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))


def _sheets(
    name: str, index: tuple[str, np.ndarray[Any, Any]] | None, named: Mapping[str, tuple[Any, str, str]]
) -> Iterator[tuple[str, list[Column], list[Any]]]:
    """Lay a table out as sheets: itself, and one for each column of lists of lists."""
    columns: list[Column] = []
    values: list[Any] = []
    inner = []
    if index is not None:
        columns.append(Column(index[0], "i8"))
        values.append(index[1])
    for column, (data, unit, meaning) in named.items():
        if not isinstance(data, Ragged):
            columns.append(Column(column, _kind(data, name, column), data.shape[1:], False, unit, meaning))
        elif data.text and not isinstance(data.content, Ragged):
            columns.append(Column(column, "text", (), True, unit, meaning))
            data = escaped(data)
        elif not _listable(data.content):
            below = (ROW, _rows_of(data.offsets))
            inner.append((f"{name}/{column}", below, {VALUE: (data.content, unit, meaning)}))
            continue
        else:
            columns.append(Column(column, _kind(data.content, name, column), (), True, unit, meaning))
        values.append(data)
    folded = [c.name.lower() for c in columns]
    for column in folded:
        if folded.count(column) > 1:  # names of FITS columns do not tell a from A
            raise FormatError(
                f"two columns of {name!r} are called {column!r}", remedy="rename one, or write another format"
            )
    yield name, columns, values
    for sheet in inner:
        yield from _sheets(*sheet)


def _listable(content: Any) -> bool:
    """Tell whether values can lie in a column of variable length.

    Those that need ``TZERO`` could, but astropy (7) gives them wrong there.
    """
    if isinstance(content, Ragged) or content.ndim > 1:
        return False
    kind = np.dtype(content.dtype).str[1:]
    return kind in FORMS and FORMS[kind][1] is None


def _kind(data: Any, table: str, name: str) -> str:
    kind = str(np.dtype(data.dtype).str[1:])
    if kind not in FORMS:
        raise FormatError(
            f"FITS has no column of {data.dtype}",
            where=f"{table}/{name}",
            remedy="leave it out, or write Parquet",
        )
    return kind


def _write_sheet(file: sink.HashingFile, name: str, columns: Sequence[Column], values: Sequence[Any]) -> None:
    n = len(values[0])
    rows = np.zeros(n, rows_dtype(columns))
    heap = 0
    lists = []
    for column, data in zip(columns, values, strict=True):
        if not column.listed:
            rows[column.name] = encode(column, data)
            continue
        width = column.stored.itemsize
        rows[column.name]["n"] = np.diff(data.offsets)
        rows[column.name]["at"] = heap + (data.offsets[:-1] - data.offsets[0]) * width
        lists.append(encode(column, data.content[int(data.offsets[0]) : int(data.offsets[-1])]))
        heap += lists[-1].nbytes
    file.write(header_bytes(name, columns, n, heap))
    file.write(rows.view(np.uint8) if rows.nbytes else b"")
    for values_of in lists:
        file.write(np.ascontiguousarray(values_of).view(np.uint8) if values_of.nbytes else b"")
    file.write(padding(rows.nbytes + heap))


_ROWS = 1 << 16  # rows copied at once
_BYTES = 1 << 22  # bytes of a heap copied at once


def _merge_sheet(
    file: sink.HashingFile, sheets: Sequence[Sheet], index: str | None, above: Sequence[int]
) -> None:
    """Write the rows of all parts of a sheet: the index counts on, lists move to their new places."""
    columns = sheets[0].columns
    listed = [c for c in columns if c.listed]
    # where the lists of each column are in the heap of each part
    spans = [{c.name: _span(s, i, listed) for i, c in enumerate(listed)} for s in sheets]
    moves: list[dict[str, int]] = [{} for _ in sheets]
    heap = 0
    for c in listed:
        for move, span in zip(moves, spans, strict=True):
            start, size = span[c.name]
            move[c.name] = heap - start
            heap += size
    n_rows = sum(s.n_rows for s in sheets)
    file.write(header_bytes(sheets[0].name, columns, n_rows, heap))
    for sheet, base, move in zip(sheets, above, moves, strict=False):
        for start in range(0, sheet.n_rows, _ROWS):
            rows = sheet.rows(start, min(start + _ROWS, sheet.n_rows)).copy()
            if index is not None:
                rows[index] += base
            for name, by in move.items():
                rows[name]["at"] += by
            file.write(rows.view(np.uint8))
    for c in listed:
        for sheet, span in zip(sheets, spans, strict=True):
            start, size = span[c.name]
            for at in range(start, start + size, _BYTES):
                file.write(sheet.data.span(sheet.heap + at, min(_BYTES, start + size - at)))
    file.write(padding(n_rows * rows_dtype(columns).itemsize + heap))


def _span(sheet: Sheet, i: int, listed: Sequence[Column]) -> tuple[int, int]:
    """Give start and size of a column's lists in the heap: they reach to those of the next column."""
    if sheet.n_rows == 0:
        return 0, 0
    first = sheet.rows(0, 1)[0]
    start = int(first[listed[i].name]["at"])
    end = int(first[listed[i + 1].name]["at"]) if i + 1 < len(listed) else sheet.end - sheet.heap
    return start, end - start
