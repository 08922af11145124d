"""Tables of FITS files that km3gpu wrote, read back by range of events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.fitsfile import Sheet
from km3gpu.table import Ragged, Table, counts_to_offsets

__all__ = ["EVENT", "PROVENANCE", "ROW", "SCHEMA", "VALUE", "described", "read_table", "record"]

EVENT, ROW, VALUE = "event_row", "row", "value"
SCHEMA, PROVENANCE = "schema", "provenance"


def described(sheets: Mapping[str, Sheet], where: str) -> dict[str, Any]:
    """Give what the file says of itself: ``tables`` (see `sink.describe`), ``attrs``, ``n_events``.

    Raises
    ------
    FormatError
        km3gpu did not write it.
    """
    text = _text(sheets, SCHEMA)
    try:
        about: dict[str, Any] = json.loads(text)
        if {"tables", "attrs", "n_events"} <= about.keys():
            return about
    except (ValueError, AttributeError):
        pass
    names = ", ".join(n for n in sheets if n) or "no binary tables"
    raise FormatError(
        "a FITS file that km3gpu did not write", where=where, remedy=f"it holds {names}: read it with astropy"
    )


def _text(sheets: Mapping[str, Sheet], name: str) -> bytes:
    sheet = sheets.get(name)
    if sheet is None or [c.name for c in sheet.columns] != ["json"] or sheet.n_rows != 1:
        return b""
    return bytes(sheet.column("json", sheet.rows(0, 1)).tobytes()).rstrip(b" ")


def record(sheets: Mapping[str, Sheet]) -> bytes:
    """Give the record that is embedded in a merged file, ``b""`` in a part."""
    return _text(sheets, PROVENANCE)


def read_table(
    sheets: Mapping[str, Sheet],
    about: Mapping[str, Any],
    name: str,
    names: Sequence[str],
    start: int,
    stop: int,
) -> Table:
    """Read columns of a table for events ``start <= i < stop``.

    Raises
    ------
    FormatError
        The file is not what its schema says.
    """
    attrs = {k: str(v) for k, v in about["attrs"].get(name, {}).items()}
    jagged = about["tables"][name]["jagged"]
    if not about["tables"][name]["columns"]:
        return Table(name, {}, None, attrs)
    sheet = sheets.get(name)
    if sheet is None or (not jagged and sheet.n_rows != about["n_events"]):
        raise FormatError(
            f"no table {name!r} of {about['n_events']} events", where=next(iter(sheets.values())).where
        )
    first, last, offsets = start, stop, None
    if jagged:
        first, last, offsets = _cut(sheet, EVENT, start, stop)
    rows = sheet.rows(first, last)
    columns = {n: _column(sheets, sheet, n, rows, first, last) for n in names}
    return Table(name, columns, offsets, attrs)


def _cut(sheet: Sheet, index: str, start: int, stop: int) -> tuple[int, int, np.ndarray[Any, Any]]:
    """Find the rows that belong to ``start <= index < stop``, and where each of these begins."""
    first = sheet.bisect(index, start)
    last = max(sheet.bisect(index, stop), first)
    owners = sheet.column(index, sheet.rows(first, last)) - start
    if len(owners) and (owners[0] < 0 or owners[-1] >= stop - start or bool((np.diff(owners) < 0).any())):
        raise FormatError(
            f"rows of {sheet.name!r} are out of order", where=sheet.where, remedy="fetch it again"
        )
    counts = np.bincount(owners, minlength=max(stop - start, 0))
    offsets: np.ndarray[Any, Any] = counts_to_offsets(counts.astype(np.int64))
    return first, last, offsets


def _column(
    sheets: Mapping[str, Sheet], sheet: Sheet, name: str, rows: np.ndarray[Any, Any], first: int, last: int
) -> Any:
    if any(c.name == name for c in sheet.columns):
        return sheet.column(name, rows)
    inner = sheets.get(f"{sheet.name}/{name}")
    if inner is None:
        raise FormatError(f"no column {name!r} of {sheet.name!r}", where=sheet.where, remedy="fetch it again")
    a, b, offsets = _cut(inner, ROW, first, last)
    return Ragged(offsets, _column(sheets, inner, VALUE, inner.rows(a, b), a, b))
