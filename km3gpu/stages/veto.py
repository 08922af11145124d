"""Mark or drop hits of PMTs that the data acquisition vetoed while they were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.detector import PmtStatus
from km3gpu.errors import CalibrationError, ConfigError, UnknownNameError
from km3gpu.kernels import segments
from km3gpu.stages import pmts
from km3gpu.stages.geometry import DetectorLike, detector_files, detector_of
from km3gpu.stages.quality import Policy, Quality, check_policy, drop, verdict
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Veto", "veto"]

_TABLES = ("hits", "triggered_hits")
_STATUS = ("hrv", "fifo", "udp_trailer", "udp_packets", "udp_highest")
_FRAME_SECONDS = 0.1


@dataclass(frozen=True)
class Veto(Stage):
    """Judge hits by the status of their frame: high-rate veto, FIFO, lost packets, rate.

    A PMT whose rate was above the limit (high-rate veto), or whose buffer ran
    full (FIFO), sent only part of its hits in that frame of 0.1 s, and so did all
    of a module whose packets (UDP) did not all come.  Timeslices carry this
    status; for events it comes from the summary slices of their file (table
    ``frames``), or of another with the function `veto`.

    Attributes
    ----------
    high_rate_veto, fifo, udp : {"error", "drop", "mark"}
        What happens to hits of such PMTs.
    rate_limit : float, optional
        PMTs with a higher rate [Hz] are vetoed too, as by a high-rate veto: by
        the rates of summary slices, or by the hits of a timeslice (which must be
        L0 then, all hits that there are).
    detector : str or Detector, optional
        PMTs of which it says that a veto is not to be believed are not vetoed by it.
    """

    name: ClassVar[str] = "veto"

    high_rate_veto: Policy = "mark"
    fifo: Policy = "mark"
    udp: Policy = "mark"
    rate_limit: float | None = None
    detector: DetectorLike | None = None

    def __post_init__(self) -> None:
        check_policy(high_rate_veto=self.high_rate_veto, fifo=self.fifo, udp=self.udp)
        if self.rate_limit is not None and not self.rate_limit > 0:
            raise ConfigError(f"rate_limit must be above 0 Hz, not {self.rate_limit}")

    def inputs(self) -> tuple[str, ...]:
        """Give the detector file."""
        return detector_files(self.detector)

    def reads(self, kind: str) -> Columns:
        """Give module and channel of hits, and the status of frames."""
        tables = dict.fromkeys(_TABLES if kind == "daq" else ("hits",), ("dom_id", "channel_id"))
        return {**tables, **self._frames(kind), "events": ("run_id", "frame_index")}

    def requires(self, kind: str) -> Columns:
        """Ask for the status of frames: without it nothing can be judged."""
        return self._frames(kind)

    def _frames(self, kind: str) -> dict[str, tuple[str, ...]]:
        if kind == "timeslices":
            return {"frames": ("dom_id", "n_hits", *_STATUS)}
        return {"frames": ("dom_id", *_STATUS, *(("rates",) if self.rate_limit is not None else ()))}

    def writes(self, kind: str) -> Columns:
        """Give the column of bits."""
        return dict.fromkeys(_TABLES if kind == "daq" else ("hits",), ("quality",))

    def apply(self, chunk: Chunk) -> Result:
        """Judge the hits of a chunk of timeslices, or of events with the frames that they were taken in."""
        if "frames" not in chunk:
            raise CalibrationError(
                "there is no status of frames to veto by",
                where=repr(chunk),
                remedy="read the table 'frames' too, where the file has summary slices, "
                "or call veto(chunk, summary=...) with those of the run",
            )
        frames = chunk.frames
        if "n_hits" not in frames:
            event = backend.namespace(frames.offsets).arange(frames.n_events)
            return self.judge(chunk, frames, _rows(_keys(frames, event), chunk, event))
        offsets = segments.counts_to_offsets(frames.flat("n_hits"))
        if int(offsets[-1]) != len(chunk.hits):
            raise CalibrationError(
                f"frames say {int(offsets[-1])} hits, there are {len(chunk.hits)}",
                where=repr(chunk),
                remedy="veto before hits are filtered by hand",
            )
        return self.judge(chunk, frames, {"hits": segments.expand(offsets)})

    def judge(self, chunk: Chunk, frames: Table, of_hit: dict[str, Any]) -> Result:
        """Judge hits by given frames.

        Parameters
        ----------
        chunk : Chunk
            With the hits.
        frames : Table
            With ``hrv``, ``fifo``, ``udp_trailer, udp_packets, udp_highest``; and
            ``rates``, where there is a limit on them.
        of_hit : dict of str to (n,) int array
            Row of `frames` of every hit, by table; -1 for none.
        """
        tables: dict[str, Table] = {}
        counters: dict[str, float] = {}
        policies = {"high_rate_veto": self.high_rate_veto, "fifo": self.fifo, "udp": self.udp}
        for name, frame in of_hit.items():
            table = chunk.tables[name]
            bits = self._bits(table, frames, frame)
            counts, keep = verdict(bits, policies, f"{name} of {chunk.source.path}")
            counters[name] = len(table)
            counters |= {f"{name}_{kind}": n for kind, n in counts.items()}
            counters[f"{name}_without_frame"] = float((frame < 0).sum())
            if "quality" in table:
                bits = bits | table.flat("quality")
            tables |= drop(chunk, table.with_columns(quality=bits), keep)
        return tables, counters

    def _bits(self, table: Table, frames: Table, frame: Any) -> Any:
        channel = table.flat("channel_id").astype(np.uint32)
        xp = backend.namespace(channel)
        bits = xp.zeros(len(table), np.uint8)
        if not len(frames):
            return bits
        there = (frame >= 0) & (channel < 32)
        shift = xp.where(channel < 32, channel, np.uint32(0))
        for column, bit, disabled in (
            ("hrv", Quality.HIGH_RATE_VETO, PmtStatus.HIGH_RATE_VETO_DISABLE),
            ("fifo", Quality.FIFO_FULL, PmtStatus.FIFO_FULL_DISABLE),
        ):
            word = frames.flat(column)[xp.maximum(frame, 0)]
            vetoed = there & ((word >> shift) & np.uint32(1) == 1)
            bits |= self._believed(table, vetoed, int(disabled)) * np.uint8(bit)
        trailer = ~frames.flat("udp_trailer")
        count = frames.flat("udp_packets").astype(np.int64) != frames.flat("udp_highest").astype(np.int64) + 1
        for lost, disabled in (
            (trailer, PmtStatus.UDP_TRAILER_DISABLE),
            (count, PmtStatus.UDP_COUNTER_DISABLE),
        ):
            vetoed = (frame >= 0) & lost[xp.maximum(frame, 0)]
            bits |= self._believed(table, vetoed, int(disabled)) * np.uint8(Quality.INCOMPLETE)
        if self.rate_limit is not None:
            high = there & (self._rates(frames, frame, shift) > self.rate_limit)
            bits |= high * np.uint8(Quality.HIGH_RATE_VETO)
        return bits

    @staticmethod
    def _rates(frames: Table, frame: Any, channel: Any) -> Any:
        """Give the rate of the PMT of each hit [Hz]: as told, else by counting hits."""
        xp = backend.namespace(frame)
        if "rates" in frames:
            return frames.flat("rates")[xp.maximum(frame, 0), xp.minimum(channel, 30)]
        pmt = xp.maximum(frame, 0).astype(np.int64) * 32 + channel
        return xp.bincount(pmt, minlength=32 * len(frames))[pmt] / _FRAME_SECONDS

    def _believed(self, table: Table, vetoed: Any, disabled: int) -> Any:
        return vetoed if self.detector is None else vetoed & ~self._disbelieved(table, disabled)

    def _disbelieved(self, table: Table, bit: int) -> Any:
        assert self.detector is not None
        detector = detector_of(self.detector)
        row = pmts.rows_of(table, detector)
        xp = backend.namespace(row)
        status = backend.of(row).to_device((detector.pmts.status & bit) != 0)
        return (row >= 0) & status[xp.maximum(row, 0)] if len(status) else row >= 0


def veto(chunk: Chunk, summary: Chunk | None = None, **options: Any) -> Chunk:
    """Judge hits by the status of their frame: high-rate veto, FIFO, lost packets, rate.

    Parameters
    ----------
    chunk : Chunk
        Timeslices, or DAQ events.
    summary : Chunk, optional
        Summary slices of the run (tree ``KM3NET_SUMMARYSLICE``), for events: an
        event takes the slice of its ``frame_index``.  Timeslices will do as well:
        their frames have the same status.
    **options
        Fields of `Veto`.

    Returns
    -------
    Chunk
        Its hits have ``quality`` (see `Quality`), or are fewer.  A hit whose
        frame is not in the summary slices is not vetoed, but counted.

    Raises
    ------
    CalibrationError
        There is no status of frames, or the slices are of another run; or hits
        are vetoed whose policy is ``"error"``.
    """
    stage = Veto(**options)
    if summary is None:
        return stage(chunk)
    if "frames" not in summary:
        raise UnknownNameError.of("table", "frames", summary.tables, where=repr(summary))
    runs = [np.unique(backend.Backend.to_host(c.events.flat("run_id"))) for c in (chunk, summary)]
    if len(runs[0]) and not np.isin(runs[0], runs[1]).all():
        raise CalibrationError(
            f"events of run {runs[0].tolist()}, summary slices of run {runs[1].tolist()}",
            where=repr(chunk),
            remedy="take the summary slices of the same run",
        )
    key = _keys(summary.frames, summary.events.flat("frame_index"))
    of_hit = _rows(key, chunk, chunk.events.flat("frame_index"))
    tables, counters = stage.judge(chunk, summary.frames, of_hit)
    told = f"{stage.fingerprint()} summary={summary.id}"
    return chunk.evolve(told, tables, {f"{stage.name}/{k}": v for k, v in counters.items()})


def _keys(table: Table, number: Any) -> Any:
    """Give module and number of the event (or of its frame) of every row as one int64."""
    of_row = number.astype(np.int64)[segments.expand(table.offsets)]
    return (of_row << 32) | (table.flat("dom_id").astype(np.int64) & 0xFFFFFFFF)


def _rows(key: Any, chunk: Chunk, number: Any) -> dict[str, Any]:
    """Give the row of `key` of every hit, by table; -1 for none."""
    order = backend.namespace(key).argsort(key)
    return {n: _found(key, order, _keys(chunk.tables[n], number)) for n in _TABLES if n in chunk}


def _found(key: Any, order: Any, wanted: Any) -> Any:
    """Give the row of `key` of every wanted key, -1 for none."""
    xp = backend.namespace(key)
    if not len(key):
        return xp.full(len(wanted), -1, np.int64)
    place = xp.minimum(xp.searchsorted(key[order], wanted), len(key) - 1)
    row = order[place]
    return xp.where(key[row] == wanted, row, -1)
