"""Keep the events of good runs, as a run list has them, and know how long these took."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from km3gpu import backend
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, Origin, file_digest
from km3gpu.errors import CalibrationError, ConfigError, UnknownNameError
from km3gpu.expressions import Expression
from km3gpu.extras import resolve_path
from km3gpu.run_list import KNOWN_NAMES, RunList
from km3gpu.stages.select import kept_events
from km3gpu.stages.stage import Columns, Result, Stage, located, pairs
from km3gpu.table import UNIT, Ragged, Table

__all__ = ["Run", "Runs", "extracted", "runs"]

_EXTRACT = "runs:"
_OTHERS = ("drop", "error")
_OUTSIDE = ("keep", "drop", "error")


@dataclass(frozen=True)
class Runs(Stage):
    """Keep the events of the runs that a run list has, and of these the good ones.

    Events get the column ``run_livetime`` [s], the livetime of their run, where
    the list says it or when runs start and stop: a histogram over ``run_id`` with
    ``weight = "1 / run_livetime"`` is the rate of each run.  Events outside of the
    times of their run are counted.  A run of several lines was good at the times of
    these.  A plan says at its end which runs were left out and why, and adds up the
    livetime of those that it has read; it does not read files without a good run.

    Attributes
    ----------
    file : str
        The run list: CSV, text with tabs or blanks, Parquet (see `km3gpu.run_list`).
    where : str, optional
        Condition on the columns of the list that good runs fulfil:
        ``"quality > 0"``, ``"JOBTARGET == 'Run' & HRV < 0.2"``; all by default.
    names : mapping of str to str, optional
        Columns of the list for ``run``, ``det_id``, ``start``, ``stop``, ``livetime``, where
        they have names of their own: ``{livetime = "T_eff"}``.
    others : str
        What to do with the events of runs that are not listed, or not good:
        ``"drop"`` or ``"error"``.
    outside : str
        And with those outside of the times of their run: ``"keep"``, ``"drop"`` or
        ``"error"``.  Events without a time, simulated ones, are within.
    """

    name: ClassVar[str] = "runs"

    file: str
    where: str = ""
    names: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    others: str = "drop"
    outside: str = "keep"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", pairs("names", self.names))
        for key, choices in (("others", _OTHERS), ("outside", _OUTSIDE)):
            if getattr(self, key) not in choices:
                raise ConfigError(f"{key} = {getattr(self, key)!r}", remedy=f"take {' or '.join(choices)}")
        for key in dict(self.names):
            if key not in KNOWN_NAMES:
                raise ConfigError(f"names: {key!r}", remedy=f"there is: {', '.join(KNOWN_NAMES)}")
        if self.where:
            with located("where", self.where):
                Expression(self.where)

    def inputs(self) -> tuple[str, ...]:
        """Give the run list."""
        return () if self.file.startswith(_EXTRACT) else (resolve_path(self.file),)

    def reads(self, kind: str) -> Columns:
        """Give detector, run and time."""
        return {"events": ("det_id", "run_id", "time_ns")}

    def requires(self, kind: str) -> Columns:
        """Give the run, and the detector where the list has it."""
        known = self._listed()
        det = ("det_id",) if any(d is not None for d, _ in known.runs) else ()
        return {"events": ("run_id", *det)}

    def writes(self, kind: str) -> Columns:
        """Give the column that is added."""
        return {"events": ("run_livetime",)} if self._listed().livetime else {}

    def _listed(self) -> _Listed:
        if self.file.startswith(_EXTRACT):
            return _loaded(self.file)
        path = resolve_path(self.file)
        return _opened(path, file_digest(path), self.where, tuple(self.names))

    def run(self, det_id: int | None, run_id: int) -> Run:
        """Give what the list says of a run."""
        return self._listed().of(det_id, run_id)

    def good(self) -> list[tuple[int | None, int]]:
        """Give the good runs of the list, by detector and run."""
        return [key for key, run in self._listed().runs.items() if run.good]

    def extract(self, found: Iterable[tuple[int | None, int]]) -> str:
        """Give what the list says of some runs, as text that can stand for `file`.

        So the chunks of an input rest on the lines of their own runs: a line
        that is added to the list makes no old chunk new.
        """
        listed = self._listed()
        rows = [(d, r, listed.of(d, r).to_json()) for d, r in sorted(set(found), key=repr)]
        return _EXTRACT + json.dumps({"livetime": listed.livetime, "runs": rows}, separators=(",", ":"))

    def apply(self, chunk: Chunk) -> Result:
        """Drop the events of other runs, and add the column."""
        events = chunk.events
        host = {c: Backend.to_host(events.flat(c)) for c in ("det_id", "run_id", "time_ns") if c in events}
        n = len(events)
        listed = self._listed()
        keep, livetime = np.ones(n, bool), np.full(n, np.nan)
        counters = dict.fromkeys(("kept", "not_listed", "not_good", "outside"), 0.0)
        whose = np.stack([host.get(c, np.zeros(n, np.int64)) for c in ("det_id", "run_id")], axis=1)
        for det, number in np.unique(whose, axis=0).tolist():
            of = (whose == (det, number)).all(axis=1)
            run = listed.of(det if "det_id" in host else None, number)
            livetime[of] = run.livetime
            if not run.good:
                if self.others == "error":
                    raise CalibrationError(
                        f"run {number} of detector {det} is {run.verdict}",
                        where=chunk.source.path,
                        remedy="correct the run list, or let others = 'drop'",
                    )
                keep &= ~of
                counters["not_good" if run.listed else "not_listed"] += of.sum()
            elif "time_ns" in host:
                out = of & run.misses(host["time_ns"])
                counters["outside"] += out.sum()
                if out.any():
                    counters[f"outside_run_{number}"] = float(out.sum())
                    self._outside(chunk, number, host["time_ns"][out])
                keep &= ~out if self.outside == "drop" else True
        counters["kept"] = float(keep.sum())
        columns = [events.flat(c) for c in host]
        device = backend.of(*columns) if columns else backend.select("cpu")
        tables: dict[str, Table] = dict(chunk.tables)
        if listed.livetime:
            made = device.to_device(livetime)
            tables["events"] = events.with_columns({UNIT + "run_livetime": "s"}, run_livetime=made)
        return tables if keep.all() else kept_events(tables, device.to_device(keep)), counters

    def _outside(self, chunk: Chunk, number: int, times: np.ndarray) -> None:
        if self.outside == "error":
            raise CalibrationError(
                f"{len(times)} events of run {number} are outside of its times, the first at {times[0]} ns",
                where=chunk.source.path,
                remedy="correct the run list, or let outside = 'drop'",
            )


@dataclass(frozen=True)
class Run:
    """What a run list says of a run.

    Attributes
    ----------
    listed, good : bool
        It is in the list, and fulfils the condition.
    livetime : float
        Seconds of its good lines; NaN where the list does not say.
    times : tuple of (int, int)
        Start and stop of its good lines, UTC ns; 0 for no limit.
    """

    listed: bool = False
    good: bool = False
    livetime: float = float("nan")
    times: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values; what is not known is None."""
        return {**asdict(self), "livetime": None if self.livetime != self.livetime else self.livetime}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        """Make what `to_json` described."""
        seconds = float("nan") if data["livetime"] is None else data["livetime"]
        times = tuple((int(a), int(b)) for a, b in data["times"])
        return cls(data["listed"], data["good"], seconds, times)

    @property
    def verdict(self) -> str:
        """In words."""
        return "good" if self.good else "not good" if self.listed else "not in the run list"

    def misses(self, time_ns: np.ndarray) -> np.ndarray:
        """Tell which times are outside of those of the run."""
        if not self.times:
            return np.zeros(len(time_ns), bool)
        within: np.ndarray = time_ns == 0
        for start, stop in self.times:
            within |= (time_ns >= start) & ((time_ns < stop) if stop else True)
        return ~within


