"""DAQ records to calibrated hits in one pass on a GPU: one thread, one hit."""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.scalar.calibrate import NO_CHANNEL, NO_MODULE, calibrated_time
from km3gpu.kernels.scalar.decode import (
    SNAPSHOT_HIT,
    TRIGGERED_HIT,
    VECTOR_HEADER,
    big_4,
    big_8,
    little_4,
    signed_4,
)
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.jagged import event_of
from km3gpu.kernels.scalar.lookup import first_slot

__all__ = ["snapshot_hits", "triggered_hits"]


@cuda.jit
def snapshot_hits(
    n, raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
    dom_id, channel_id, tdc, tot, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z, slot,
):  # fmt: skip
    """Decode and calibrate `n` hits."""
    mask = slots.shape[0] - 1
    last_tot = slew.shape[0] - 1
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = event_of(offsets, i)
        p = byte_offsets[e] + VECTOR_HEADER + SNAPSHOT_HIT * (i - offsets[e])
        module = signed_4(big_4(raw[p], raw[p + 1], raw[p + 2], raw[p + 3]))
        channel = int(raw[p + 4])
        time = little_4(raw[p + 5], raw[p + 6], raw[p + 7], raw[p + 8])
        over = int(raw[p + 9])
        s = first_slot(module, multiplier, shift) * 4
        while slots[s] != module and slots[s + 2] >= 0:
            s = (s + 4) & mask
        n_pmts = np.int64(slots[s + 2])
        r = (np.int64(slots[s + 1]) + channel) * 8
        if channel >= n_pmts:
            cuda.atomic.min(slot, 0, fault(i, NO_MODULE if n_pmts < 0 else NO_CHANNEL))
            r = rows.shape[0] - 8
        dom_id[i] = module
        channel_id[i] = channel
        tdc[i] = time
        tot[i] = over
        t[i] = calibrated_time(time, rows[r], slew[min(over, last_tot)])
        pos_x[i] = rows[r + 1]
        pos_y[i] = rows[r + 2]
        pos_z[i] = rows[r + 3]
        dir_x[i] = rows[r + 4]
        dir_y[i] = rows[r + 5]
        dir_z[i] = rows[r + 6]


@cuda.jit
def triggered_hits(
    n, raw, byte_offsets, offsets, slots, rows, multiplier, shift, slew,
    dom_id, channel_id, tdc, tot, trig, t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z, slot,
):  # fmt: skip
    """Decode and calibrate `n` triggered hits."""
    mask = slots.shape[0] - 1
    last_tot = slew.shape[0] - 1
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = event_of(offsets, i)
        p = byte_offsets[e] + VECTOR_HEADER + TRIGGERED_HIT * (i - offsets[e])
        module = signed_4(big_4(raw[p], raw[p + 1], raw[p + 2], raw[p + 3]))
        channel = int(raw[p + 4])
        time = little_4(raw[p + 5], raw[p + 6], raw[p + 7], raw[p + 8])
        over = int(raw[p + 9])
        s = first_slot(module, multiplier, shift) * 4
        while slots[s] != module and slots[s + 2] >= 0:
            s = (s + 4) & mask
        n_pmts = np.int64(slots[s + 2])
        r = (np.int64(slots[s + 1]) + channel) * 8
        if channel >= n_pmts:
            cuda.atomic.min(slot, 0, fault(i, NO_MODULE if n_pmts < 0 else NO_CHANNEL))
            r = rows.shape[0] - 8
        dom_id[i] = module
        channel_id[i] = channel
        tdc[i] = time
        tot[i] = over
        trig[i] = big_8(
            big_4(raw[p + 16], raw[p + 17], raw[p + 18], raw[p + 19]),
            big_4(raw[p + 20], raw[p + 21], raw[p + 22], raw[p + 23]),
        )
        t[i] = calibrated_time(time, rows[r], slew[min(over, last_tot)])
        pos_x[i] = rows[r + 1]
        pos_y[i] = rows[r + 2]
        pos_z[i] = rows[r + 3]
        dir_x[i] = rows[r + 4]
        dir_y[i] = rows[r + 5]
        dir_z[i] = rows[r + 6]
