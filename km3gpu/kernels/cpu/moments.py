"""Eigenvalues of symmetric matrices on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.moments import principal

__all__ = ["principal_block", "principal_blocks"]


@block
def principal_block(start, stop, xx, xy, xz, yy, yz, zz, small, middle, large):
    """Give the eigenvalues of matrices ``start`` to ``stop``."""
    for i in range(start, stop):
        small[i], middle[i], large[i] = principal(xx[i], xy[i], xz[i], yy[i], yz[i], zz[i])
    return NONE


@blocks
def principal_blocks(n, n_blocks, xx, xy, xz, yy, yz, zz, small, middle, large):
    """Give the eigenvalues of `n` matrices in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        principal_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, xx, xy, xz, yy, yz, zz, small, middle, large
        )
    return NONE
