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
import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.extras import resolve_path
from km3gpu.run_columns import read_columns

__all__ = ["KNOWN_NAMES", "RunList"]

KNOWN_NAMES = {
    "run": ("run", "run_id", "run_number"),
    "det_id": ("det_id", "detid", "detector"),
    "start": ("start", "utcmin_s", "unixjobstart", "unixstarttime"),
    "stop": ("stop", "end", "utcmax_s", "unixjobend"),
    "livetime": ("livetime", "livetime_s"),
}
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
        lines, columns = read_columns(name)
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
