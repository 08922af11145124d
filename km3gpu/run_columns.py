"""The columns of a run list: text with a header, or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.errors import FormatError, InputNotFoundError

__all__ = ["read_columns"]

_LONG = ("parameter_name", "data_value")
_WORDS = {"true": True, "false": False}


def read_columns(path: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read a table of runs, whatever its columns.

    Parameters
    ----------
    path : str
        Parquet (``.parquet``, ``.pq``); all else is text.  A table of a line for each
        number of a run (``PARAMETER_NAME, DATA_VALUE``) is turned into one of a row for each run.

    Returns
    -------
    lines : (n,) int64 array
        Where each row is in the file, from 1; of Parquet the row.
    columns : dict of str to (n,) array
        Whole numbers, numbers, booleans or texts (object).

    Raises
    ------
    InputNotFoundError, FormatError
        No such file, or no table; the line is named.
    """
    return _parquet(path) if path.lower().endswith((".parquet", ".pq")) else _text(path)


def _text(path: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise InputNotFoundError(f"no run list {path!r}", remedy="check the path") from None
    except UnicodeDecodeError:
        raise FormatError("no text", where=path, remedy="write the run list as UTF-8") from None
    kept = [(n, t) for n, t in enumerate(text.splitlines(), 1) if t.strip() and not t.startswith("#")]
    if not kept:
        raise FormatError("a run list without runs", where=path, remedy="write a header and a line for each")
    header = _cells(kept[0][1], kept[0][1])
    if not header[0]:  # the numbers of the rows, as pandas writes them
        header[0] = "index"
    if len(set(header)) < len(header) or "" in header:
        raise FormatError("column names must differ, and not be empty", where=f"{path}, line {kept[0][0]}")
    rows = []
    for number, line in kept[1:]:
        cells = _cells(line, kept[0][1])
        if len(cells) != len(header):
            raise FormatError(
                f"{len(cells)} values for {len(header)} columns", where=f"{path}, line {number}"
            )
        rows.append(cells)
    lines = np.array([n for n, _ in kept[1:]], np.int64)
    columns = {name: _column([r[i] for r in rows]) for i, name in enumerate(header)}
    lower = {c.lower(): c for c in columns}
    return _pivoted(lines, columns, lower, path) if set(_LONG) <= set(lower) else (lines, columns)


def _cells(line: str, header: str) -> list[str]:
    separator = next((s for s in "\t,;" if s in header), None)
    if separator is None:
        return line.split()
    return [c.strip() for c in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _column(cells: Sequence[str]) -> np.ndarray:
    """Give cells as whole numbers, numbers, booleans or texts: the first that all of them are."""
    given = [c for c in cells if c]
    try:
        if given and len(given) == len(cells):
            return np.array([int(c) for c in cells], np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        if given:
            return np.array([float(c) if c else np.nan for c in cells])
    except ValueError:
        pass
    if given and len(given) == len(cells) and all(c.lower() in _WORDS for c in cells):
        return np.array([_WORDS[c.lower()] for c in cells])
    return np.array(cells, object)


def _pivoted(
    lines: np.ndarray, columns: dict[str, np.ndarray], lower: Mapping[str, str], path: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Make a row for each run of a line for each number of a run."""
    names = [lower[k] for k in ("run", "det_id", "detid") if k in lower]
    keys = list(zip(*(columns[n].tolist() for n in names), strict=True))
    parameter, value = (columns[lower[k]].tolist() for k in _LONG)
    source = columns[lower["source_name"]].tolist() if "source_name" in lower else [""] * len(lines)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    first: dict[tuple[Any, ...], int] = {}
    for i, key in enumerate(keys):
        if str(source[i]).isdigit():
            continue  # of a single module, whose number it is
        row = rows.setdefault(key, dict(zip(names, key, strict=True)))
        first.setdefault(key, int(lines[i]))
        name = str(parameter[i])
        if name in row and row[name] != value[i]:
            about = ", ".join(f"{n} {k}" for n, k in zip(names, key, strict=True))
            raise FormatError(
                f"two values of {name} for {about}",
                where=f"{path}, line {lines[i]}",
                remedy="keep the lines of one SOURCE_NAME",
            )
        row[name] = value[i]
    found = dict.fromkeys(n for row in rows.values() for n in row)
    made = {n: _column([str(row.get(n, "")) for row in rows.values()]) for n in found}
    return np.array(list(first.values()), np.int64), made


def _parquet(path: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputNotFoundError(f"no run list {path!r}", remedy="check the path") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(f"no Parquet: {error}".splitlines()[0], where=path) from error
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64())
        if pa.types.is_boolean(column.type):
            column = column.fill_null(False)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            columns[str(name)] = np.array([v or "" for v in column.to_pylist()], object)
        else:
            columns[str(name)] = column.to_numpy()
    return np.arange(1, table.num_rows + 1), columns
