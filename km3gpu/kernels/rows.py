"""The row of its PMT for every hit.

With it any property of PMTs or modules becomes a column of hits: ``column[row]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels.arrays import exactly, same_length
from km3gpu.kernels.cpu import rows as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.kernels.scalar.rows import NO_CHANNEL, NO_MODULE

__all__ = ["KERNELS", "NO_CHANNEL", "NO_MODULE", "pmt_rows"]

_U1, _U4, _I4 = np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.int32)

_PMT_ROWS = Kernel(
    "rows.pmt_rows",
    _cpu.pmt_rows_block,
    _cpu.pmt_rows_blocks,
    tuple(("i4[]", f"{small}[]", "i4[]", "i8", "i8", "i4[]") for small in ("u1", "u4")),
    bytes_per_item=5 + 4,
    item="hit",
    registers=32,
    checks=False,
)

KERNELS = (_PMT_ROWS,)


def pmt_rows(dom_id: Any, channel_id: Any, lookup: PmtLookup) -> Any:
    """Find the row of the PMT of each hit.

    Parameters
    ----------
    dom_id : (n,) int32 array
        Module of each hit.
    channel_id : (n,) uint8 or uint32 array
        Channel within the module.
    lookup : PmtLookup
        From `km3gpu.kernels.lookup.build`, on the same backend as the hits.

    Returns
    -------
    (n,) int32 array
        `NO_MODULE` (-1) where the module is unknown, `NO_CHANNEL` (-2) where it
        has no such channel.

    Raises
    ------
    KernelError
        Columns that differ in length or do not fit.
    BackendError
        Arrays partly on the host and partly on a device.
    """
    n = same_length(dom_id=dom_id, channel_id=channel_id)
    dom_id = exactly(dom_id, _I4, "dom_id")
    channel_id = exactly(channel_id, _U1 if channel_id.dtype == _U1 else _U4, "channel_id")
    where = where_of(dom_id, channel_id, lookup.slots)
    row = _backend.namespace(dom_id).empty(n, _I4)
    run(_PMT_ROWS, where, n, dom_id, channel_id, lookup.slots, lookup.multiplier, lookup.shift, row)
    return row
