"""Messages of the DAQ as they go over the wire: bytes to columns.

Numbers are little-endian but for the time of a hit, the other way round than in
ROOT files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from km3gpu.io.slices import EVENTS, STATUS, status_columns
from km3gpu.io.summaryslices import RATES
from km3gpu.kernels.cpu.frames import frame_checks
from km3gpu.table import counts_to_offsets

__all__ = ["COLUMNS", "HEADER", "PARSERS", "joined"]

HEADER = np.dtype(
    [(n, "<i4") for n in ("det_id", "run_id", "frame_index")] + [("seconds", "<u4"), ("cycles", "<u4")]
)
_TRIGGER = np.dtype([("trigger_counter", "<u8"), ("trigger_mask", "<u8"), ("overlays", "<u4"), ("n", "<i4")])
_HIT = np.dtype([("dom_id", "<i4"), ("channel_id", "u1"), ("tdc", ">u4"), ("tot", "u1")])
_TRIGGERED = np.dtype([*_HIT.descr, ("trig", "<u8")])
_SLICE_HIT = np.dtype([("channel_id", "u1"), ("tdc", ">u4"), ("tot", "u1")])
_FRAME = np.dtype(
    [("length", "<i4"), ("type", "<i4"), ("header", HEADER), ("dom_id", "<i4"), ("daq", "<u4")]
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
    header, at = _take(body, 0, HEADER, 1)
    trigger, at = _take(body, at, _TRIGGER, 1)
    triggered, at = _take(body, at, _TRIGGERED, int(trigger["n"][0]))
    count, at = _take(body, at, np.dtype("<i4"), 1)
    hits, at = _take(body, at, _HIT, int(count[0]))
    _whole(body, at)
    events = {**_times(header), **_native(trigger)}
    return {"events": events, "hits": _native(hits), "triggered_hits": _native(triggered)}


def _summary(body: memoryview, old: bool) -> dict[str, dict[str, np.ndarray]]:
    header, at = _take(body, 0, HEADER, 1)
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
    header, at = _take(body, 0, HEADER, 1)
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


def joined(columns: list[np.ndarray], kind: str, table: str, name: str) -> np.ndarray:
    """Join the columns of messages; of none, an empty one of the right type."""
    if not columns:
        columns = [_nothing(kind)[table][name][:0]]
    return np.ascontiguousarray(np.concatenate(columns))


PARSERS: Mapping[str, Callable[[memoryview, bool], dict[str, dict[str, np.ndarray]]]] = {
    "daq": _event,
    "summaryslices": _summary,
    "timeslices": _timeslice,
}
COLUMNS: Mapping[str, dict[str, tuple[str, ...]]] = {
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
    size = HEADER.itemsize + (_TRIGGER.itemsize if kind == "daq" else 0) + 4
    return PARSERS[kind](memoryview(bytes(size)), False)
