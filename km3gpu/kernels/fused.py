"""Raw baskets of DAQ hits to calibrated columns in one pass.

The same as `km3gpu.kernels.decode` and then `km3gpu.kernels.calibrate`, without
writing the stored columns and reading them again in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from km3gpu.kernels.cpu import fused as _cpu
from km3gpu.kernels.decode import SNAPSHOT_COLUMNS, TRIGGERED_COLUMNS, hit_offsets
from km3gpu.kernels.launch import NONE, Kernel, run, where_of
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.kernels.placing import PLACE, check_missing, not_there, outputs, place_dtype, slewing_on
from km3gpu.kernels.scalar.decode import SNAPSHOT_HIT, TRIGGERED_HIT

__all__ = ["KERNELS", "snapshot_hits", "triggered_hits"]


def _signatures(stored: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    columns = [f"{d}[]" for d in stored.values()]
    return tuple(
        ("u1[]", "i8[]", "i8[]", "i4[]", "f8[]", "i8", "i8", "f8[]", *columns, "f8[]", *[f"{place}[]"] * 6)
        for place in ("f8", "f4")
    )


_SNAPSHOT_HITS = Kernel(
    "fused.snapshot_hits", _cpu.snapshot_hits_block, _cpu.snapshot_hits_blocks,
    _signatures(SNAPSHOT_COLUMNS), bytes_per_item=SNAPSHOT_HIT + 10 + 56, item="hit", registers=56,
)  # fmt: skip
_TRIGGERED_HITS = Kernel(
    "fused.triggered_hits", _cpu.triggered_hits_block, _cpu.triggered_hits_blocks,
    _signatures(TRIGGERED_COLUMNS), bytes_per_item=TRIGGERED_HIT + 18 + 56, item="hit", registers=56,
)  # fmt: skip

KERNELS = (_SNAPSHOT_HITS, _TRIGGERED_HITS)


def snapshot_hits(
    raw: Any,
    byte_offsets: Any,
    lookup: PmtLookup,
    *,
    slewing: Any | None = None,
    dtype: Any = np.float64,
    missing: str = "raise",
    out: Mapping[str, Any] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Decode and calibrate the branch ``snapshotHits``.

    Parameters
    ----------
    raw : (n_bytes,) uint8 array
        Bytes of the entries, each with its 10 byte vector header.
    byte_offsets : (n_entries + 1,) int64 array
        Entry e is ``raw[byte_offsets[e]:byte_offsets[e + 1]]``.
    lookup : PmtLookup
        On the same backend as the bytes.
    slewing, dtype, missing, out
        As for `km3gpu.kernels.calibrate.hits`; `out` holds all the columns.

    Returns
    -------
    offsets : (n_entries + 1,) int64 array
        Hits of each entry.
    columns : dict of str to array
        Those of `km3gpu.kernels.decode.snapshot_hits` and of
        `km3gpu.kernels.calibrate.hits`.

    Raises
    ------
    FormatError
        The bytes of an entry do not make whole hits.
    GeometryError
        A hit's module is not in the table, or has no such channel.
    """
    options = (slewing, dtype, missing, out)
    return _hits(_SNAPSHOT_HITS, SNAPSHOT_COLUMNS, SNAPSHOT_HIT, raw, byte_offsets, lookup, *options)


def triggered_hits(
    raw: Any,
    byte_offsets: Any,
    lookup: PmtLookup,
    *,
    slewing: Any | None = None,
    dtype: Any = np.float64,
    missing: str = "raise",
    out: Mapping[str, Any] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Decode and calibrate the branch ``triggeredHits``.

    Parameters
    ----------
    raw, byte_offsets, lookup, slewing, dtype, missing, out
        As for `snapshot_hits`.

    Returns
    -------
    offsets : (n_entries + 1,) int64 array
        Hits of each entry.
    columns : dict of str to array
        Those of `snapshot_hits` and ``trig`` uint64, the trigger bits.

    Raises
    ------
    FormatError, GeometryError
        As for `snapshot_hits`.
    """
    options = (slewing, dtype, missing, out)
    return _hits(_TRIGGERED_HITS, TRIGGERED_COLUMNS, TRIGGERED_HIT, raw, byte_offsets, lookup, *options)


def _hits(
    kernel: Kernel,
    stored: Mapping[str, str],
    record: int,
    raw: Any,
    byte_offsets: Any,
    lookup: PmtLookup,
    slewing: Any | None,
    dtype: Any,
    missing: str,
    out: Mapping[str, Any] | None,
) -> tuple[Any, dict[str, Any]]:
    check_missing(missing)
    place = place_dtype(dtype)
    raw, byte_offsets, offsets, _ = hit_offsets(raw, byte_offsets, record)
    where = where_of(raw, byte_offsets, lookup.slots, lookup.rows)
    n = int(offsets[-1])
    made = outputs({**stored, "t": np.float64, **dict.fromkeys(PLACE, place)}, n, raw, out)
    worst = run(
        kernel, where, n, raw, byte_offsets, offsets,
        lookup.slots, lookup.rows, lookup.multiplier, lookup.shift, slewing_on(slewing, where),
        *made.values(),
    )  # fmt: skip
    if worst != NONE and missing == "raise":
        raise not_there(worst, made["dom_id"], made["channel_id"], offsets)
    return offsets, made
