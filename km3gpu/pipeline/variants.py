"""Stages that differ from input to input: where a parameter names a table of calibrations.

A table (see `km3gpu.detector.calibration_table`) takes the place of a file:
``detector = "calibration.csv"``.  It is resolved when the run is planned, for
each input by its run, time and detector, so that the chunks of an input know
the one file that they rest on: a new line in the table makes no old chunk new.
A run list (see `km3gpu.stages.runs`) is resolved likewise, to what it says of the
runs of the input, and so are numbers of the header (`km3gpu.stages.header`).
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence

import numpy as np

from km3gpu.chunk import file_digest
from km3gpu.detector.calibration_table import PARAMETERS, CalibrationTable, is_table
from km3gpu.errors import ConfigError
from km3gpu.extras import resolve_path
from km3gpu.io.source import Source
from km3gpu.stages.header import Header
from km3gpu.stages.runs import Run, Runs, extracted
from km3gpu.stages.stage import Stage

__all__ = ["Files", "files_of", "resolve", "runs_of", "tables_of", "totalled", "varied"]

Files = tuple[tuple[int, str, str | None], ...]
"""Position of a stage, name of its parameter, what to take: a file of a table, or runs of a run list."""


def tables_of(stages: Sequence[Stage]) -> list[tuple[int, str, str]]:
    """Give position, parameter and path of all tables that stages name."""
    found = []
    for n, stage in enumerate(stages):
        files = set(stage.inputs())
        for f in dataclasses.fields(stage):
            value = getattr(stage, f.name)
            if f.name in PARAMETERS and is_table(value) and resolve_path(value) in files:
                found.append((n, f.name, resolve_path(value)))
    return found


def resolve(stages: Sequence[Stage], source: Source) -> Files:
    """Look up what the tables say for a data file.

    Parameters
    ----------
    stages : sequence of Stage
    source : Source
        One file.

    Returns
    -------
    Files
        Empty without tables.

    Raises
    ------
    CalibrationError
        A table has no line for the file, or several.
    ConfigError
        The events of the file need several, or a line names no file for a stage
        that needs one.
    """
    tables = tables_of(stages)
    lists = [(n, stage) for n, stage in enumerate(stages) if isinstance(stage, Runs)]
    made: list[tuple[int, str, str | None]] = [
        (n, "values", stage.extract(source.header, source.paths[0]))
        for n, stage in enumerate(stages)
        if isinstance(stage, Header) and not stage.values
    ]
    if not (tables or lists) or source.n_events == 0:
        return tuple(made)
    facts = _facts(source)
    for n, stage in lists:
        numbers = [(about.get("det_id"), about.get("run")) for about in facts]
        made.append((n, "file", stage.extract((d, r) for d, r in numbers if r is not None)))
    for n, name, path in tables:
        table = _open(path, file_digest(path))
        files = {table.file(name, **about) for about in facts}
        if len(files) > 1:
            raise ConfigError(
                f"the events of {source.paths[0]!r} need two files as {name}",
                where=path,
                remedy="split the file at the border of the range",
            )
        (file,) = files
        field = next(f for f in dataclasses.fields(stages[n]) if f.name == name)
        if file is None and field.default is not None:
            raise ConfigError(
                f"the line for {source.paths[0]!r} has no {name}", where=path, remedy="name the file"
            )
        made.append((n, name, file))
    return tuple(made)


def varied(stages: Sequence[Stage], files: Files) -> tuple[Stage, ...]:
    """Give the stages with the files that tables gave in the places of the tables."""
    made = list(stages)
    for n, name, file in files:
        made[n] = dataclasses.replace(made[n], **{name: file})
    return tuple(made)


def runs_of(files: Files) -> dict[tuple[int | None, int], Run]:
    """Give what run lists said of the runs of an input, by detector and run; of several the worst."""
    found: dict[tuple[int | None, int], Run] = {}
    for _, _, value in files:
        for key, run in extracted(value).items():
            if key not in found or found[key].good:
                found[key] = run
    return found


def files_of(files: Files) -> list[str]:
    """Give the files that tables gave."""
    return [value for _, name, value in files if value is not None and name in PARAMETERS]


def totalled(stages: Sequence[Stage], inputs: Sequence[tuple[str, Files]]) -> list[Files]:
    """Put sums over the inputs of a label in the place of numbers of headers, where they are asked for.

    Parameters
    ----------
    stages : sequence of Stage
    inputs : sequence of (str, Files)
        Label of each input, and what `resolve` gave.

    Returns
    -------
    list of Files
        In the order of the inputs.
    """
    sums: dict[tuple[str, int, str], float] = {}
    for label, files in inputs:
        for n, _, value in files:
            stage = stages[n]
            for column in stage.total if isinstance(stage, Header) else ():
                sums[label, n, column] = sums.get((label, n, column), 0.0) + json.loads(value or "")[column]
    made = []
    for label, files in inputs:
        own: list[tuple[int, str, str | None]] = []
        for n, name, value in files:
            if isinstance(stages[n], Header):
                numbers = json.loads(value or "")
                numbers |= {c: sums[label, n, c] for c in numbers if (label, n, c) in sums}
                value = json.dumps(numbers, sort_keys=True)
            own.append((n, name, value))
        made.append(tuple(own))
    return made


def _facts(source: Source) -> list[dict[str, int | None]]:
    """Give run, detector, and first and last time of the events, as far as the file has them.

    All events are looked at: they need not be in the order of time.
    """
    have = source.tables.get("events", ())
    names = [c for c in ("run_id", "det_id", "time_ns") if c in have]
    if not names:
        return [{}]
    spans: dict[tuple[int | None, int | None], tuple[int, int]] = {}
    for chunk in source.chunks(columns={"events": tuple(names)}, backend="cpu"):
        got = {c: chunk.events.flat(c) for c in names}
        whose = np.stack([got.get(c, np.zeros(len(chunk), np.int64)) for c in ("run_id", "det_id")], axis=1)
        times = got.get("time_ns", np.zeros(len(chunk), np.int64))
        for run, det in np.unique(whose, axis=0).tolist():
            some = times[(whose == (run, det)).all(axis=1)]
            key = (run if "run_id" in got else None, det if "det_id" in got else None)
            low, high = spans.get(key, (int(some[0]), int(some[0])))
            spans[key] = (min(low, int(some.min())), max(high, int(some.max())))
    return [
        {"run": run, "det_id": det, "time_ns": time or None}  # simulated events carry no time
        for (run, det), span in spans.items()
        for time in dict.fromkeys(span)
    ]


@functools.lru_cache(maxsize=16)
def _open(path: str, digest: str) -> CalibrationTable:
    return CalibrationTable.open(path)
