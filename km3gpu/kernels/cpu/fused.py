"""DAQ records to calibrated hits in one pass on the CPU.

A few thousand hits at a time are decoded and then calibrated, while they are
still in the nearest cache; the loops are those of decoding and calibrating.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.cpu.calibrate import edge, hits_block
from km3gpu.kernels.cpu.decode import snapshot_hits_block as decode_snapshot
from km3gpu.kernels.cpu.decode import triggered_hits_block as decode_triggered
from km3gpu.kernels.launch import NONE, block, blocks

__all__ = ["snapshot_hits_block", "snapshot_hits_blocks", "triggered_hits_block", "triggered_hits_blocks"]

_PIECE = 2048


@block
def snapshot_hits_block(
    start, stop, raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
    dom_id, channel_id, tdc, tot, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Decode and calibrate hits ``start`` to ``stop``, across entries."""
    worst = NONE
    for low in range(start, stop, _PIECE):
        high = min(low + _PIECE, stop)
        decode_snapshot(low, high, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot)
        fault = hits_block(
            low, high, dom_id, channel_id, tdc, tot, slots, rows, multiplier, shift, slew,
            t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
        )  # fmt: skip
        worst = min(worst, fault)
    return worst


@blocks
def snapshot_hits_blocks(
    n, n_blocks, raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
    dom_id, channel_id, tdc, tot, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Decode and calibrate `n` hits in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = snapshot_hits_block(
            edge(k, n, n_blocks), edge(k + 1, n, n_blocks),
            raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
            dom_id, channel_id, tdc, tot, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
        )  # fmt: skip
    return worst.min()


@block
def triggered_hits_block(
    start, stop, raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
    dom_id, channel_id, tdc, tot, trig, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Decode and calibrate triggered hits ``start`` to ``stop``, across entries."""
    worst = NONE
    for low in range(start, stop, _PIECE):
        high = min(low + _PIECE, stop)
        decode_triggered(low, high, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot, trig)
        fault = hits_block(
            low, high, dom_id, channel_id, tdc, tot, slots, rows, multiplier, shift, slew,
            t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
        )  # fmt: skip
        worst = min(worst, fault)
    return worst


@blocks
def triggered_hits_blocks(
    n, n_blocks, raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
    dom_id, channel_id, tdc, tot, trig, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Decode and calibrate `n` triggered hits in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = triggered_hits_block(
            edge(k, n, n_blocks), edge(k + 1, n, n_blocks),
            raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
            dom_id, channel_id, tdc, tot, trig, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
        )  # fmt: skip
    return worst.min()
