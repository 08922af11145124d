"""Trigger bits of triggered hits on a GPU: one thread, one hit."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.flags import row_of_hit

__all__ = ["transfer"]


@cuda.jit
def transfer(
    n, segment, dom_id, channel_id, tdc, tot,
    from_offsets, order, from_dom_id, from_channel_id, from_tdc, from_tot, trig, out, missed, slot,
):  # fmt: skip
    """Look up `n` hits among the triggered ones, and mark those that were met."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = segment[i]
        row = row_of_hit(
            from_offsets[e], from_offsets[e + 1], order, from_dom_id, from_channel_id, from_tdc, from_tot,
            dom_id[i], channel_id[i], tdc[i], tot[i],
        )  # fmt: skip
        out[i] = 0
        if row >= 0:
            out[i] = trig[row]
            missed[row] = 0
