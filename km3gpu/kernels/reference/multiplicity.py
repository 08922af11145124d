"""Multiplicity in a sliding window, slowly: every pair is looked at."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["sliding"]


def sliding(offsets: Any, dom_id: Any, channel_id: Any, t: Any, window: float) -> tuple[Any, Any]:
    """Count (see `km3gpu.kernels.multiplicity.sliding`)."""
    hits, pmts = np.zeros(len(t), np.int32), np.zeros(len(t), np.int32)
    for low, high in itertools.pairwise(offsets):
        for i in range(low, high):
            within = [
                j for j in range(low, high)
                if dom_id[j] == dom_id[i] and (t[j], j) >= (t[i], i) and t[j] - t[i] <= window
            ]  # fmt: skip
            hits[i], pmts[i] = len(within), len({int(channel_id[j]) for j in within})
    return hits, pmts
