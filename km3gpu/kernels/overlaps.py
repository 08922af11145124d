"""Spans of time: those that overlap put together, and the rows within each."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import overlaps as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["KERNELS", "merge", "within"]

_F8, _I8, _I4, _B1 = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.bool_)

_MERGE = Kernel(
    "overlaps.merge", _cpu.merge_block, _cpu.merge_blocks, (("i8[]", "f8[]", "f8[]", "f8", "f8", "b1[]"),),
    bytes_per_item=16 + 20 * 17, item="event", registers=48, checks=False,
)  # fmt: skip
_WITHIN = Kernel(
    "overlaps.within", _cpu.within_block, _cpu.within_blocks,
    (("i4[]", "f8[]", "f8[]", "i8[]", "f8[]", "i8[]", "i8[]"),),
    # twice a search among some hundred rows
    bytes_per_item=4 + 16 + 16 + 16 + 2 * 8 * 8, item="span", registers=48, checks=False,
)  # fmt: skip

KERNELS = (_MERGE, _WITHIN)


def merge(offsets: Any, first: Any, last: Any, gap: float, longest: float = np.inf) -> Any:
    """Mark the spans that no earlier one reaches.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Spans of each event.
    first, last : (n,) float64 array
        Begin and end of each; within an event in order of `first`.
    gap : float
        A span reaches those that begin up to this much after its end.
    longest : float
        What begins more than this after the first span of a group begins a new one.

    Returns
    -------
    (n,) bool array
        True for the first span of each group of spans that reach each other.
    """
    n = same_length(first=first, last=last)
    offsets = as_offsets(offsets, n)
    first, last = exactly(first, _F8, "first"), exactly(last, _F8, "last")
    starts = _backend.namespace(first).empty(n, _B1)
    run(
        _MERGE, where_of(offsets, first, last), len(offsets) - 1,
        offsets, first, last, float(gap), float(longest), starts, work=n,
    )  # fmt: skip
    return starts


def within(event: Any, earliest: Any, latest: Any, offsets: Any, t: Any) -> tuple[Any, Any]:
    """Find the rows of an event that lie within a span of time.

    Parameters
    ----------
    event : (n,) int array
        Event of each span.
    earliest, latest : (n,) float64 array
        Its ends, both included.
    offsets : (n_events + 1,) int64 array
        Rows of each event.
    t : (n_rows,) float64 array
        Their times, in order within each event; NaN last, in no span.

    Returns
    -------
    begin, end : (n,) int64 array
        Rows ``begin`` to ``end`` (not included) are those of the span.
    """
    n = same_length(event=event, earliest=earliest, latest=latest)
    offsets = as_offsets(offsets, len(t))
    event = exactly(event, _I4, "event")
    earliest, latest, t = (
        exactly(a, _F8, name) for a, name in ((earliest, "earliest"), (latest, "latest"), (t, "t"))
    )
    xp = _backend.namespace(t)
    begin, end = xp.empty(n, _I8), xp.empty(n, _I8)
    run(
        _WITHIN, where_of(event, earliest, latest, offsets, t), n,
        event, earliest, latest, offsets, t, begin, end,
    )  # fmt: skip
    return begin, end
