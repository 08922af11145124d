"""Dumps of the DAQ's own messages: what goes over the wire, written to a file as it is.

A message begins with its length (all of it) and its type.  Numbers are
little-endian but for the time of a hit, the other way round than in ROOT files.
Since 2018 a version follows the type; a message of the older form is known by
its counts, which must fill its length exactly.  The tables are those of the
ROOT files, under the names of the same trees.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from km3gpu.backend import Backend
from km3gpu.definitions import DaqDataType
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.dataset import Dataset, Wanted
from km3gpu.io.filebytes import map_file
from km3gpu.io.slices import EVENTS, STATUS, status_columns
from km3gpu.io.summaryslices import RATES
from km3gpu.io.timeslices import TREES as TIMESLICES
from km3gpu.kernels.cpu.frames import frame_checks
from km3gpu.table import Table, counts_to_offsets

__all__ = ["DumpFile", "is_dump"]

_PREAMBLE = 8
_VERSIONS = {DaqDataType.EVENT: 4, DaqDataType.SUMMARYSLICE: 6}
_TREES = {
    DaqDataType.EVENT: "KM3NET_EVENT",
    DaqDataType.TIMESLICEL1: "KM3NET_TIMESLICE_L1",
    DaqDataType.TIMESLICEL2: "KM3NET_TIMESLICE_L2",
    DaqDataType.TIMESLICESN: "KM3NET_TIMESLICE_SN",
    DaqDataType.TIMESLICEL0: "KM3NET_TIMESLICE_L0",
    DaqDataType.TIMESLICE: "KM3NET_TIMESLICE",
    DaqDataType.SUMMARYSLICE: "KM3NET_SUMMARYSLICE",
}

_HEADER = np.dtype(
    [(n, "<i4") for n in ("det_id", "run_id", "frame_index")] + [("seconds", "<u4"), ("cycles", "<u4")]
)
_TRIGGER = np.dtype([("trigger_counter", "<u8"), ("trigger_mask", "<u8"), ("overlays", "<u4"), ("n", "<i4")])
_HIT = np.dtype([("dom_id", "<i4"), ("channel_id", "u1"), ("tdc", ">u4"), ("tot", "u1")])
_TRIGGERED = np.dtype([*_HIT.descr, ("trig", "<u8")])
_SLICE_HIT = np.dtype([("channel_id", "u1"), ("tdc", ">u4"), ("tot", "u1")])
_FRAME = np.dtype(
    [("length", "<i4"), ("type", "<i4"), ("header", _HEADER), ("dom_id", "<i4"), ("daq", "<u4")]
    + [(n, "<u4") for n in ("status", "fifo", "status_3", "status_4")]
    + [("n_hits", "<i4")]
)
_SUMMARY = np.dtype(
    [
        ("dom_id", "<i4"),
        *((n, "<u4") for n in ("daq", "status", "fifo", "status_3", "status_4")),
        ("rate_codes", "u1", (31,)),
    ]
)
_OLD_SUMMARY = np.dtype([("dom_id", "<i4"), ("status", "<u4"), ("rate_codes", "u1", (31,))])


def is_dump(head: bytes) -> bool:
    """Tell from its first bytes whether a file is a dump of DAQ messages."""
    if len(head) < _PREAMBLE + _HEADER.itemsize:
        return False
    length, kind = np.frombuffer(head, "<i4", 2)
    return int(kind) in set(_TREES) and length > _PREAMBLE + _HEADER.itemsize


class DumpFile:
    """A file of DAQ messages, sorted by what they are.

    Parameters
    ----------
    path : str
        A local file.

    Raises
    ------
    FormatError
        A message does not end where the next begins, or is not of the DAQ.
    """

    uuid = ""

    def __init__(self, path: str) -> None:
        self.path = path
        self._data = map_file(path)
        places: dict[str, list[tuple[int, int, int]]] = {}
        at = 0
        while at < len(self._data):
            kind, length = self._message(at)
            places.setdefault(_TREES[kind], []).append((at + _PREAMBLE, at + length, _VERSIONS.get(kind, 1)))
            at += length
        self.names = [n for n in _TREES.values() if n in places]
        self._datasets: dict[str, Dataset] = {
            name: _Messages(path, name, self._data, places[name]) for name in self.names
        }

    def _message(self, at: int) -> tuple[DaqDataType, int]:
        if at + _PREAMBLE > len(self._data):
            raise self._wrong(at, "is cut off")
        length, number = (int(v) for v in np.frombuffer(self._data, "<i4", 2, at))
        if number not in set(_TREES):
            raise self._wrong(at, f"has type {number}, which the DAQ does not send")
        if length < _PREAMBLE + _HEADER.itemsize or at + length > len(self._data):
            raise self._wrong(at, f"claims {length} bytes, {len(self._data) - at} are left")
        return DaqDataType(number), length

    def _wrong(self, at: int, what: str) -> FormatError:
        return FormatError(f"the message at byte {at} {what}", where=self.path, remedy="dump it again")

    def dataset(self, name: str) -> Dataset:
        """Give the messages of one kind, by the name that their tree has in ROOT files."""
        if name not in self._datasets:
            raise UnknownNameError.of("tree", name, self.names, where=self.path)
        return self._datasets[name]

    def default(self) -> str:
        """Give the first kind that the file has: events, timeslices, summary slices."""
        return self.names[0]

    def counts(self) -> dict[str, int]:
        """Give the number of messages of each kind."""
        return {n: d.n_entries for n, d in self._datasets.items()}

    def header(self) -> None:
        """Give no header: the DAQ sends none."""
        return

    def meta(self) -> list[dict[str, Any]]:
        """Give no META of Jpp."""
        return []


class _Messages:
    """Messages of one kind.

    Parameters
    ----------
    path, name : str
        File and kind.
    data : memoryview
        The file.
    places : list of (int, int, int)
        Begin of what follows the preamble, end of the message, and the version
        that it has in the newer form.
    """

    def __init__(self, path: str, name: str, data: memoryview, places: list[tuple[int, int, int]]) -> None:
        self.path, self.name, self.where = path, name, f"{name} of {path}"
        self.kind = "timeslices" if name in TIMESLICES else _KINDS[name]
        self.n_entries = len(places)
        self._data, self._places = data, places
        self._parse = _PARSERS[self.kind]

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns, as in ROOT files."""
        return dict(_COLUMNS[self.kind])

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name."""
        return ("rate_codes",) if (self.kind, table) == ("summaryslices", "frames") else ()

    def edges(self) -> list[int]:
        """Give every message: each can be read alone."""
        return list(range(self.n_entries + 1))

    def nbytes(self, wanted: Wanted) -> int:
        """Give the bytes of all messages."""
        return sum(stop - start for start, stop, _ in self._places)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read messages ``start <= i < stop``.

        Raises
        ------
        FormatError
            The counts of a message do not fill it, in neither form.
        """
        parts = [self._one(i) for i in range(start, stop)]
        made = {}
        for table, names in wanted.items():
            rows = [p[table] for p in parts]
            columns = {n: _joined([r[n] for r in rows], self.kind, table, n) for n in names}
            offsets = None
            if table != "events":
                first = self.tables()[table][0]
                offsets = counts_to_offsets(np.array([len(r[first]) for r in rows], np.int64))
            made[table] = Table(table, columns, offsets)
        return {t: table.map(where.to_device) for t, table in made.items()}

    def _one(self, index: int) -> dict[str, dict[str, np.ndarray]]:
        start, stop, version = self._places[index]
        body = self._data[start:stop]
        words: list[str] = []
        if int.from_bytes(body[:2], "little") == version:
            try:
                return self._parse(body[2:], False)
            except ValueError as error:
                words.append(str(error))
        try:
            return self._parse(body, True)
        except ValueError as error:
            words.append(str(error))
        raise FormatError(
            f"message {index} (at byte {start - _PREAMBLE}) is damaged: {words[0]}",
            where=self.where,
            remedy="dump it again",
        )


