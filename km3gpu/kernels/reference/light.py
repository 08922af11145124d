"""Light at PMTs by its way, slowly: the emission point first, then the path of the light."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

__all__ = ["shower", "track"]

_C = 0.299792458


def track(
    offsets: Any, t: Any, places: Any, at_t: Any, at: Any, to: Any, n_phase: float, n_group: float
) -> tuple[Any, Any]:
    """Give residual and distance of each hit, places (n, 3), tracks (n_events, 3)."""
    residual, distance = np.full(len(t), np.nan), np.full(len(t), np.nan)
    angle = math.acos(1.0 / n_phase)
    for e, (low, high) in enumerate(itertools.pairwise(offsets)):
        for i in range(low, high):
            closest = at[e] + np.dot(places[i] - at[e], to[e]) * to[e]
            distance[i] = np.linalg.norm(places[i] - closest)
            emitted = closest - distance[i] / math.tan(angle) * to[e]
            seen = at_t[e] + np.dot(emitted - at[e], to[e]) / _C
            seen += np.linalg.norm(places[i] - emitted) * n_group / _C
            residual[i] = t[i] - seen
    return residual, distance


def shower(offsets: Any, t: Any, places: Any, at_t: Any, at: Any, n_group: float) -> tuple[Any, Any]:
    """Give residual and distance of each hit, places (n, 3), showers (n_events, 3)."""
    residual, distance = np.full(len(t), np.nan), np.full(len(t), np.nan)
    for e, (low, high) in enumerate(itertools.pairwise(offsets)):
        for i in range(low, high):
            distance[i] = np.linalg.norm(places[i] - at[e])
            residual[i] = t[i] - (at_t[e] + distance[i] * n_group / _C)
    return residual, distance
