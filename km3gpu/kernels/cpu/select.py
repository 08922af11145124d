"""Selection of tracks on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.select import best_of

__all__ = ["best_track_block", "best_track_blocks"]


@block
def best_track_block(
    start: int, stop: int,
    offsets: Any, lik: Any, rec_type: Any, stage_offsets: Any, stages: Any,
    wanted: int, low: int, high: int, row: Any,
) -> int:  # fmt: skip
    """Find the best track of events ``start`` to ``stop``."""
    for e in range(start, stop):
        row[e] = best_of(offsets[e], offsets[e + 1], lik, rec_type, stage_offsets, stages, wanted, low, high)
    return NONE


@blocks
def best_track_blocks(
    n: int, n_blocks: int,
    offsets: Any, lik: Any, rec_type: Any, stage_offsets: Any, stages: Any,
    wanted: int, low: int, high: int, row: Any,
) -> int:  # fmt: skip
    """Find the best track of `n` events in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        best_track_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            offsets, lik, rec_type, stage_offsets, stages, wanted, low, high, row,
        )  # fmt: skip
    return NONE
