"""Which calibration holds for which run: a table of run or time ranges and files.

As CSV, with a header line::

    first_run, last_run, detector,          orientations
    1,         7999,     det_2022.datx,     ori_2022.root
    8000,      ,         det_2023.datx,

or as TOML, a table ``[[calibration]]`` for each line with the same keys.  The
columns ``first_run, last_run`` (inclusive), ``first_time, last_time`` (ISO 8601, UTC;
the last is not included) and ``det_id`` say for what a line holds, ``comment`` says
anything, and ``detector, orientations, shapes, pmts`` are parameters of stages with the file
to take.  What is left empty does not limit, and names no file.  Files are relative to the table.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from km3gpu.errors import (
    CalibrationError,
    ConfigError,
    FormatError,
    InputNotFoundError,
    UnknownNameError,
    closest,
)
from km3gpu.extras import TESTDATA, resolve_path
from km3gpu.tomlfile import read_toml

__all__ = ["PARAMETERS", "CalibrationTable", "Line", "is_table"]

PARAMETERS = ("detector", "orientations", "shapes", "pmts")
_RANGES = ("first_run", "last_run", "first_time", "last_time", "det_id")
_SUFFIXES = (".csv", ".toml")


def is_table(name: object) -> bool:
    """Tell whether a parameter of a stage names such a table instead of a file."""
    return isinstance(name, str) and Path(name).suffix.lower() in _SUFFIXES


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes
    ----------
    where : str
        File and line.
    first_run, last_run : int, optional
        Both inclusive.
    first_time, last_time : int, optional
        UTC ns since 1970; the last is not included.
    det_id : int, optional
    files : mapping of str to str
        By parameter: absolute paths.
    """

    where: str
    first_run: int | None
    last_run: int | None
    first_time: int | None
    last_time: int | None
    det_id: int | None
    files: Mapping[str, str]

    def holds(self, run: int | None, time_ns: int | None, det_id: int | None) -> bool:
        """Tell whether the line is for such data; a range of what is unknown is for none."""
        return (
            _within(run, self.first_run, None if self.last_run is None else self.last_run + 1)
            and _within(time_ns, self.first_time, self.last_time)
            and (self.det_id is None or det_id == self.det_id)
        )


def _within(value: int | None, first: int | None, end: int | None) -> bool:
    if first is None and end is None:
        return True
    return value is not None and (first is None or value >= first) and (end is None or value < end)


@dataclass(frozen=True)
class CalibrationTable:
    """The table.

    Attributes
    ----------
    path : str
    lines : tuple of Line
    parameters : tuple of str
        The columns that name files.
    """

    path: str
    lines: tuple[Line, ...]
    parameters: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path) -> CalibrationTable:
        """Read a table.

        Raises
        ------
        InputNotFoundError
            No such file.
        ConfigError, FormatError
            A line does not make sense; it is named.
        """
        name = resolve_path(str(path))
        rows = _toml(name) if name.lower().endswith(".toml") else _csv(name)
        folder = Path(name).resolve().parent
        for where, row in rows:
            for key in row:
                if key not in (*_RANGES, *PARAMETERS, "comment"):
                    names = ", ".join(closest(key, (*_RANGES, *PARAMETERS, "comment")))
                    raise ConfigError(f"unknown column {key!r}", where=where, remedy=f"there is: {names}")
        parameters = tuple(p for p in PARAMETERS if any(p in row for _, row in rows))
        if not parameters:
            raise FormatError("no column names files", where=name, remedy="add one, detector say")
        return cls(name, tuple(_line(where, row, folder) for where, row in rows), parameters)

    def files(self) -> tuple[str, ...]:
        """Give all files that are named."""
        return tuple(dict.fromkeys(f for line in self.lines for f in line.files.values()))

    def file(
        self, parameter: str, run: int | None = None, time_ns: int | None = None, det_id: int | None = None
    ) -> str | None:
        """Give the file of a parameter for some data.

        Parameters
        ----------
        parameter : str
            Name of the column: ``"detector"``.
        run : int, optional
        time_ns : int, optional
            UTC ns since 1970.
        det_id : int, optional

        Returns
        -------
        str or None
            None where the line that holds names none.

        Raises
        ------
        UnknownNameError
            No such column.
        CalibrationError
            No line holds, or several do.
        """
        if parameter not in self.parameters:
            raise UnknownNameError.of("column", parameter, self.parameters, where=self.path)
        found = [line for line in self.lines if line.holds(run, time_ns, det_id)]
        what = _of(run, time_ns, det_id)
        if not found:
            raise CalibrationError(
                f"no line for {what}", where=self.path, remedy=f"add one; there are {self._told()}"
            )
        if len(found) > 1:
            raise CalibrationError(
                f"{len(found)} lines for {what}",
                where=" and ".join(line.where for line in found[:2]),
                remedy="let their ranges not overlap",
            )
        return found[0].files.get(parameter)

    def _told(self) -> str:
        runs = [
            f"{'' if x.first_run is None else x.first_run}-{'' if x.last_run is None else x.last_run}"
            for x in self.lines
            if x.first_run is not None or x.last_run is not None
        ]
        return f"lines for runs {', '.join(runs[:6])}" if runs else f"{len(self.lines)} lines"