def _take(body: memoryview, at: int, dtype: np.dtype[Any], n: int) -> tuple[np.ndarray, int]:
    """Read `n` records: (records, position after them)."""
    end = at + n * dtype.itemsize
    if n < 0 or end > len(body):
        raise ValueError(f"{n} records of {dtype.itemsize} bytes in {len(body) - at}")
    return np.frombuffer(body, dtype, n, at), end


def _whole(body: memoryview, at: int) -> None:
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes are left over")


def _native(rows: np.ndarray) -> dict[str, np.ndarray]:
    names = rows.dtype.names or ()
    return {n: np.ascontiguousarray(rows[n]).astype(rows[n].dtype.newbyteorder("=")) for n in names}


def _times(rows: np.ndarray) -> dict[str, np.ndarray]:
    found = _native(rows)
    seconds = found.pop("seconds")
    found["time_ns"] = (seconds & 0x7FFFFFFF).astype(np.int64) * 1_000_000_000
    found["time_ns"] += found.pop("cycles").astype(np.int64) * 16
    found["white_rabbit"] = seconds >> 31 != 0
    return found


def _event(body: memoryview, old: bool) -> dict[str, dict[str, np.ndarray]]:
    header, at = _take(body, 0, _HEADER, 1)
    trigger, at = _take(body, at, _TRIGGER, 1)
    triggered, at = _take(body, at, _TRIGGERED, int(trigger["n"][0]))
    count, at = _take(body, at, np.dtype("<i4"), 1)
    hits, at = _take(body, at, _HIT, int(count[0]))
    _whole(body, at)
    events = {**_times(header), **_native(trigger)}
    return {"events": events, "hits": _native(hits), "triggered_hits": _native(triggered)}