class _Listed(NamedTuple):
    livetime: bool
    runs: dict[tuple[int | None, int], Run]

    def of(self, det_id: int | None, run_id: int) -> Run:
        return self.runs.get((det_id, run_id)) or self.runs.get((None, run_id)) or Run()


@functools.lru_cache(maxsize=8)
def _opened(path: str, digest: str, where: str, names: tuple[tuple[str, str], ...]) -> _Listed:
    found = RunList.open(path, dict(names))
    good = _good(found, where)
    runs: dict[tuple[int | None, int], Run] = {}
    for key, rows in found.by_run().items():
        some = [r for r in rows if good[r]]
        seconds = float("nan") if found.livetime is None else float(found.livetime[some].sum())
        limits = [np.zeros(len(found), np.int64) if x is None else x for x in (found.start, found.stop)]
        times = tuple((int(limits[0][r]), int(limits[1][r])) for r in some)
        runs[key] = Run(True, bool(some), seconds if some else 0.0, times if any(map(any, times)) else ())
    return _Listed(found.livetime is not None, runs)


def _good(found: RunList, where: str) -> np.ndarray:
    if not where:
        return np.ones(len(found), bool)
    columns = {n: _texts(v.tolist()) if v.dtype.kind == "O" else v for n, v in found.columns.items()}
    origin = Origin(found.path, "runs", "", 0, len(found))
    rows = Chunk(origin, {"events": Table("events", columns)})
    with located("where", where):
        for name in Expression(where).reads.get("events", ()):
            if name not in columns:
                raise UnknownNameError.of("column", name, columns, where=found.path)
        return np.asarray(Expression(where).mask(rows), bool)


def _texts(values: list[Any]) -> Ragged:
    words = [str(v).encode() for v in values]
    offsets = np.concatenate([[0], np.cumsum([len(w) for w in words])]).astype(np.int64)
    return Ragged(offsets, np.frombuffer(b"".join(words), np.uint8), text=True)


@functools.lru_cache(maxsize=64)
def _loaded(text: str) -> _Listed:
    data = json.loads(text.removeprefix(_EXTRACT))
    return _Listed(data["livetime"], {(d, r): Run.from_json(run) for d, r, run in data["runs"]})


def extracted(text: str | None) -> dict[tuple[int | None, int], Run]:
    """Give the runs of what `Runs.extract` made, by detector and run; of another text none."""
    return _loaded(text).runs if text is not None and text.startswith(_EXTRACT) else {}


def runs(chunk: Chunk, file: str, where: str = "", **options: Any) -> Chunk:
    """Keep the events of the good runs of a run list (see `Runs`).

    Parameters
    ----------
    chunk : Chunk
    file : str
        Run list.
    where : str
        Condition on its columns.
    **options
        ``names``, ``others``, ``outside``.

    Returns
    -------
    Chunk
        Events may have the column ``run_livetime`` [s].

    Raises
    ------
    CalibrationError
        A run that is not good, or events outside of its times, where that is an error.
    FormatError, ConfigError, UnknownNameError
        Of the run list, or the condition.
    """
    return Runs(file, where, **options)(chunk)
