"""Build events from a continuous stream of timeslices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError
from km3gpu.stages.event_builder import EventBuilder
from km3gpu.stages.geometry import DetectorLike, detector_files
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.stages.triggers import ParametersLike, parameters_of
from km3gpu.table import Table
from km3gpu.trigger import finding, sets
from km3gpu.trigger.buffer import FRAME_NS, SLACK_NS
from km3gpu.trigger.roots import reach

__all__ = ["BuildEvents", "build_events"]

_RAW = ("dom_id", "channel_id", "tdc", "tot")
_SLICE = ("det_id", "run_id", "frame_index", "time_ns")
_STATUS = ("hrv", "fifo", "udp_trailer", "udp_packets", "udp_highest")
_MADE = (
    "trigger_mask", "overlays", "t_first", "t_last", "n_triggered", "root_frame", "continued", "n_hits",
)  # fmt: skip


@dataclass(frozen=True)
class BuildEvents(Stage):
    """Build events from the timeslices of a chunk.

    Chunks of a plan know nothing of each other, so each reads the two slices
    before and after each of its own as well, wherever in the file they are, and
    keeps the events whose first root is in a slice of its own: every event of a
    file comes out once, as a stream of the whole file gives it, in the order of
    the slices in the file.  Where that cannot be guaranteed (a burst without an
    end through a whole slice before), it is an error.  From Python, without a
    plan, see `build_events`.

    Attributes
    ----------
    detector : str or Detector, optional
        See `EventBuilder`.
    parameters : str or TriggerParameters, optional
        See `km3gpu.stages.Triggers`.
    veto, unknown, before, after, longest
        See `EventBuilder`.
    """

    name: ClassVar[str] = "build_events"
    neighbours: ClassVar[int] = 2

    detector: DetectorLike | None = None
    parameters: ParametersLike | None = None
    veto: bool = True
    unknown: Literal["error", "mark"] = "error"
    before: float | None = None
    after: float | None = None
    longest: float = 1e6

    def __post_init__(self) -> None:
        if isinstance(self.parameters, str) and not self.parameters.endswith(".toml"):
            sets.named(self.parameters)
        if self.unknown not in ("error", "mark"):
            raise ConfigError(f"unknown = {self.unknown!r}", remedy="take 'error' or 'mark'")
        if not 0 <= self.longest <= SLACK_NS:
            raise ConfigError(f"longest = {self.longest}", remedy=f"take 0 to {SLACK_NS:.0f} ns")

    def inputs(self) -> tuple[str, ...]:
        """Give the files of the detector and of the parameters."""
        files = detector_files(self.detector)
        given = self.parameters
        return (*files, given) if isinstance(given, str) and given.endswith(".toml") else files

    def reads(self, kind: str) -> Columns:
        """Give the hits, and what slices and frames say of themselves."""
        hits = _RAW if self.detector is not None else (*finding.HIT_COLUMNS, "tdc")
        wanted: dict[str, tuple[str, ...]] = {"events": _SLICE, "hits": hits}
        if self.veto:
            wanted["frames"] = ("dom_id", "n_hits", *_STATUS)
        return wanted

    def writes(self, kind: str) -> Columns:
        """Give the columns of the events, and of the hits of their snapshots."""
        return {"events": (*_SLICE, *_MADE), "hits": (*finding.HIT_COLUMNS, "tdc", "trigger_mask")}

    def apply(self, chunk: Chunk) -> Result:
        """Replace slices by the events in them."""
        slices = chunk.events
        frames = backend.Backend.to_host(slices.flat("frame_index")).astype(np.int64)
        own = np.ones(len(frames), bool)
        if "own" in slices:
            own = backend.Backend.to_host(slices.flat("own"))
        builder = EventBuilder(
            self.detector, self.parameters, veto=self.veto, unknown=self.unknown,
            before=self.before, after=self.after, longest=self.longest, late=len(frames),
        )  # fmt: skip
        nothing = builder.push(chunk)
        made = builder.close() if len(frames) else nothing
        assert made is not None
        root = backend.Backend.to_host(made.events.flat("root_frame")).astype(np.int64)
        mine = np.isin(root, frames[own])
        self._check(chunk, made, frames, own, mine)
        # what the plan wrote beside the slices goes along with the events of their frames
        order = np.argsort(frames, kind="stable")
        of_slice = order[np.searchsorted(frames[order], root[mine])] if len(frames) else root[mine]
        # a file need not have its slices in order: events are in that of the file, however it is cut
        placed = np.argsort(of_slice, kind="stable")
        of_slice = of_slice[placed]
        index = backend.of(chunk.hits.offsets).to_device(np.flatnonzero(mine)[placed])
        events = made.events.take_events(index)
        columns = {c: events.flat(c) for c in events.columns if c != "trigger_counter"}
        for c in ("entry", "label"):
            if c in slices:
                column, rows = slices.flat(c), backend.of(index).to_device(of_slice)
                columns[c] = column.take(rows) if hasattr(column, "content") else column[rows]
        tables = {"events": Table("events", columns, attrs=events.attrs)}
        tables["hits"] = made.hits.take_events(index)
        counters = {"slices": float(own.sum()), "slices_around": float((~own).sum())}
        counters |= {"events": float(mine.sum()), "hits": float(len(tables["hits"]))}
        return tables, counters

    def __call__(self, chunk: Chunk) -> Chunk:
        """Give the events; frames, and what else slices have, are left behind."""
        made = super().__call__(chunk)
        kept = {name: made.tables[name] for name in ("events", "hits")}
        return Chunk(made.source, kept, made.history, made.counters)

    def _check(
        self, chunk: Chunk, made: Chunk, frames: np.ndarray, own: np.ndarray, mine: np.ndarray
    ) -> None:
        """See that no event of a slice of its own depends on slices that were not read."""
        if own.all():
            return
        parameters = parameters_of(self.parameters, chunk)
        ours = set(frames[own].tolist())
        firsts = [f for f in sorted(set(frames.tolist())) if f - 1 not in frames and f not in ours]
        events = {
            c: backend.Backend.to_host(made.events.flat(c)) for c in ("frame_index", "t_first", "continued")
        }
        start = events["frame_index"] * FRAME_NS + events["t_first"]
        wait = SLACK_NS + reach(parameters) + parameters.t_max_event_ns + parameters.t_max_local_ns
        offsets = backend.Backend.to_host(chunk.hits.offsets)
        for first in firsts:
            last = first
            while last + 1 in frames:
                last += 1
            of_run = (start >= first * FRAME_NS - SLACK_NS) & (start <= (last + 1) * FRAME_NS + SLACK_NS)
            alone = of_run & ~events["continued"] & (start > first * FRAME_NS + wait)
            known = np.maximum.accumulate(alone) if len(alone) else alone
            k = int(np.flatnonzero(frames == first)[0])
            module = backend.Backend.to_host(chunk.hits.flat("dom_id")[offsets[k] : offsets[k + 1]])
            # fewer hits leave a gap of more than a window, after which coincidences are known
            crowd = len(module) * parameters.t_max_local_ns >= FRAME_NS - 2 * SLACK_NS
            if crowd:
                most = int(np.unique(module, return_counts=True)[1].max())
                crowd = most * parameters.t_max_local_ns >= FRAME_NS - 2 * SLACK_NS
            if crowd or (of_run & mine & ~known).any():
                raise FormatError(
                    f"slice {first} has no quiet moment to begin from",
                    where=repr(chunk),
                    remedy="take larger chunks, or build_events over the whole stream",
                )


def build_events(
    chunks: Iterable[Chunk],
    detector: DetectorLike | None = None,
    parameters: ParametersLike | None = None,
    **options: Any,
) -> Iterator[Chunk]:
    """Build events from a continuous stream of timeslices.

    Parameters
    ----------
    chunks : iterable of Chunk
        Timeslices, as ``km3gpu.open(path, tree=...).chunks()`` gives them.  A
        chunk of another run ends the run before.
    detector : Detector or str, optional
        See `EventBuilder`.
    parameters : TriggerParameters or str, optional
        See `km3gpu.stages.Triggers`.
    **options
        Other arguments of `EventBuilder`.

    Yields
    ------
    Chunk
        Events that are complete, one chunk for each that came and one for each
        end of a run; some may be empty.

    Raises
    ------
    FormatError, CalibrationError, ConfigError
        See `EventBuilder.push`.

    Examples
    --------
    >>> slices = km3gpu.open("run.root", tree="KM3NET_TIMESLICE_L1").chunks("64 MB")
    >>> for events in build_events(slices, "detector.detx"):
    ...     print(events.events.flat("trigger_mask"))
    """
    builder = EventBuilder(detector, parameters, **options)
    run = None
    for chunk in chunks:
        if not chunk.n_events:
            continue
        own = tuple(int(chunk.events.flat(c)[0]) for c in ("det_id", "run_id"))
        if run not in (None, own) and (last := builder.close()) is not None:
            yield last
        run = own
        yield builder.push(chunk)
    if (last := builder.close()) is not None:
        yield last
