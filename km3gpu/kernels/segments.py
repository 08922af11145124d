"""Rows by event: offsets, sums, extremes, order and compaction.

A segment is the rows ``offsets[e]`` to ``offsets[e + 1]`` of an event; it may be
empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import segments as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of
from km3gpu.offsets import counts_to_offsets

__all__ = [
    "KERNELS",
    "compact",
    "counts_to_offsets",
    "expand",
    "first",
    "maximum",
    "minimum",
    "order",
    "total",
]

_F8, _I8, _I4 = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.int32)

# of a segment, as DAQ events have hits
_ROWS = 1000

_EXPAND = Kernel(
    "segments.expand", _cpu.expand_block, _cpu.expand_blocks, (("i8[]", "i4[]"),),
    bytes_per_item=4, item="row", registers=32, checks=False,
)  # fmt: skip
_TOTAL = Kernel(
    "segments.total", _cpu.total_block, _cpu.total_blocks, (("i8[]", "f8[]", "f8[]"),),
    bytes_per_item=8 * _ROWS + 24, item="segment", registers=40,
    threads_per_block=128, threads_per_item=32, checks=False,
)  # fmt: skip
_EXTREME = tuple(("i8[]", f"{d}[]", d, f"{d}[]") for d in ("f8", "i8"))
_MINIMUM = Kernel(
    "segments.minimum", _cpu.minimum_block, _cpu.minimum_blocks, _EXTREME,
    bytes_per_item=8 * _ROWS + 24, item="segment", registers=48,
    threads_per_block=128, threads_per_item=32, checks=False,
)  # fmt: skip
_MAXIMUM = Kernel(
    "segments.maximum", _cpu.maximum_block, _cpu.maximum_blocks, _EXTREME,
    bytes_per_item=8 * _ROWS + 24, item="segment", registers=48,
    threads_per_block=128, threads_per_item=32, checks=False,
)  # fmt: skip
# The CPU sorts segments one by one; a GPU merges runs of all of them, level by level.
_ORDER = Kernel(
    "segments.order", _cpu.order_block, _cpu.order_blocks, (),
    bytes_per_item=20 * _ROWS, item="segment", registers=0, checks=False,
)  # fmt: skip
_MERGE = Kernel(
    "segments.merge", None, None, (("i8", "i8[]", "i4[]", "i4[]", "i8[]", "i8[]", "i8[]"),),
    bytes_per_item=4 + 8 + 8 + 12, item="row", registers=48, checks=False,
)  # fmt: skip

KERNELS = (_EXPAND, _TOTAL, _MINIMUM, _MAXIMUM, _ORDER, _MERGE)


def expand(offsets: Any) -> Any:
    """Give the segment of each row.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        From 0 to the number of rows.

    Returns
    -------
    (n_rows,) int32 array
    """
    n = int(offsets[-1])
    offsets = as_offsets(offsets, n)
    where = where_of(offsets)
    segment = _backend.empty(n, _I4, offsets)
    run(_EXPAND, where, n, offsets, segment)
    return segment


def total(offsets: Any, values: Any) -> Any:
    """Add up the values of each segment.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Rows of each segment.
    values : (n_rows,) array
        Floats, integers or booleans.

    Returns
    -------
    (n_events,) array
        float64 for floats, the same to the last bit on every backend; int64 for
        integers, exact.
    """
    offsets = as_offsets(offsets, len(values))
    xp = _backend.namespace(values)
    if values.dtype.kind != "f":
        running = xp.zeros(len(values) + 1, dtype=np.int64)
        xp.cumsum(values, dtype=np.int64, out=running[1:])
        return running[offsets[1:]] - running[offsets[:-1]]
    values = exactly(values, _F8, "values")
    out = _backend.empty(len(offsets) - 1, _F8, values)
    run(_TOTAL, where_of(offsets, values), len(out), offsets, values, out, work=len(values))
    return out


def minimum(offsets: Any, values: Any, empty: float | None = None) -> Any:
    """Find the smallest value of each segment; NaN are passed over.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Rows of each segment.
    values : (n_rows,) array
        Floats or integers.
    empty : number, optional
        What a segment without values gets: NaN for floats, 0 for integers.

    Returns
    -------
    (n_events,) array
        float64, or int64 for integers.
    """
    return _extreme(_MINIMUM, offsets, values, empty)


def maximum(offsets: Any, values: Any, empty: float | None = None) -> Any:
    """Find the largest value of each segment; NaN are passed over.

    Parameters
    ----------
    offsets, values, empty
        As for `minimum`.

    Returns
    -------
    (n_events,) array
        float64, or int64 for integers.
    """
    return _extreme(_MAXIMUM, offsets, values, empty)


def _extreme(kernel: Kernel, offsets: Any, values: Any, empty: float | None) -> Any:
    offsets = as_offsets(offsets, len(values))
    dtype = _F8 if values.dtype.kind == "f" else _I8
    values = exactly(values, dtype, "values")
    if empty is None:
        empty = np.nan if dtype == _F8 else 0
    out = _backend.empty(len(offsets) - 1, dtype, values)
    run(
        kernel, where_of(offsets, values), len(out),
        offsets, values, dtype.type(empty), out, work=len(values),
    )  # fmt: skip
    return out


def first(offsets: Any, values: Any, empty: Any = 0) -> Any:
    """Give the first value of each segment, `empty` where there is none."""
    offsets = as_offsets(offsets, len(values))
    xp = _backend.namespace(values)
    out = xp.full(len(offsets) - 1, empty, dtype=values.dtype)
    filled = offsets[1:] > offsets[:-1]
    out[filled] = values[offsets[:-1][filled]]
    return out


def compact(mask: Any, offsets: Any) -> tuple[Any, Any]:
    """Find the rows to keep, and the offsets they have then.

    Parameters
    ----------
    mask : (n_rows,) bool array
        True to keep.
    offsets : (n_events + 1,) int64 array
        Rows of each segment.

    Returns
    -------
    index : (n_kept,) int64 array
        Rows kept, in order.
    offsets : (n_events + 1,) int64 array
        Theirs.
    """
    if mask.dtype != bool:
        raise KernelError(f"a mask is bool, not {mask.dtype}")
    offsets = as_offsets(offsets, len(mask))
    xp = _backend.namespace(mask)
    index = xp.flatnonzero(mask)
    return index, xp.searchsorted(index, offsets).astype(np.int64)


def order(offsets: Any, dom_id: Any, t: Any) -> Any:
    """Sort the rows of each segment by (module, time, row).

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Rows of each segment.
    dom_id : (n_rows,) int32 array
        Module, the first key.
    t : (n_rows,) float64 array
        Time, the second; NaN last.  Equal rows keep their order.

    Returns
    -------
    (n_rows,) int64 array
        The row that comes first, second ...; segments stay where they are.
    """
    n = same_length(dom_id=dom_id, t=t)
    offsets = as_offsets(offsets, n)
    dom_id = exactly(dom_id, _I4, "dom_id")
    bits = exactly(t, _F8, "t").view(np.int64)
    where = where_of(offsets, dom_id, bits)
    index = _backend.empty(n, _I8, dom_id)
    if where == "cpu":
        run(_ORDER, where, len(offsets) - 1, offsets, dom_id, bits, index, work=n)
        return index
    if n == 0:
        return index
    segment = expand(offsets)
    index[:] = _backend.namespace(dom_id).arange(n)
    spare = _backend.empty(n, _I8, dom_id)
    longest, width = int((offsets[1:] - offsets[:-1]).max()), 1
    while width < longest:
        run(_MERGE, where, n, width, offsets, segment, dom_id, bits, index, spare)
        index, spare = spare, index
        width *= 2
    return index
