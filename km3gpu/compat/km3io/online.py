"""The readers of DAQ files that km3io had up to version 1.1."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np

from km3gpu.io import Source
from km3gpu.io import open as open_source
from km3gpu.io.slices import bits
from km3gpu.io.summaryslices import RATES
from km3gpu.table import Table

__all__ = [
    "OnlineReader",
    "SummarysliceReader",
    "get_channel_flags",
    "get_number_udp_packets",
    "get_rate",
    "get_udp_max_sequence_number",
    "has_udp_trailer",
]

SummarysliceChunk = namedtuple("SummarysliceChunk", ["headers", "slices"])


class OnlineReader:
    """Read a DAQ file: events, timeslices and summary slices.

    Parameters
    ----------
    filename : path
        A ROOT file of Jpp's DAQ.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        self._filename = os.fspath(filename)
        self._source = open_source(filename, tree="KM3NET_EVENT")

    @property
    def uuid(self) -> str:
        """UUID of the file, without hyphens."""
        return self._source.uuid.replace("-", "")

    def close(self) -> None:
        """Do nothing: files are closed when they are no longer needed."""

    def __enter__(self) -> OnlineReader:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    @cached_property
    def events(self) -> OnlineEvents:
        """All events."""
        chunk = self._source.read(backend="cpu")
        names = {"tdc": "time", "trig": "trigger_mask"}
        return OnlineEvents(
            _headers(chunk.events), _records(chunk.hits, names), _records(chunk.triggered_hits, names)
        )

    @cached_property
    def timeslices(self) -> Timeslices:
        """The streams of timeslices that the file has."""
        return Timeslices(self._source)

    @cached_property
    def summaryslices(self) -> SummarysliceReader:
        """The summary slices, in chunks."""
        return SummarysliceReader(self._filename)


class OnlineEvents:
    """Headers and hits of all events, as awkward arrays."""

    def __init__(self, headers: Any, snapshot_hits: Any, triggered_hits: Any) -> None:
        self.headers = headers
        self.snapshot_hits = snapshot_hits
        self.triggered_hits = triggered_hits

    def __getitem__(self, item: Any) -> OnlineEvent:
        return OnlineEvent(self.headers[item], self.snapshot_hits[item], self.triggered_hits[item])

    def __len__(self) -> int:
        return len(self.headers)

    def __repr__(self) -> str:
        return f"Number of events: {len(self)}"


class OnlineEvent:
    """Header and hits of one event."""

    def __init__(self, header: Any, snapshot_hits: Any, triggered_hits: Any) -> None:
        self.header = header
        self.snapshot_hits = snapshot_hits
        self.triggered_hits = triggered_hits

    def __repr__(self) -> str:
        return (
            f"Online event with {len(self.snapshot_hits)} snapshot hits "
            f"and {len(self.triggered_hits)} triggered hits"
        )


class Timeslices:
    """Streams of timeslices: ``timeslices.stream("L1", 0)``."""

    def __init__(self, source: Source) -> None:
        self._source = source
        prefix = "KM3NET_TIMESLICE_"
        self.streams = {
            t.removeprefix(prefix): n for t, n in source.trees.items() if t.startswith(prefix) and n
        }

    def stream(self, stream: str, idx: int) -> Timeslice:
        """Give one timeslice of a stream.

        Raises
        ------
        KeyError
            The file has no such stream, or nothing in it.
        """
        if stream not in self.streams:
            raise KeyError(stream)
        return Timeslice(self._source, stream, idx)

    def __repr__(self) -> str:
        return f"Available timeslice streams: {', '.join(self.streams)}"


class Timeslice:
    """One timeslice; ``frames`` maps modules to their hits (pmt, tdc, tot)."""

    def __init__(self, source: Source, stream: str, idx: int) -> None:
        chunk = source.read(tree=f"KM3NET_TIMESLICE_{stream}", entries=(idx, idx + 1), backend="cpu")
        self.header = _headers(chunk.events)[0]
        self._stream = stream
        self._frames, self._hits = chunk.frames, chunk.hits

    @cached_property
    def frames(self) -> dict[int, Any]:
        """Hits of each module."""
        hits = self._hits.keep("channel_id", "tdc", "tot").to_awkward()[0]
        hits = ak.zip({"pmt": hits.channel_id, "tdc": hits.tdc, "tot": hits.tot}, depth_limit=1)
        ends = np.cumsum(self._frames.flat("n_hits"))
        starts = ends - self._frames.flat("n_hits")
        return {int(d): hits[a:b] for d, a, b in zip(self._frames.flat("dom_id"), starts, ends, strict=True)}

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return f"{self._stream} timeslice with {len(self)} frames."


