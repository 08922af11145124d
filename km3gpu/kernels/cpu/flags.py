"""Trigger bits of triggered hits on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.flags import row_of_hit

__all__ = ["transfer_block", "transfer_blocks"]


@block
def transfer_block(
    start, stop, segment, dom_id, channel_id, tdc, tot,
    from_offsets, order, from_dom_id, from_channel_id, from_tdc, from_tot, trig, out, missed,
):  # fmt: skip
    """Look up hits ``start`` to ``stop`` among the triggered ones, and mark those that were met."""
    for i in range(start, stop):
        e = segment[i]
        row = row_of_hit(
            from_offsets[e], from_offsets[e + 1], order, from_dom_id, from_channel_id, from_tdc, from_tot,
            dom_id[i], channel_id[i], tdc[i], tot[i],
        )  # fmt: skip
        out[i] = 0
        if row >= 0:
            out[i] = trig[row]
            missed[row] = 0
    return NONE


@blocks
def transfer_blocks(
    n, n_blocks, segment, dom_id, channel_id, tdc, tot,
    from_offsets, order, from_dom_id, from_channel_id, from_tdc, from_tot, trig, out, missed,
):  # fmt: skip
    """Look up `n` hits among the triggered ones in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        transfer_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, segment, dom_id, channel_id, tdc, tot,
            from_offsets, order, from_dom_id, from_channel_id, from_tdc, from_tot, trig, out, missed,
        )  # fmt: skip
    return NONE