def _of(run: int | None, time_ns: int | None, det_id: int | None) -> str:
    words = "data without a run" if run is None else f"run {run}"
    words += "" if det_id is None else f" of detector {det_id}"
    if time_ns is not None:
        words += f" at {dt.datetime.fromtimestamp(time_ns // 10**9, dt.UTC):%Y-%m-%dT%H:%M:%S}"
    return words


def _csv(name: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise InputNotFoundError(f"no file {name!r}", remedy="check the path") from None
    except UnicodeDecodeError:
        raise FormatError("no text", where=name, remedy="write the table as UTF-8") from None
    rows: list[tuple[str, dict[str, Any]]] = []
    header: list[str] | None = None
    for number, cells in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), 1):
        cells = [c.strip() for c in cells]
        if not any(cells) or cells[0].startswith("#"):
            continue
        where = f"{name}, line {number}"
        if header is None:
            header = cells
            if len(set(header)) < len(header) or "" in header:
                raise FormatError("column names must differ, and not be empty", where=where)
            continue
        if len(cells) > len(header):
            raise FormatError(f"{len(cells)} values for {len(header)} columns", where=where)
        rows.append((where, {k: v or None for k, v in zip_longest(header, cells, fillvalue="")}))
    if not rows:
        raise FormatError("the table is empty", where=name, remedy="write a header and a line for each range")
    return rows


def _toml(name: str) -> list[tuple[str, dict[str, Any]]]:
    document = read_toml(name)
    found = document.data.get("calibration")
    if not isinstance(found, list) or not found or not all(isinstance(r, dict) for r in found):
        raise FormatError("no [[calibration]]", where=name, remedy="write one for each range")
    return [(document.section("calibration", i).where(), row) for i, row in enumerate(found)]


def _line(where: str, row: Mapping[str, Any], folder: Path) -> Line:
    numbers = {k: _integer(k, row.get(k), where) for k in ("first_run", "last_run", "det_id")}
    times = {k: _time(k, row.get(k), where) for k in ("first_time", "last_time")}
    for low, high, values in (
        ("first_run", "last_run", numbers),
        ("first_time", "last_time", times),
    ):
        a, b = values[low], values[high]
        if a is not None and b is not None and a > b:
            raise ConfigError(f"{low} is after {high}", where=where, remedy="exchange them")
    files = {}
    for key, value in row.items():
        if key not in PARAMETERS or value is None:
            continue
        if not isinstance(value, str):
            raise ConfigError(f"{key} = {value!r} is no path", where=where, remedy="give a file in quotes")
        remote = value.startswith(TESTDATA) or "://" in value
        files[key] = resolve_path(value) if remote else str(folder / Path(value).expanduser())
    return Line(where, numbers["first_run"], numbers["last_run"], times["first_time"], times["last_time"],
                numbers["det_id"], files)  # fmt: skip


def _integer(key: str, value: Any, where: str) -> int | None:
    if value is None:
        return None
    try:
        if isinstance(value, bool | float):
            raise ValueError(value)
        return int(value)
    except (ValueError, TypeError):
        raise ConfigError(f"{key} = {value!r} is no whole number", where=where) from None


def _time(key: str, value: Any, where: str) -> int | None:
    if value is None:
        return None
    try:
        time = value if isinstance(value, dt.date) else dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(
            f"{key} = {value!r} is no time", where=where, remedy="write 2023-10-04T10:46:51, in UTC"
        ) from None
    if not isinstance(time, dt.datetime):
        time = dt.datetime(time.year, time.month, time.day)
    time = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return round((time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1)) * 1000
