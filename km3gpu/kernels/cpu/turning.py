"""Unit vectors to angles and back on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from km3gpu.kernels.cpu.days import nine
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.angles import direction_of, longitude_latitude, rotate
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.sky import NOT_UNIT, is_direction

__all__ = [
    "angles_to_vectors_block",
    "angles_to_vectors_blocks",
    "vectors_to_angles_block",
    "vectors_to_angles_blocks",
]


@block
def vectors_to_angles_block(
    start: int, stop: int,
    x: Any, y: Any, z: Any,
    matrix: Any,
    out_longitude: Any, out_latitude: Any,
) -> int:  # fmt: skip
    """Turn unit vectors ``start`` to ``stop`` by a matrix and give their angles."""
    worst = NONE
    turn = nine(matrix)
    first, bad = np.uint64(start), 0
    for k in range(stop - start):
        i = first + np.uint64(k)
        bad += 0 if is_direction(x[i], y[i], z[i]) else 1
        a, b, c = rotate(turn, x[i], y[i], z[i])
        out_longitude[i], out_latitude[i] = longitude_latitude(a, b, c)
    if bad:
        for k in range(start, stop):
            if not is_direction(x[k], y[k], z[k]):
                worst = min(worst, fault(k, NOT_UNIT))
    return worst


@blocks
def vectors_to_angles_blocks(
    n: int, n_blocks: int,
    x: Any, y: Any, z: Any,
    matrix: Any,
    out_longitude: Any, out_latitude: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = vectors_to_angles_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            x, y, z, matrix,
            out_longitude, out_latitude,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def angles_to_vectors_block(
    start: int, stop: int,
    longitude: Any, latitude: Any,
    matrix: Any,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Give unit vectors of angles ``start`` to ``stop``, turned by a matrix."""
    worst = NONE
    turn = nine(matrix)
    first, bad = np.uint64(start), 0
    for k in range(stop - start):
        i = first + np.uint64(k)
        a, b, c = direction_of(longitude[i], latitude[i])
        bad += 0 if is_direction(a, b, c) else 1
        out_x[i], out_y[i], out_z[i] = rotate(turn, a, b, c)
    if bad:
        for k in range(start, stop):
            if out_x[k] != out_x[k]:
                worst = min(worst, fault(k, NOT_UNIT))
    return worst


@blocks
def angles_to_vectors_blocks(
    n: int, n_blocks: int,
    longitude: Any, latitude: Any,
    matrix: Any,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = angles_to_vectors_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            longitude, latitude, matrix,
            out_x, out_y, out_z,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]
