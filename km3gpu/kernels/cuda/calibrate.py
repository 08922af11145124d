"""Calibration of hits on a GPU: one thread, one hit."""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.scalar.calibrate import NO_CHANNEL, NO_MODULE, calibrated_time
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.lookup import first_slot

__all__ = ["hits", "pmt_hits"]


@cuda.jit
def hits(
    n,
    dom_id, channel_id, tdc, tot,
    slots, rows, multiplier, shift, slew,
    t, pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
    slot,
):  # fmt: skip
    """Calibrate `n` hits; the last row of `rows` is for those that have none."""
    mask = slots.shape[0] - 1
    last_tot = slew.shape[0] - 1
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        module = dom_id[i]
        s = first_slot(module, multiplier, shift) * 4
        while slots[s] != module and slots[s + 2] >= 0:
            s = (s + 4) & mask
        channel = np.int64(channel_id[i])
        n_pmts = np.int64(slots[s + 2])
        r = (np.int64(slots[s + 1]) + channel) * 8
        if channel >= n_pmts:
            cuda.atomic.min(slot, 0, fault(i, NO_MODULE if n_pmts < 0 else NO_CHANNEL))
            r = rows.shape[0] - 8
        t[i] = calibrated_time(tdc[i], rows[r], slew[min(np.int64(tot[i]), last_tot)])
        pos_x[i] = rows[r + 1]
        pos_y[i] = rows[r + 2]
        pos_z[i] = rows[r + 3]
        dir_x[i] = rows[r + 4]
        dir_y[i] = rows[r + 5]
        dir_z[i] = rows[r + 6]


@cuda.jit
def pmt_hits(
    n, pmt_id,
    slots, rows, multiplier, shift,
    pos_x, pos_y, pos_z, dir_x, dir_y, dir_z,
    slot,
):  # fmt: skip
    """Place `n` hits by the identifier of their PMT."""
    mask = slots.shape[0] - 1
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        pmt = pmt_id[i]
        s = first_slot(pmt, multiplier, shift) * 4
        while slots[s] != pmt and slots[s + 2] >= 0:
            s = (s + 4) & mask
        r = np.int64(slots[s + 1]) * 8
        if slots[s + 2] < 1:
            cuda.atomic.min(slot, 0, fault(i, NO_MODULE))
            r = rows.shape[0] - 8
        pos_x[i] = rows[r + 1]
        pos_y[i] = rows[r + 2]
        pos_z[i] = rows[r + 3]
        dir_x[i] = rows[r + 4]
        dir_y[i] = rows[r + 5]
        dir_z[i] = rows[r + 6]
