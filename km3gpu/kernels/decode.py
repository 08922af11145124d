"""Raw basket bytes of KM3NeT DAQ files to contiguous native columns.

The layout of the records is in `km3gpu.kernels.scalar.decode`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import FormatError
from km3gpu.kernels.arrays import exactly
from km3gpu.kernels.cpu import decode as _cpu
from km3gpu.kernels.launch import NONE, Kernel, run, where_of
from km3gpu.kernels.scalar import decode as _layout
from km3gpu.kernels.scalar.fault import split
from km3gpu.kernels.segments import counts_to_offsets

__all__ = ["KERNELS", "event_headers", "hit_offsets", "snapshot_hits", "triggered_hits"]

SNAPSHOT_COLUMNS = {"dom_id": "i4", "channel_id": "u1", "tdc": "u4", "tot": "u1"}
TRIGGERED_COLUMNS = {**SNAPSHOT_COLUMNS, "trig": "u8"}
_EVENT = {
    "det_id": "i4", "run_id": "i4", "frame_index": "i4", "time_ns": "i8", "white_rabbit": "b1",
    "trigger_counter": "u8", "trigger_mask": "u8", "overlays": "u4",
}  # fmt: skip

_VECTOR_COUNTS = Kernel(
    "decode.vector_counts", _cpu.vector_counts_block, _cpu.vector_counts_blocks,
    (("u1[]", "i8[]", "i8", "i8[]"),), bytes_per_item=4 + 8 + 8, item="entry", registers=40,
)  # fmt: skip
_SNAPSHOT_HITS = Kernel(
    "decode.snapshot_hits", _cpu.snapshot_hits_block, _cpu.snapshot_hits_blocks,
    (("u1[]", "i8[]", "i8[]", *(f"{d}[]" for d in SNAPSHOT_COLUMNS.values())),),
    bytes_per_item=_layout.SNAPSHOT_HIT + 10, item="hit", registers=40,
)  # fmt: skip
_TRIGGERED_HITS = Kernel(
    "decode.triggered_hits", _cpu.triggered_hits_block, _cpu.triggered_hits_blocks,
    (("u1[]", "i8[]", "i8[]", *(f"{d}[]" for d in TRIGGERED_COLUMNS.values())),),
    bytes_per_item=_layout.TRIGGERED_HIT + 18, item="hit", registers=40,
)  # fmt: skip
_EVENT_HEADERS = Kernel(
    "decode.event_headers", _cpu.event_headers_block, _cpu.event_headers_blocks,
    (("u1[]", "i8[]", *(f"{d}[]" for d in _EVENT.values())),),
    bytes_per_item=_layout.EVENT_HEADER + 8 + 41, item="event", registers=48,
)  # fmt: skip

KERNELS = (_VECTOR_COUNTS, _SNAPSHOT_HITS, _TRIGGERED_HITS, _EVENT_HEADERS)


def snapshot_hits(raw: Any, byte_offsets: Any) -> tuple[Any, dict[str, Any]]:
    """Decode the branch ``snapshotHits``.

    Parameters
    ----------
    raw : (n_bytes,) uint8 array
        Bytes of the entries, each with its 10 byte vector header.
    byte_offsets : (n_entries + 1,) int64 array
        Entry e is ``raw[byte_offsets[e]:byte_offsets[e + 1]]``.

    Returns
    -------
    offsets : (n_entries + 1,) int64 array
        Hits of each entry.
    columns : dict of str to array
        ``dom_id`` int32, ``channel_id`` uint8, ``tdc`` uint32 [ns], ``tot``
        uint8 [ns].

    Raises
    ------
    FormatError
        The bytes of an entry do not make whole hits, or not as many as its
        header says; the first such entry is named.
    """
    return _hits(raw, byte_offsets, _SNAPSHOT_HITS, SNAPSHOT_COLUMNS, _layout.SNAPSHOT_HIT)


def triggered_hits(raw: Any, byte_offsets: Any) -> tuple[Any, dict[str, Any]]:
    """Decode the branch ``triggeredHits``.

    Parameters
    ----------
    raw, byte_offsets
        As for `snapshot_hits`.

    Returns
    -------
    offsets : (n_entries + 1,) int64 array
        Hits of each entry.
    columns : dict of str to array
        Those of `snapshot_hits` and ``trig`` uint64, the trigger bits.

    Raises
    ------
    FormatError
        As for `snapshot_hits`.
    """
    return _hits(raw, byte_offsets, _TRIGGERED_HITS, TRIGGERED_COLUMNS, _layout.TRIGGERED_HIT)


def event_headers(raw: Any, byte_offsets: Any) -> dict[str, Any]:
    """Decode the branch ``KM3NETDAQ::JDAQEventHeader``.

    Parameters
    ----------
    raw, byte_offsets
        As for `snapshot_hits`; entries of 76 bytes each.

    Returns
    -------
    dict of str to (n_entries,) array
        ``det_id, run_id, frame_index`` int32, ``time_ns`` int64 (UTC, ns since
        1970, start of the frame), ``white_rabbit`` bool, ``trigger_counter,
        trigger_mask`` uint64, ``overlays`` uint32.

    Raises
    ------
    FormatError
        An entry has another length.
    """
    raw, byte_offsets, where = _bytes(raw, byte_offsets)
    n = len(byte_offsets) - 1
    columns = {name: _backend.empty(n, d, raw) for name, d in _EVENT.items()}
    worst = run(_EVENT_HEADERS, where, n, raw, byte_offsets, *columns.values())
    if worst != NONE:
        raise _bad_entry(worst, byte_offsets, _layout.EVENT_HEADER, f"{_layout.EVENT_HEADER} bytes")
    return columns


def hit_offsets(raw: Any, byte_offsets: Any, record: int) -> tuple[Any, Any, Any, str]:
    """Count the hits of each entry.

    Parameters
    ----------
    raw, byte_offsets
        As for `snapshot_hits`.
    record : int
        Bytes of a hit.

    Returns
    -------
    raw, byte_offsets : array
        As the drivers take them.
    offsets : (n_entries + 1,) int64 array
        Hits of each entry.
    where : str
        Name of the backend.

    Raises
    ------
    FormatError
        As for `snapshot_hits`.
    """
    raw, byte_offsets, where = _bytes(raw, byte_offsets)
    counts = _backend.empty(len(byte_offsets) - 1, np.int64, raw)
    worst = run(_VECTOR_COUNTS, where, len(counts), raw, byte_offsets, record, counts)
    if worst != NONE:
        raise _bad_entry(worst, byte_offsets, record, f"a vector of {record} byte hits")
    return raw, byte_offsets, counts_to_offsets(counts), where


def _hits(
    raw: Any, byte_offsets: Any, kernel: Kernel, dtypes: dict[str, str], record: int
) -> tuple[Any, dict[str, Any]]:
    raw, byte_offsets, offsets, where = hit_offsets(raw, byte_offsets, record)
    n = int(offsets[-1])
    columns = {name: _backend.empty(n, d, raw) for name, d in dtypes.items()}
    run(kernel, where, n, raw, byte_offsets, offsets, *columns.values())
    return offsets, columns


def _bytes(raw: Any, byte_offsets: Any) -> tuple[Any, Any, str]:
    raw = exactly(raw, np.dtype(np.uint8), "raw bytes")
    byte_offsets = exactly(byte_offsets, np.dtype(np.int64), "byte offsets")
    if len(byte_offsets) == 0:
        raise FormatError("byte offsets are empty", remedy="give n + 1 of them for n entries")
    return raw, byte_offsets, where_of(raw, byte_offsets)


def _bad_entry(worst: int, byte_offsets: Any, record: int, wanted: str) -> FormatError:
    entry, code = split(worst)
    start, stop = int(byte_offsets[entry]), int(byte_offsets[entry + 1])
    if code == _layout.WRONG_COUNT:
        n = (stop - start - _layout.VECTOR_HEADER) // record
        return FormatError(f"the header of the vector does not announce its {n} hits", where=f"entry {entry}")
    if code == _layout.OUT_OF_RANGE:
        return FormatError(f"bytes {start} to {stop} are not there", where=f"entry {entry}")
    return FormatError(f"{stop - start} bytes are not {wanted}", where=f"entry {entry}")
