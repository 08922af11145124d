"""The hits of each module cut into windows, of which some are coincidences.

The rule, from Jpp's trigger, is in `km3gpu.kernels.scalar.coincidence`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import coincidence as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["MARK", "Windows", "chains", "windows"]

_I4 = np.dtype(np.int32)
_F4, _F8 = np.dtype(np.float32), np.dtype(np.float64)

MARK = Kernel(
    "coincidence.mark", _cpu.mark_block, _cpu.mark_blocks,
    (("i8[]", "i4[]", "i4[]", "f8[]", "f8", "i8", "f8", "f8", "f4[]", "f4[]", "f4[]", "i4[]"),),
    bytes_per_item=8 + 4 + 4 + 8 + 4, item="hit", registers=64, checks=False,
)  # fmt: skip


class Windows(NamedTuple):
    """Hits in order, cut into the windows that their first hits open.

    Attributes
    ----------
    order : (n,) int64 array
        Row of each hit in order of (event, module, time).
    segment : (n,) int32 array
        Event of each row.
    members : (n,) int32 array
        In that order: hits of the window that begins with this one, negative
        where they make no coincidence; 0 for a hit that begins none.
    """

    order: Any
    segment: Any
    members: Any


def chains(offsets: Any, dom_id: Any, t: Any, *, window: float = 25.0, min_hits: int = 2) -> Windows:
    """Cut the hits of each module where the next one comes later than a window.

    Parameters
    ----------
    offsets, dom_id, t, window, min_hits
        As for `km3gpu.kernels.coincidence.same_module`.
    """
    n = same_length(dom_id=dom_id, t=t)
    offsets = as_offsets(offsets, n)
    dom_id, t = exactly(dom_id, _I4, "dom_id"), exactly(t, _F8, "t")
    xp = _backend.namespace(t)
    order, segment = _segments.order(offsets, dom_id, t), _segments.expand(offsets)
    module, time = dom_id[order], t[order]
    starts = xp.ones(n, bool)
    starts[1:] = ~(
        (segment[1:] == segment[:-1]) & (module[1:] == module[:-1]) & (time[1:] - time[:-1] <= window)
    )
    first = xp.flatnonzero(starts)
    size = xp.concatenate((first[1:], xp.full(min(1, n), n, first.dtype))) - first
    members = xp.zeros(n, _I4)
    members[first] = xp.where(size >= min_hits, size, -size)
    return Windows(order, segment, members)


def windows(
    offsets: Any,
    dom_id: Any,
    t: Any,
    *,
    window: float = 25.0,
    min_hits: int = 2,
    l2_window: float | None = None,
    min_cos: float | None = None,
    dir_x: Any | None = None,
    dir_y: Any | None = None,
    dir_z: Any | None = None,
) -> Windows:
    """Cut the hits of each module into windows, and tell which make a coincidence.

    Parameters
    ----------
    offsets, dom_id, t, window, min_hits, l2_window, min_cos, dir_x, dir_y, dir_z
        As for `km3gpu.kernels.coincidence.same_module`.
    """
    if min_hits < 1:
        raise KernelError(f"min_hits must be 1 or more, not {min_hits}")
    n = same_length(dom_id=dom_id, t=t)
    offsets = as_offsets(offsets, n)
    dom_id, t = exactly(dom_id, _I4, "dom_id"), exactly(t, _F8, "t")
    axes = _axes(_backend.namespace(t), n, (dir_x, dir_y, dir_z), l2_window, min_cos)
    order = _segments.order(offsets, dom_id, t)
    segment = _segments.expand(offsets)
    members = _backend.empty(n, _I4, t)
    run(
        MARK, where_of(offsets, dom_id, t), n, order, segment, dom_id, t, float(window), int(min_hits),
        np.inf if l2_window is None else float(l2_window), -2.0 if min_cos is None else float(min_cos),
        *axes, members,
    )  # fmt: skip
    return Windows(order, segment, members)


def _axes(
    xp: Any, n: int, axes: tuple[Any | None, ...], l2_window: float | None, min_cos: float | None
) -> tuple[Any, ...]:
    if min_cos is None:
        none = xp.empty(0, _F4)
        return none, none, none
    if l2_window is None:
        raise KernelError("min_cos is a cut on pairs within l2_window", remedy="give l2_window too")
    given = [a for a in axes if a is not None]
    if len(given) < 3 or any(len(a) != n for a in given):
        raise KernelError("min_cos needs dir_x, dir_y and dir_z of every hit")
    return tuple(xp.ascontiguousarray(a, dtype=_F4) for a in given)
