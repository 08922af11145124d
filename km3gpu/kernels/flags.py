"""Trigger bits from triggered hits to the snapshot hits that they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import flags as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["KERNELS", "transfer"]

_U1, _U4, _I4 = np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.int32)
_U8, _F8 = np.dtype(np.uint64), np.dtype(np.float64)

_TRANSFER = Kernel(
    "flags.transfer", _cpu.transfer_block, _cpu.transfer_blocks,
    tuple(
        (
            "i4[]", "i4[]", f"{small}[]", "u4[]", f"{small}[]",
            "i8[]", "i8[]", "i4[]", f"{small}[]", "u4[]", f"{small}[]", "u8[]", "u8[]", "u1[]",
        )
        for small in ("u1", "u4")
    ),
    # a search among some hundred hits
    bytes_per_item=14 + 8 + 8 * 16, item="hit", registers=56, checks=False,
)  # fmt: skip

KERNELS = (_TRANSFER,)


def transfer(
    offsets: Any, dom_id: Any, channel_id: Any, tdc: Any, tot: Any,
    from_offsets: Any, from_dom_id: Any, from_channel_id: Any, from_tdc: Any, from_tot: Any, trig: Any,
) -> tuple[Any, int]:  # fmt: skip
    """Give hits the trigger bits of the triggered hits that are equal to them.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    dom_id, channel_id, tdc, tot : (n,) array
        The hits, as stored.
    from_offsets : (n_events + 1,) int64 array
        Triggered hits of each event.
    from_dom_id, from_channel_id, from_tdc, from_tot : (m,) array
        The triggered hits.
    trig : (m,) uint64 array
        Their trigger bits.

    Returns
    -------
    trig : (n,) uint64 array
        0 for a hit that is not triggered.
    n_missed : int
        Triggered hits that no hit is equal to (or that equal an earlier one).
    """
    n = same_length(dom_id=dom_id, channel_id=channel_id, tdc=tdc, tot=tot)
    m = same_length(dom_id=from_dom_id, channel_id=from_channel_id, tdc=from_tdc, tot=from_tot, trig=trig)
    offsets, from_offsets = as_offsets(offsets, n), as_offsets(from_offsets, m)
    if len(offsets) != len(from_offsets):
        raise KernelError(f"hits of {len(offsets) - 1} events, triggered ones of {len(from_offsets) - 1}")
    small = _U1 if {c.dtype for c in (channel_id, tot, from_channel_id, from_tot)} == {_U1} else _U4
    hits, triggered = (
        (
            exactly(columns[0], _I4, "dom_id"),
            exactly(columns[1], small, "channel_id"),
            exactly(columns[2], _U4, "tdc"),
            exactly(columns[3], small, "tot"),
        )
        for columns in (
            (dom_id, channel_id, tdc, tot),
            (from_dom_id, from_channel_id, from_tdc, from_tot),
        )
    )
    order = _segments.order(from_offsets, triggered[0], triggered[2].astype(_F8))
    xp = _backend.namespace(tdc)
    out, missed = xp.empty(n, _U8), xp.ones(m, _U1)
    run(
        _TRANSFER, where_of(offsets, *hits, from_offsets, *triggered, trig), n,
        _segments.expand(offsets), *hits, from_offsets, order, *triggered, exactly(trig, _U8, "trig"),
        out, missed,
    )  # fmt: skip
    return out, int(missed.sum())
