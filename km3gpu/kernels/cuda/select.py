"""Selection of tracks on a GPU: one thread, one event."""

from __future__ import annotations

from typing import Any

from numba import cuda

from km3gpu.kernels.scalar.select import best_of

__all__ = ["best_track"]


@cuda.jit
def best_track(
    n: int,
    offsets: Any, lik: Any, rec_type: Any, stage_offsets: Any, stages: Any,
    wanted: int, low: int, high: int, row: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Find the best track of `n` events."""
    for e in range(cuda.grid(1), n, cuda.gridsize(1)):
        row[e] = best_of(offsets[e], offsets[e + 1], lik, rec_type, stage_offsets, stages, wanted, low, high)
