"""DAQ records to columns, slowly: Python's own ``struct``, one record after another."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import numpy as np

__all__ = ["event_headers", "snapshot_hits", "triggered_hits", "vector_counts"]


def vector_counts(raw: Any, byte_offsets: Any, record: int) -> list[int]:
    """Read the number of records that each entry announces."""
    return [struct.unpack_from(">i", raw, int(p) + 6)[0] for p in byte_offsets[:-1]]


def snapshot_hits(raw: Any, byte_offsets: Any) -> tuple[list[int], dict[str, Any]]:
    """Decode 10 byte hits."""
    return _hits(raw, byte_offsets, 10)


def triggered_hits(raw: Any, byte_offsets: Any) -> tuple[list[int], dict[str, Any]]:
    """Decode 24 byte hits."""
    return _hits(raw, byte_offsets, 24)


def _hits(raw: Any, byte_offsets: Any, size: int) -> tuple[list[int], dict[str, Any]]:
    data, offsets, hits = bytes(raw), [0], []
    for start, stop in itertools.pairwise(byte_offsets):
        for p in range(int(start) + 10, int(stop), size):
            dom, channel = struct.unpack_from(">iB", data, p)
            tdc, tot = struct.unpack_from("<IB", data, p + 5)
            trig = struct.unpack_from(">Q", data, p + 16) if size == 24 else ()
            hits.append((dom, channel, tdc, tot, *trig))
        offsets.append(len(hits))
    names = ("dom_id", "channel_id", "tdc", "tot", "trig")[: 4 if size == 10 else 5]
    dtypes = ("i4", "u1", "u4", "u1", "u8")
    columns = {n: np.array([h[k] for h in hits], dtypes[k]) for k, n in enumerate(names)}
    return offsets, columns


def event_headers(raw: Any, byte_offsets: Any) -> dict[str, Any]:
    """Decode 76 byte event headers."""
    data, rows = bytes(raw), []
    for p in byte_offsets[:-1]:
        record = data[int(p) : int(p) + 76]
        det, run, frame = struct.unpack_from(">iii", record, 18)
        seconds, cycles = struct.unpack_from(">II", record, 36)
        counter = struct.unpack_from(">Q", record, 50)[0]
        mask, overlays = struct.unpack_from(">QI", record, 64)
        time = (seconds % 2**31) * 10**9 + 16 * cycles
        rows.append((det, run, frame, time, seconds >= 2**31, counter, mask, overlays))
    names = (
        "det_id", "run_id", "frame_index", "time_ns", "white_rabbit",
        "trigger_counter", "trigger_mask", "overlays",
    )  # fmt: skip
    dtypes = ("i4", "i4", "i4", "i8", "?", "u8", "u8", "u4")
    return {n: np.array([r[k] for r in rows], dtypes[k]) for k, n in enumerate(names)}
