"""Light of a track or a shower of each event at its hits, on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.light import from_shower, from_track

__all__ = ["shower_block", "shower_blocks", "track_block", "track_blocks"]


@block
def track_block(
    start, stop, offsets, segment, t, x, y, z, at_t, at_x, at_y, at_z, to_x, to_y, to_z,
    per_along, per_across, residual, distance,
):  # fmt: skip
    """Compare hits ``start`` to ``stop`` with the track of their event."""
    i = start
    while i < stop:
        e = segment[i]
        last = min(stop, offsets[e + 1])
        px, py, pz, ux, uy, uz, pt = at_x[e], at_y[e], at_z[e], to_x[e], to_y[e], to_z[e], at_t[e]
        for k in range(i, last):
            delay, off = from_track(x[k] - px, y[k] - py, z[k] - pz, ux, uy, uz, per_along, per_across)
            residual[k] = (t[k] - pt) - delay
            distance[k] = off
        i = last
    return NONE


@blocks
def track_blocks(
    n, n_blocks, offsets, segment, t, x, y, z, at_t, at_x, at_y, at_z, to_x, to_y, to_z,
    per_along, per_across, residual, distance,
):  # fmt: skip
    """Compare `n` hits with the track of their event, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        track_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, offsets, segment, t, x, y, z,
            at_t, at_x, at_y, at_z, to_x, to_y, to_z, per_along, per_across, residual, distance,
        )  # fmt: skip
    return NONE


@block
def shower_block(
    start, stop, offsets, segment, t, x, y, z, at_t, at_x, at_y, at_z, per_metre, residual, distance
):
    """Compare hits ``start`` to ``stop`` with the shower of their event."""
    i = start
    while i < stop:
        e = segment[i]
        last = min(stop, offsets[e + 1])
        px, py, pz, pt = at_x[e], at_y[e], at_z[e], at_t[e]
        for k in range(i, last):
            delay, off = from_shower(x[k] - px, y[k] - py, z[k] - pz, per_metre)
            residual[k] = (t[k] - pt) - delay
            distance[k] = off
        i = last
    return NONE


@blocks
def shower_blocks(
    n, n_blocks, offsets, segment, t, x, y, z, at_t, at_x, at_y, at_z, per_metre, residual, distance
):
    """Compare `n` hits with the shower of their event, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        shower_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, offsets, segment, t, x, y, z,
            at_t, at_x, at_y, at_z, per_metre, residual, distance,
        )  # fmt: skip
    return NONE
