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

_KEY = ("dom_id", "channel_id", "tdc", "tot")


def transfer(
    offsets: Any, hits: tuple[Any, ...], from_offsets: Any, triggered: tuple[Any, ...], trig: Any
) -> tuple[Any, int]:
    """Give hits the trigger bits of the triggered hits that are equal to them.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    hits : tuple of (n,) array
        ``dom_id, channel_id, tdc, tot`` of the hits, as stored.
    from_offsets : (n_events + 1,) int64 array
        Triggered hits of each event.
    triggered : tuple of (m,) array
        The same columns of the triggered hits.
    trig : (m,) uint64 array
        Their trigger bits.

    Returns
    -------
    trig : (n,) uint64 array
        0 for a hit that is not triggered.
    n_missed : int
        Triggered hits that no hit is equal to (or that equal an earlier one).
    """
    n = same_length(**dict(zip(_KEY, hits, strict=True)))
    m = same_length(**dict(zip(_KEY, triggered, strict=True)), trig=trig)
    offsets, from_offsets = as_offsets(offsets, n), as_offsets(from_offsets, m)
    if len(offsets) != len(from_offsets):
        raise KernelError(f"hits of {len(offsets) - 1} events, triggered ones of {len(from_offsets) - 1}")
    small = _U1 if {columns[k].dtype for columns in (hits, triggered) for k in (1, 3)} == {_U1} else _U4
    hits, triggered = (
        tuple(
            exactly(column, dtype, name)
            for column, dtype, name in zip(columns, (_I4, small, _U4, small), _KEY, strict=True)
        )
        for columns in (hits, triggered)
    )
    order = _segments.order(from_offsets, triggered[0], triggered[2].astype(_F8))
    xp = _backend.namespace(trig)
    out, missed = xp.empty(n, _U8), xp.ones(m, _U1)
    run(
        _TRANSFER, where_of(offsets, *hits, from_offsets, *triggered, trig), n,
        _segments.expand(offsets), *hits, from_offsets, order, *triggered, exactly(trig, _U8, "trig"),
        out, missed,
    )  # fmt: skip
    return out, int(missed.sum())
