"""Clean events of noise: by radius and time around seeds, and of hits that nothing is near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.detector.water import KM3NET
from km3gpu.errors import ConfigError, FormatError
from km3gpu.kernels import segments
from km3gpu.kernels.neighbours import Near, Neighbourhood
from km3gpu.stages.flag import stored_bits
from km3gpu.stages.marking import Mode, calibrated, check_mode, finish, marks
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Clean", "Isolated", "clean", "isolated"]

Seeds = Literal["coincidences", "triggered", "found"]
Apart = Literal["hits", "pmts", "modules"]

_PLACE = ("t", "pos_x", "pos_y", "pos_z")
_KEY = ("dom_id", "channel_id", "tdc", "tot")


@dataclass(frozen=True)
class Clean(Stage):
    """Keep seeds and what grows from them: seeded radius-time cleaning.

    Two hits are neighbours within `radius_m` and `time_ns`; with `causal` light
    may take its time over their distance besides.  Each round takes in the hits
    that have enough neighbours among those taken so far.

    Attributes
    ----------
    radius_m : float
        About the distance of modules that see one event: 30 m does well in ORCA,
        100 m in ARCA.
    time_ns : float
        Both ends included, to 1 mm and 3 ps.
    causal : bool
        The time between two hits may be longer by what light needs over their distance.
    seeds : {"coincidences", "triggered", "found"}
        Hits with a ``cluster_id`` (what `Coincidences` found), hits with bits of
        the file, or hits with bits that `Triggers` found.
    core : int
        A seed counts only with so many other seeds, on other modules, as neighbours.
    min_neighbours : int
        Hits taken so far that a hit needs as neighbours to be taken.
    rounds : int
        0 goes on until nothing is added.
    mode : {"keep", "drop", "mark"}
        Keep only these hits, all but these, or all, with the column ``clean``.
    """

    name: ClassVar[str] = "clean"

    radius_m: float
    time_ns: float = 10.0
    causal: bool = True
    seeds: Seeds = "coincidences"
    core: int = 1
    min_neighbours: int = 2
    rounds: int = 3
    mode: Mode = "keep"

    def __post_init__(self) -> None:
        _check(self.radius_m, self.time_ns, self.mode, self.min_neighbours)
        if self.seeds not in get_args(Seeds):
            raise ConfigError(f"seeds = {self.seeds!r}", remedy=f"take {' or '.join(get_args(Seeds))}")
        if self.core < 0 or self.rounds < 0:
            raise ConfigError(f"core = {self.core}, rounds = {self.rounds}", remedy="give 0 or more")

    def reads(self, kind: str) -> Columns:
        """Give time, place and module of hits, and what tells the seeds."""
        of_seeds = {"coincidences": ("cluster_id",), "found": ("trigger_mask",), "triggered": ("trig",)}
        more: Columns = {}
        columns: tuple[str, ...] = of_seeds[self.seeds]
        if self.seeds == "triggered" and kind == "daq":
            columns, more = _KEY, {"triggered_hits": (*_KEY, "trig")}
        return {"hits": tuple(dict.fromkeys((*_PLACE, "dom_id", *columns))), **more}

    def requires(self, kind: str) -> Columns:
        """Give the same: nothing can be done without."""
        return self.reads(kind)

    def writes(self, kind: str) -> Columns:
        """Give the column of marks."""
        return marks(self.mode, "clean")

    def apply(self, chunk: Chunk) -> Result:
        """Find the seeds, let them grow, and select."""
        hits = calibrated(chunk, (*_PLACE, "dom_id"))
        near = _near(self.radius_m, self.time_ns, self.causal)
        columns = tuple(hits.flat(c) for c in _PLACE)
        seeds = self._seeds(chunk, hits) & _placed(columns)
        counters = {"seeds": float(seeds.sum())}
        if self.core:
            index, offsets = segments.compact(seeds, hits.offsets)
            owner = hits.flat("dom_id")[index].astype(np.int64)
            t, x, y, z = (c[index] for c in columns)
            others = Neighbourhood(offsets, t, x, y, z, near, owner).count(most=self.core)
            seeds[index[others < self.core]] = False
            counters["core"] = float(seeds.sum())
        t, x, y, z = columns
        around = Neighbourhood(hits.offsets, t, x, y, z, near)
        kept, done = around.spread(seeds, self.min_neighbours, self.rounds)
        tables, counted = finish(chunk, hits, kept, "clean", self.mode)
        return tables, {**counters, "max_rounds": float(done), **counted}

    def _seeds(self, chunk: Chunk, hits: Table) -> Any:
        if self.seeds == "triggered":
            return stored_bits(chunk)[0] != 0
        column, stage = {
            "coincidences": ("cluster_id", "coincidences"),
            "found": ("trigger_mask", "triggers"),
        }[self.seeds]
        if column not in hits:
            raise FormatError(
                f"hits have no {column} to tell the seeds",
                where=repr(chunk),
                remedy=f"put the stage {stage!r} before",
            )
        values = hits.flat(column)
        return values >= 0 if column == "cluster_id" else values != 0


@dataclass(frozen=True)
class Isolated(Stage):
    """Drop the hits that nothing is near: radius-time cleaning without seeds.

    Attributes
    ----------
    radius_m, time_ns, causal
        As for `Clean`.
    min_neighbours : int
        A hit with fewer neighbours is isolated.
    apart : {"hits", "pmts", "modules"}
        Neighbours are other hits, hits of other PMTs, or of other modules.
    mode : {"keep", "drop", "mark"}
        Keep only isolated hits, all but these, or all, with the column ``isolated``.
    """

    name: ClassVar[str] = "isolated"

    radius_m: float
    time_ns: float = 10.0
    causal: bool = True
    min_neighbours: int = 1
    apart: Apart = "pmts"
    mode: Mode = "drop"

    def __post_init__(self) -> None:
        _check(self.radius_m, self.time_ns, self.mode, self.min_neighbours)
        if self.apart not in get_args(Apart):
            raise ConfigError(f"apart = {self.apart!r}", remedy=f"take {' or '.join(get_args(Apart))}")

    def reads(self, kind: str) -> Columns:
        """Give time, place and PMT of hits."""
        return {"hits": (*_PLACE, "dom_id", "channel_id")}

    def requires(self, kind: str) -> Columns:
        """Give the same: nothing can be done without."""
        return self.reads(kind)

    def writes(self, kind: str) -> Columns:
        """Give the column of marks."""
        return marks(self.mode, "isolated")

    def apply(self, chunk: Chunk) -> Result:
        """Count neighbours, and select."""
        hits = calibrated(chunk, self.reads("")["hits"])
        owner = None
        if self.apart != "hits":
            owner = hits.flat("dom_id").astype(np.int64) << 8
            if self.apart == "pmts":
                owner |= hits.flat("channel_id").astype(np.int64)
        t, x, y, z = (hits.flat(c) for c in _PLACE)
        near = _near(self.radius_m, self.time_ns, self.causal)
        found = Neighbourhood(hits.offsets, t, x, y, z, near, owner).count(most=self.min_neighbours)
        return finish(chunk, hits, found < self.min_neighbours, "isolated", self.mode)


def clean(chunk: Chunk, radius_m: float, time_ns: float = 10.0, **options: Any) -> Chunk:
    """Keep seeds and what grows from them: seeded radius-time cleaning.

    Parameters
    ----------
    chunk : Chunk
        With calibrated ``hits``, after `coincidences`, say.
    radius_m, time_ns : float
        Hits within both are neighbours.
    **options
        Other attributes of `Clean`: ``causal, seeds, core, min_neighbours, rounds, mode``.

    Returns
    -------
    Chunk
        Its hits are those kept, or marked in ``clean``.  An event without seeds
        keeps none.

    Raises
    ------
    ConfigError
        Options that do not go together.
    CalibrationError
        The hits have no time or place.
    FormatError
        Nothing tells which hits are seeds.
    """
    return Clean(radius_m=radius_m, time_ns=time_ns, **options)(chunk)


def isolated(chunk: Chunk, radius_m: float, time_ns: float = 10.0, **options: Any) -> Chunk:
    """Drop the hits that nothing is near.

    Parameters
    ----------
    chunk : Chunk
        With calibrated ``hits``.
    radius_m, time_ns : float
        Hits within both are neighbours.
    **options
        Other attributes of `Isolated`: ``causal, min_neighbours, apart, mode``.

    Returns
    -------
    Chunk
        Its hits are those that are not isolated, or ``isolated`` marks which are.

    Raises
    ------
    ConfigError, CalibrationError
        As for `clean`.
    """
    return Isolated(radius_m=radius_m, time_ns=time_ns, **options)(chunk)


def _check(radius: float, time: float, mode: str, least: int) -> None:
    check_mode(mode)
    if not (0 < radius <= 4096 and 0 <= time <= 1e6):
        raise ConfigError(
            f"radius_m = {radius}, time_ns = {time}", remedy="give up to 4096 m and 1,000,000 ns"
        )
    if least < 1:
        raise ConfigError(f"min_neighbours = {least}", remedy="give 1 or more")


def _near(radius: float, time: float, causal: bool) -> Near:
    return Near(radius, time, 1.0 / KM3NET.speed if causal else 0.0)


def _placed(columns: tuple[Any, ...]) -> Any:
    xp = backend.namespace(columns[0])
    return xp.isfinite(sum(columns))
