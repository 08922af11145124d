"""Selection of tracks, slow and obvious."""

from __future__ import annotations

import itertools

import numpy as np

__all__ = ["best_track"]


def best_track(
    offsets: np.ndarray, lik: np.ndarray, rec_type: np.ndarray, stage_offsets: np.ndarray, stages: np.ndarray,
    wanted: int, low: int, high: int,
) -> np.ndarray:  # fmt: skip
    """Sort each event's tracks that qualify by stages, likelihood and row, and take the last."""
    best = []
    for first, last in itertools.pairwise(offsets):
        candidates = []
        for i in range(first, last):
            s = stages[stage_offsets[i] : stage_offsets[i + 1]]
            if rec_type[i] == wanted and len(s) and np.all((s >= low) & (s <= high)):
                score = -np.inf if np.isnan(lik[i]) else lik[i]
                candidates.append((len(s), not np.isnan(lik[i]), score, -i))
        best.append(-max(candidates)[3] if candidates else -1)
    return np.array(best, dtype=np.int64)