class SummarysliceReader:
    """Read summary slices in chunks of `step_size`.

    Parameters
    ----------
    fobj : path
        A ROOT file.
    step_size : int
        Slices per chunk.
    """

    def __init__(self, fobj: str | os.PathLike[str], step_size: int = 1000) -> None:
        self._source = open_source(fobj, tree="KM3NET_SUMMARYSLICE")
        self._step_size = step_size
        self._chunks: Iterator[Any] | None = None

    def __len__(self) -> int:
        return -(-self._source.n_events // self._step_size)

    def __getitem__(self, idx: int) -> Any:
        if not -len(self) <= idx < len(self):
            raise IndexError("Chunk index out of range")
        start = (idx % len(self)) * self._step_size
        chunk = self._source.read(
            tables="events",
            columns={"frames": ("dom_id", "rate_codes", "hrv", "fifo", "white_rabbit", "udp_trailer",
                                "udp_packets", "udp_highest", "status_3", "status_4")},
            entries=(start, min(start + self._step_size, self._source.n_events)),
            backend="cpu",
        )  # fmt: skip
        return SummarysliceChunk(_headers(chunk.events), _frames(chunk.frames))

    def __iter__(self) -> SummarysliceReader:
        self._chunks = (self[i] for i in range(len(self)))
        return self

    def __next__(self) -> Any:
        if self._chunks is None:
            iter(self)
        return next(self._chunks)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        n = len(self)
        return (
            f"<{type(self).__name__} {self._source.n_events} items, step_size={self._step_size} "
            f"({n} chunk{'' if n == 1 else 's'})>"
        )


def get_rate(value: Any) -> Any:
    """Give the rate [Hz] of the byte that a summary frame has for a PMT, whole as in km3io."""
    rates = RATES[np.asarray(value, np.int64)].astype(np.int32)
    return rates if rates.ndim else int(rates)


def get_channel_flags(value: Any) -> Any:
    """Spread the bits of ``hrv`` or ``fifo`` over the 31 PMTs."""
    words = np.asarray(value).astype(np.uint32)
    flags = bits(words.reshape(-1))
    return flags.reshape(*words.shape, flags.shape[1])


def get_number_udp_packets(value: Any) -> Any:
    """Give the number of UDP packets received, from ``dq_status``."""
    return value & 0xFFFF


def get_udp_max_sequence_number(value: Any) -> Any:
    """Give the highest sequence number of the UDP packets, from ``dq_status``."""
    return value >> 16


def has_udp_trailer(value: Any) -> bool:
    """Tell whether any of these ``fifo`` words says that the trailing UDP packet came."""
    return bool(np.any(np.asarray(value) & (1 << 31)))


def _headers(events: Table) -> Any:
    """Give headers under the names that the DAQ has for them."""
    time = events.flat("time_ns")
    seconds = (time // 1_000_000_000).astype(np.uint32)
    seconds |= events.flat("white_rabbit").astype(np.uint32) << np.uint32(31)
    columns = {
        "detector_id": events.flat("det_id"),
        "run": events.flat("run_id"),
        "frame_index": events.flat("frame_index"),
        "UTC_seconds": seconds,
        "UTC_16nanosecondcycles": (time % 1_000_000_000 // 16).astype(np.uint32),
        **{n: events.flat(n) for n in ("trigger_counter", "trigger_mask", "overlays") if n in events},
    }
    return ak.zip(columns, depth_limit=1)


def _frames(frames: Table) -> Any:
    wr, trailer = (frames.flat(n).astype(np.uint32) << np.uint32(31) for n in ("white_rabbit", "udp_trailer"))
    highest = frames.flat("udp_highest").astype(np.uint32) << np.uint32(16)
    codes = frames.flat("rate_codes")
    columns = {
        "dom_id": frames.flat("dom_id"),
        "dq_status": highest | frames.flat("udp_packets"),
        "hrv": frames.flat("hrv") | wr,
        "fifo": frames.flat("fifo") | trailer,
        "status3": frames.flat("status_3"),
        "status4": frames.flat("status_4"),
        **{f"ch{c}": np.ascontiguousarray(codes[:, c]) for c in range(codes.shape[1])},
    }
    return Table("frames", columns, frames.offsets).to_awkward()


def _records(hits: Table, names: dict[str, str]) -> Any:
    columns = {names.get(c, c): hits.flat(c) for c in hits.columns}
    return Table("hits", columns, hits.offsets).to_awkward()