def _summary(body: memoryview, old: bool) -> dict[str, dict[str, np.ndarray]]:
    header, at = _take(body, 0, _HEADER, 1)
    count, at = _take(body, at, np.dtype("<i4"), 1)
    rows, at = _take(body, at, _OLD_SUMMARY if old else _SUMMARY, int(count[0]))
    _whole(body, at)
    found = _native(rows)
    # the older form knew nothing of UDP and FIFO
    nothing = np.zeros(len(rows), np.uint32)
    daq, fifo = found.get("daq", nothing), found.get("fifo", nothing)
    frames = {c: found[c] for c in ("dom_id", "rate_codes")}
    frames |= {"rates": RATES[found["rate_codes"]], **status_columns(daq, found["status"], fifo)}
    return {"events": _times(header), "frames": frames}


def _timeslice(body: memoryview, old: bool) -> dict[str, dict[str, np.ndarray]]:
    header, at = _take(body, 0, _HEADER, 1)
    count, at = _take(body, at, np.dtype("<i4"), 1)
    frames, hits = [], []
    for _ in range(int(count[0])):
        frame, at = _take(body, at, _FRAME, 1)
        some, at = _take(body, at, _SLICE_HIT, int(frame["n_hits"][0]))
        frames.append(frame)
        hits.append(some)
    _whole(body, at)
    rows = np.concatenate([np.zeros(0, _FRAME), *frames])
    words = {n: rows[n].astype(rows[n].dtype.newbyteorder("=")) for n in ("dom_id", "n_hits")}
    daq, status, fifo = (rows[n].astype(np.uint32) for n in ("daq", "status", "fifo"))
    made = _native(np.concatenate([np.zeros(0, _SLICE_HIT), *hits]))
    made["dom_id"] = np.repeat(words["dom_id"], words["n_hits"])
    checks = np.empty(len(rows), np.uint8)
    frame_checks(counts_to_offsets(words["n_hits"]), daq, fifo, made["channel_id"], made["tdc"], checks)
    table = {**words, **status_columns(daq, status, fifo), "checks": checks}
    return {"events": _times(header), "frames": table, "hits": made}


def _joined(columns: list[np.ndarray], kind: str, table: str, name: str) -> np.ndarray:
    """Join the columns of messages; of none, an empty one of the right type."""
    if not columns:
        columns = [_nothing(kind)[table][name][:0]]
    return np.ascontiguousarray(np.concatenate(columns))


_KINDS = {"KM3NET_EVENT": "daq", "KM3NET_SUMMARYSLICE": "summaryslices"}
_PARSERS: Mapping[str, Callable[[memoryview, bool], dict[str, dict[str, np.ndarray]]]] = {
    "daq": _event,
    "summaryslices": _summary,
    "timeslices": _timeslice,
}
_COLUMNS: Mapping[str, dict[str, tuple[str, ...]]] = {
    "daq": {
        "events": (*EVENTS, "trigger_counter", "trigger_mask", "overlays"),
        "hits": ("dom_id", "channel_id", "tdc", "tot"),
        "triggered_hits": ("dom_id", "channel_id", "tdc", "tot", "trig"),
    },
    "summaryslices": {"events": EVENTS, "frames": ("dom_id", "rates", *STATUS)},
    "timeslices": {
        "events": EVENTS,
        "frames": ("dom_id", "n_hits", *STATUS, "checks"),
        "hits": ("dom_id", "channel_id", "tdc", "tot"),
    },
}


@functools.cache
def _nothing(kind: str) -> dict[str, dict[str, np.ndarray]]:
    """Parse a message without anything in it, for the types of its columns."""
    size = _HEADER.itemsize + (_TRIGGER.itemsize if kind == "daq" else 0) + 4
    return _PARSERS[kind](memoryview(bytes(size)), False)
