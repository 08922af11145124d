"""Events from timeslices as they come: calibrated, triggered, cut out of the stream."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Literal

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.stages.geometry import DetectorLike, detector_of
from km3gpu.stages.triggers import ParametersLike, parameters_of, placed_hits
from km3gpu.stages.veto import Veto
from km3gpu.table import Table
from km3gpu.trigger import sets
from km3gpu.trigger.parameters import TriggerParameters
from km3gpu.trigger.stream import TriggerStream
from km3gpu.trigger.stream_events import StreamEvents

__all__ = ["EventBuilder"]

_RAW = ("tdc",)
_SLICE = ("det_id", "run_id", "frame_index", "time_ns")
_EVENTS = {"frame_index": np.int32, "n_triggered": np.int64, "root_frame": np.int32}


class EventBuilder:
    """Run the triggers over chunks of timeslices as they come, and build events of what they find.

    The events are the same however the slices are cut into chunks; those at
    borders of slices are whole (see `km3gpu.trigger.stream`).

    Parameters
    ----------
    detector : str or Detector, optional
        Hits are calibrated with it, without slewing, as the data filter does;
        None takes time and place that the hits have.
    parameters : str or TriggerParameters, optional
        See `km3gpu.stages.Triggers`.
    veto : bool
        PMTs that the status of their frame vetoes (high rate, full FIFO, lost
        packets) take no part in triggers; their hits are in snapshots.
    unknown : {"error", "mark"}
        What happens to hits without a PMT in the detector description: an
        error, or they are left out (and counted as unfit).
    before, after, longest, late
        See `km3gpu.trigger.stream.TriggerStream`.  Slices in files are out of
        order by some; `late` has to cover that.

    Attributes
    ----------
    counters : dict of str to float
        What was counted in this run so far.
    """

    def __init__(
        self,
        detector: DetectorLike | None = None,
        parameters: ParametersLike | None = None,
        *,
        veto: bool = True,
        unknown: Literal["error", "mark"] = "error",
        before: float | None = None,
        after: float | None = None,
        longest: float = 1e6,
        late: int = 16,
    ) -> None:
        self._detector = None if detector is None else detector_of(detector)
        self._given = parameters
        self._veto = veto
        self._unknown: Literal["error", "mark"] = unknown
        self._options: dict[str, Any] = {
            "before": before, "after": after, "longest": longest, "late": late,
        }  # fmt: skip
        self._stream: TriggerStream | None = None
        self._parameters: TriggerParameters | None = None
        self._run: tuple[int, int] | None = None
        self._times: dict[int, int] = {}
        self._chunk: Chunk | None = None
        self._told = self._past = ""

    @property
    def counters(self) -> dict[str, float]:
        """What was counted in this run so far."""
        return {} if self._stream is None else dict(self._stream.counters)

    def push(self, chunk: Chunk) -> Chunk:
        """Take a chunk of timeslices, and give the events that are complete.

        Parameters
        ----------
        chunk : Chunk
            Timeslices of one run, with ``events`` and ``hits``.

        Returns
        -------
        Chunk
            ``events``: ``det_id, run_id, frame_index, time_ns, trigger_counter,
            trigger_mask, overlays, t_first, t_last, n_triggered, root_frame,
            continued, n_hits``;
            ``hits`` of their snapshots: raw and calibrated columns, and
            ``trigger_mask``.  Times are since the start of the event's frame.

        Raises
        ------
        FormatError
            Slices of another run than before (`close` this one first), or of
            more than one; a slice that comes twice or too late; hits are no
            longer those that the frames count.
        CalibrationError
            The hits are not calibrated and there is no detector to do it with.
        ConfigError
            There are no trigger parameters for this detector.
        """
        events = chunk.events
        host = {c: backend.Backend.to_host(events.flat(c)) for c in _SLICE}
        self._begin(chunk, host)
        assert self._stream is not None
        self._times.update(zip(host["frame_index"].tolist(), host["time_ns"].tolist(), strict=True))
        if self._veto and "frames" in chunk:
            chunk = Veto()(chunk)
        columns, fit = placed_hits(chunk, self._detector, self._unknown)
        raw = {c: chunk.hits.flat(c) for c in _RAW if c in chunk.hits}
        found = self._stream.push(
            events.flat("frame_index"), chunk.hits.offsets, {**columns, **raw, "fit": fit}
        )
        made = self._made(chunk, found)
        self._chunk = chunk
        o = chunk.source
        own = (self._past, o.uuid or o.path, o.tree, o.start, o.stop, chunk.history)
        self._past = hashlib.sha256(repr(own).encode()).hexdigest()[:32]
        return made

    def close(self) -> Chunk | None:
        """Give the events that are left, and end the run; None where nothing came."""
        if self._stream is None or self._chunk is None:
            return None
        made = self._made(self._chunk, self._stream.close())
        self._stream = self._run = self._chunk = None
        self._times, self._past = {}, ""
        return made

    def _begin(self, chunk: Chunk, host: dict[str, np.ndarray]) -> None:
        runs = sorted(set(zip(host["det_id"].tolist(), host["run_id"].tolist(), strict=True)))
        known = [] if self._run is None else [self._run]
        if len({*runs, *known}) > 1:
            told = ", ".join(f"{run} of detector {det}" for det, run in sorted({*runs, *known}))
            raise FormatError(
                f"slices of more than one run ({told}) make no stream",
                where=repr(chunk),
                remedy="close the stream between runs",
            )
        if self._stream is None:
            self._parameters = parameters_of(self._given, chunk)
            self._stream = TriggerStream(self._parameters, **self._options)
            detector = None if self._detector is None else self._detector.digest
            options = {"detector": detector, "veto": self._veto, "unknown": self._unknown, **self._options}
            settings = " ".join(f"{k}={v}" for k, v in options.items())
            self._told = f"build_events {sets.to_json(self._parameters)} {settings}"
        if runs:
            self._run = runs[0]

    def _made(self, chunk: Chunk, found: StreamEvents) -> Chunk:
        xp = backend.namespace(found.offsets)
        n = len(found)
        frames = backend.Backend.to_host(found.columns["frame_index"]).tolist()
        det_id, run_id = self._run or (0, 0)
        columns = {
            "det_id": xp.full(n, det_id, np.int32),
            "run_id": xp.full(n, run_id, np.int32),
            **{c: v.astype(_EVENTS[c]) if c in _EVENTS else v for c, v in found.columns.items()},
            "time_ns": xp.asarray(np.array([self._times[f] for f in frames], np.int64)),
            "n_hits": found.offsets[1:] - found.offsets[:-1],
        }
        if frames:
            # a hit may be in the frame before or after the one that its time says
            self._times = {f: t for f, t in self._times.items() if f >= frames[-1] - 2}
        # what came before shapes what a chunk gives, and so it is a part of its identity
        before = f" after={self._past}" if self._past else ""
        parameters = {} if self._parameters is None else {"parameters": self._parameters.name}
        tables = {
            "events": Table("events", columns, attrs=parameters),
            "hits": Table("hits", found.hits, found.offsets),
        }
        source = dataclasses.replace(chunk.source, kind="daq")
        return Chunk(source, tables, (*chunk.history, self._told + before))
