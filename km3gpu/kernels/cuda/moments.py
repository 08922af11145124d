"""Eigenvalues of symmetric matrices on a GPU: one thread, one matrix."""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar import moments as scalar

__all__ = ["principal"]


@cuda.jit
def principal(n, xx, xy, xz, yy, yz, zz, small, middle, large, slot):
    """Give the eigenvalues of `n` matrices."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        a, b, c = scalar.principal(xx[i], xy[i], xz[i], yy[i], yz[i], zz[i])
        small[i] = a
        middle[i] = b
        large[i] = c
