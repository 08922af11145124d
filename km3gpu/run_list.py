"""Run lists: which runs there are, when they were taken and for how long, and how good they are.

A run list is a table with a line for each run, or for each time in which a run
is good: text with a header (CSV, tabs, semicolons or blanks) or Parquet.  It may be
what the run database gives out as ``runs`` (``RUN, UNIXJOBSTART, UNIXJOBEND,
JOBTARGET`` ..., tabs, milliseconds) or as ``runsummarynumbers`` (``RUN,
PARAMETER_NAME, DATA_VALUE``, a line for each number), a table of run quality
(``run, det_id, UTCMin_s, UTCMax_s, livetime_s`` ...), or one's own.

Names are compared without regard to case; the first that is there is taken:

=========  ===============================================================
run        ``run``, ``run_id``, ``run_number``
det_id     ``det_id``, ``detid``, ``detector``; not the database's ``DETOID``
start      ``start``, ``utcmin_s``, ``unixjobstart``, ``unixstarttime``
stop       ``stop``, ``end``, ``utcmax_s``, ``unixjobend``
livetime   ``livetime``, ``livetime_s`` [s]; without, that from start to stop
=========  ===============================================================

Times are ISO 8601 (UTC) or numbers since 1970, whose size says whether they
are s, ms, us or ns.  All other columns are for conditions (``HRV < 0.1``).
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, UnknownNameError
from km3gpu.extras import resolve_path

__all__ = ["KNOWN_NAMES", "RunList"]

KNOWN_NAMES = {
    "run": ("run", "run_id", "run_number"),
    "det_id": ("det_id", "detid", "detector"),
    "start": ("start", "utcmin_s", "unixjobstart", "unixstarttime"),
    "stop": ("stop", "end", "utcmax_s", "unixjobend"),
    "livetime": ("livetime", "livetime_s"),
}
_LONG = ("parameter_name", "data_value")
_WORDS = {"true": True, "false": False}
# units of a number since 1970: what it is multiplied with to be ns, and from where on it is of that unit
_UNITS = ((1e17, 1), (1e14, 10**3), (1e11, 10**6), (1e8, 10**9))


@dataclass(frozen=True, eq=False)
class RunList:
    """A run list; one row per line.

    Attributes
    ----------
    path : str
    run : (n,) int64 array
    det_id : (n,) int64 array or None
        None where the list does not say: the runs are those of any detector.
    start, stop : (n,) int64 array or None
        UTC ns since 1970, 0 where a line does not say.  The stop is not included.
    livetime : (n,) float64 array or None
        Seconds, NaN where a line does not say.
    columns : mapping of str to array
        All columns of the file, of numbers, booleans, or texts (object).
    lines : (n,) int64 array
        Where each row is in the file, from 1; of Parquet the row.
    """

    path: str
    run: np.ndarray
    det_id: np.ndarray | None
    start: np.ndarray | None
    stop: np.ndarray | None
    livetime: np.ndarray | None
    columns: Mapping[str, np.ndarray]
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.run)

    @classmethod
    def open(
        cls, path: str | Path, names: Mapping[str, str] | None = None, *, numbered: bool = True
    ) -> RunList:
        """Read a run list.

        Parameters
        ----------
        path : str or Path
        names : mapping of str to str, optional
            Column of the file for ``run``, ``det_id``, ``start``, ``stop`` or ``livetime``,
            where it has a name of its own.
        numbered : bool
            Whether there must be a column of runs; without one the rows are numbered from 0.

        Raises
        ------
        InputNotFoundError
            No such file.
        FormatError
            No column of runs, or a value that is no run, time or number: the line is named.
        ConfigError, UnknownNameError
            `names` has another key, or a column that is not there.
        """
        name = resolve_path(str(path))
        lines, columns = _parquet(name) if name.lower().endswith((".parquet", ".pq")) else _text(name)
        if not len(lines):
            raise FormatError("a run list without runs", where=name, remedy="write a line for each run")
        chosen = _chosen(columns, dict(names or {}), name, numbered)
        place = [f"{name}, line {n}" for n in lines]
        got = {key: _QUANTITIES[key](columns[c], c, place) for key, c in chosen.items()}
        rest = {key: got.get(key) for key in KNOWN_NAMES if key != "run"}
        return cls(
            path=name, run=got.get("run", np.arange(len(lines))), **rest, columns=columns, lines=lines
        )._checked()

    def _checked(self) -> RunList:
        """Refuse a run that ends before it begins, and times of one run that overlap."""
        start, stop, livetime = self.start, self.stop, self.livetime
        if start is not None and stop is not None:
            odd = np.flatnonzero((stop < start) & (stop != 0))
            if len(odd):
                raise FormatError(
                    f"run {self.run[odd[0]]} stops before it starts", where=self._where(int(odd[0]))
                )
        if livetime is None and start is not None and stop is not None:
            known = (start != 0) & (stop != 0)
            livetime = np.where(known, (stop - start) / 1e9, np.nan)
        for rows in self.by_run().values():
            for a, b in itertools.pairwise(rows):
                if start is None or stop is None or stop[a] > start[b] or 0 in (stop[a], start[b]):
                    raise FormatError(
                        f"run {self.run[a]} is there twice" + (", at one time" if start is not None else ""),
                        where=f"{self._where(a)} and line {self.lines[b]}",
                        remedy="write each run, or each good time of a run, once",
                    )
        return replace(self, livetime=livetime)

    def _where(self, row: int) -> str:
        return f"{self.path}, line {self.lines[row]}"

    def by_run(self) -> dict[tuple[int | None, int], list[int]]:
        """Give the rows of each detector and run, in the order of their start."""
        found: dict[tuple[int | None, int], list[int]] = {}
        order = range(len(self)) if self.start is None else np.argsort(self.start, kind="stable").tolist()
        for row in order:
            det = None if self.det_id is None else int(self.det_id[row])
            found.setdefault((det, int(self.run[row])), []).append(row)
        return found


def _chosen(
    columns: Mapping[str, np.ndarray], names: Mapping[str, str], where: str, numbered: bool
) -> dict[str, str]:
    """Find the column of each quantity that there is."""
    for key in names:
        if key not in KNOWN_NAMES:
            raise ConfigError(str(UnknownNameError.of("quantity", key, KNOWN_NAMES)))
    lower = {c.lower(): c for c in reversed(list(columns))}
    found: dict[str, str] = {}
    for key, known in KNOWN_NAMES.items():
        if key in names and names[key] not in columns:
            raise UnknownNameError.of("column", names[key], columns, where=where)
        if (name := names.get(key) or next((lower[k] for k in known if k in lower), None)) is not None:
            found[key] = name
    if numbered and "run" not in found:
        raise FormatError(
            "no column of runs",
            where=where,
            remedy=f"call it 'run', or say which: names = {{run = '{next(iter(columns))}'}}",
        )
    return found


def _whole(values: np.ndarray, name: str, place: Sequence[str]) -> np.ndarray:
    bad = np.ones(len(values), bool)
    if values.dtype.kind in "iuf":
        bad = ~(np.mod(values, 1) == 0)
    if bad.any():
        row = int(bad.argmax())
        raise FormatError(f"{name} = {values[row]} is no whole number", where=place[row])
    return values.astype(np.int64)


def _seconds(values: np.ndarray, name: str, place: Sequence[str]) -> np.ndarray:
    bad = np.ones(len(values), bool) if values.dtype.kind not in "iuf" else values < 0
    if bad.any():
        row = int(bad.argmax())
        raise FormatError(f"{name} = {values[row]} are no seconds", where=place[row])
    return values.astype(np.float64)


def _times(values: np.ndarray, name: str, place: Sequence[str]) -> np.ndarray:
    return np.array(
        [_time(v, name, where) for v, where in zip(values.tolist(), place, strict=True)], np.int64
    )


def _time(value: Any, name: str, where: str) -> int:
    if value is None or value == "" or value != value or value == 0:
        return 0
    remedy = "write 2023-10-04T10:46:51, in UTC, or s, ms, us or ns since 1970"
    if isinstance(value, str) and "-" not in value:  # Python reads eight digits and more as a date
        with contextlib.suppress(ValueError):
            value = int(value) if value.isdigit() else float(value)
    if isinstance(value, int | float):
        for least, unit in _UNITS:
            if value >= least:  # whole numbers stay exact: a double has no ns of today
                return value * unit if isinstance(value, int) else round(value * unit)
        raise FormatError(f"{name} = {value!r} is no time since 1970", where=where, remedy=remedy)
    try:
        time = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise FormatError(f"{name} = {value!r} is no time", where=where, remedy=remedy) from None
    time = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return round((time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1)) * 1000


_QUANTITIES = {"run": _whole, "det_id": _whole, "start": _times, "stop": _times, "livetime": _seconds}


# -- files ------------------------------------------------------------------------
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
