"""Geometry of modules from the axes of their PMTs."""

from __future__ import annotations

import numpy as np

__all__ = ["crossing_points"]

_SINGULAR = 1e-6  # smallest eigenvalue per PMT below which axes count as parallel


def crossing_points(
    pos: np.ndarray, axis: np.ndarray, first_row: np.ndarray, n_pmts: np.ndarray
) -> np.ndarray:
    """Find, module by module, the point that is closest to the axes of all its PMTs.

    The least-squares solution of ``sum(I - d d^T) p = sum((I - d d^T) x)`` over
    the PMTs at ``x`` with unit axis ``d``.

    Parameters
    ----------
    pos, axis : (m, 3) float64 arrays
        Positions [m] and axes of the PMTs; axes need not be normalised.
    first_row, n_pmts : (n,) int arrays
        Rows of each module, in increasing order without gaps.

    Returns
    -------
    (n, 3) float64 array
        Centres [m].  The mean position of the PMTs where their axes do not fix
        a point (one PMT, or all parallel), NaN where there is no PMT.
    """
    centre = np.full((len(n_pmts), 3), np.nan)
    full = np.flatnonzero(n_pmts)
    if not len(full):
        return centre
    start, count = np.asarray(first_row)[full], np.asarray(n_pmts)[full].astype(np.float64)
    mean = np.add.reduceat(pos, start, axis=0) / count[:, None]
    # relative to the mean: at 1e6 m the normal equations would lose digits
    x = pos - np.repeat(mean, n_pmts[full], axis=0)
    norm = np.linalg.norm(axis, axis=1, keepdims=True)
    d = np.divide(axis, norm, out=np.zeros_like(axis), where=norm > 0)
    projector = np.eye(3) - d[:, :, None] * d[:, None, :]
    matrix = np.add.reduceat(projector, start, axis=0)
    right = np.add.reduceat(np.einsum("ijk,ik->ij", projector, x), start, axis=0)
    fixed = np.linalg.eigvalsh(matrix)[:, 0] > _SINGULAR * count
    offset = np.zeros_like(mean)
    offset[fixed] = np.linalg.solve(matrix[fixed], right[fixed][..., None])[..., 0]
    centre[full] = mean + offset
    return centre
