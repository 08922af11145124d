"""Shape of the hits of events, slowly: event by event, with LAPACK."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["principal", "shape"]


def principal(*elements: Any) -> Any:
    """Give the eigenvalues of matrices of elements ``xx, xy, xz, yy, yz, zz``, (n, 3)."""
    xx, xy, xz, yy, yz, zz = (np.asarray(e, float) for e in elements)
    matrices = np.stack([np.stack(r, -1) for r in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))], -2)
    return np.linalg.eigvalsh(matrices)


def shape(offsets: Any, places: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Give centre (n, 3), eigenvalues of the tensor of inertia (n, 3) and extent of each event."""
    n = len(offsets) - 1
    centre, inertia, extent = np.full((n, 3), np.nan), np.full((n, 3), np.nan), np.full(n, np.nan)
    for e, (low, high) in enumerate(itertools.pairwise(offsets)):
        good = np.isfinite(places[low:high]).all(axis=1) & (weights[low:high] > 0)
        r, w = places[low:high][good], weights[low:high][good]
        if len(r):
            centre[e] = np.average(r, axis=0, weights=w)
            r = r - centre[e]
            tensor = sum(k * (np.dot(v, v) * np.eye(3) - np.outer(v, v)) for k, v in zip(w, r, strict=True))
            inertia[e] = np.linalg.eigvalsh(tensor / w.sum())
            extent[e] = np.linalg.norm(r, axis=1).max()
    return centre, inertia, extent
