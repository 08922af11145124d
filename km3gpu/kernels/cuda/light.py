"""Light of a track or a shower of each event at its hits, on a GPU: one thread, one hit."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.light import from_shower, from_track

__all__ = ["shower", "track"]


@cuda.jit
def track(
    n, offsets, segment, t, x, y, z, at_t, at_x, at_y, at_z, to_x, to_y, to_z,
    per_along, per_across, residual, distance, slot,
):  # fmt: skip
    """Compare `n` hits with the track of their event."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = segment[i]
        delay, off = from_track(
            x[i] - at_x[e], y[i] - at_y[e], z[i] - at_z[e], to_x[e], to_y[e], to_z[e], per_along, per_across
        )
        residual[i] = (t[i] - at_t[e]) - delay
        distance[i] = off


@cuda.jit
def shower(n, offsets, segment, t, x, y, z, at_t, at_x, at_y, at_z, per_metre, residual, distance, slot):
    """Compare `n` hits with the shower of their event."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = segment[i]
        delay, off = from_shower(x[i] - at_x[e], y[i] - at_y[e], z[i] - at_z[e], per_metre)
        residual[i] = (t[i] - at_t[e]) - delay
        distance[i] = off
