"""Calibration of hits on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.cpu.columns import finish_stores, rows_to_columns
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.calibrate import NO_CHANNEL, NO_MODULE, calibrated_time
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.lookup import first_slot

__all__ = ["edge", "hits_block", "hits_blocks", "pmt_hits_block", "pmt_hits_blocks"]

# Indices are unsigned: numba then leaves out the handling of negative ones.
_1, _2, _4, _8 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(8)
_TILE = 8
# From this many hits on the columns made are too large for the caches near a core (28 MiB).
_PAST_CACHES = 524_288


@register_jitable
def edge(k: int, n: int, n_blocks: int) -> int:
    """Give where block `k` of `n` hits begins: on a whole tile, but for the end."""
    return n if k == n_blocks else k * n // n_blocks // _TILE * _TILE


@block
def hits_block(
    start, stop,
    dom_id, channel_id, tdc, tot,
    slots, rows, multiplier, shift, slew,
    t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Calibrate hits ``start`` to ``stop``; the last row of `rows` is for those that have none."""
    worst = NONE
    mask = np.uint64(slots.shape[0] - 1)
    nowhere = np.int64(rows.shape[0] // 8 - 1)
    last_tot = np.int64(slew.shape[0] - 1)
    found = np.empty(_TILE, np.uint64)
    times = np.empty(_TILE, np.float64)
    past = t.shape[0] >= _PAST_CACHES
    full = start + (stop - start) // _TILE * _TILE
    for low in range(start, full, _TILE):
        for j in range(_TILE):
            i = low + j
            module = dom_id[i]
            s = np.uint64(first_slot(module, multiplier, shift)) * _4
            while slots[s] != module and slots[s + _2] >= 0:
                s = (s + _4) & mask
            channel = np.int64(channel_id[i])
            row = np.int64(slots[s + _1]) + channel
            if channel >= np.int64(slots[s + _2]):
                worst = min(worst, fault(i, NO_MODULE if slots[s + _2] < 0 else NO_CHANNEL))
                row = nowhere
            r = np.uint64(row) * _8
            found[np.uint64(j)] = r
            slewing = slew[np.uint64(min(np.int64(tot[i]), last_tot))]
            times[np.uint64(j)] = calibrated_time(tdc[i], rows[r], slewing)
        rows_to_columns(rows, found, times, low, past, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z)
    for i in range(full, stop):
        module = dom_id[i]
        s = np.uint64(first_slot(module, multiplier, shift)) * _4
        while slots[s] != module and slots[s + _2] >= 0:
            s = (s + _4) & mask
        channel = np.int64(channel_id[i])
        row = np.int64(slots[s + _1]) + channel
        if channel >= np.int64(slots[s + _2]):
            worst = min(worst, fault(i, NO_MODULE if slots[s + _2] < 0 else NO_CHANNEL))
            row = nowhere
        r = np.uint64(row) * _8
        t[i] = calibrated_time(tdc[i], rows[r], slew[np.uint64(min(np.int64(tot[i]), last_tot))])
        pos_x[i] = rows[r + _1]
        pos_y[i] = rows[r + _2]
        pos_z[i] = rows[r + np.uint64(3)]
        dir_x[i] = rows[r + _4]
        dir_y[i] = rows[r + np.uint64(5)]
        dir_z[i] = rows[r + np.uint64(6)]
    if past:
        finish_stores()
    return worst


@blocks
def hits_blocks(
    n, n_blocks,
    dom_id, channel_id, tdc, tot,
    slots, rows, multiplier, shift, slew,
    t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Calibrate `n` hits in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = hits_block(
            edge(k, n, n_blocks), edge(k + 1, n, n_blocks),
            dom_id, channel_id, tdc, tot, slots, rows, multiplier, shift, slew,
            t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
        )  # fmt: skip
    return worst.min()


@block
def pmt_hits_block(
    start, stop, pmt_id,
    slots, rows, multiplier, shift,
    pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Place hits ``start`` to ``stop`` by the identifier of their PMT."""
    worst = NONE
    mask = np.uint64(slots.shape[0] - 1)
    nowhere = np.int64(rows.shape[0] // 8 - 1)
    for i in range(start, stop):
        pmt = pmt_id[i]
        s = np.uint64(first_slot(pmt, multiplier, shift)) * _4
        while slots[s] != pmt and slots[s + _2] >= 0:
            s = (s + _4) & mask
        row = np.int64(slots[s + _1])
        if slots[s + _2] < 1:
            worst = min(worst, fault(i, NO_MODULE))
            row = nowhere
        r = np.uint64(row) * _8
        pos_x[i] = rows[r + _1]
        pos_y[i] = rows[r + _2]
        pos_z[i] = rows[r + np.uint64(3)]
        dir_x[i] = rows[r + _4]
        dir_y[i] = rows[r + np.uint64(5)]
        dir_z[i] = rows[r + np.uint64(6)]
    return worst


@blocks
def pmt_hits_blocks(
    n, n_blocks, pmt_id,
    slots, rows, multiplier, shift,
    pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
):  # fmt: skip
    """Place `n` hits by the identifier of their PMT, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = pmt_hits_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, pmt_id,
            slots, rows, multiplier, shift, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
        )  # fmt: skip
    return worst.min()
