"""Neighbours of hits, slowly: every pair of an event is looked at."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["count", "spread"]

_TICKS = 1024.0
_C = 0.299792458


def count(
    offsets: Any, t: Any, places: Any, owner: Any, counted: Any, radius: float, time: float, slowness: float
) -> Any:
    """Count the neighbours of each hit, places (n, 3); `slowness` in units of 1 / c."""
    ticks = np.rint(places * _TICKS)
    when = np.rint(t * (_C * _TICKS))
    out = np.zeros(len(t), np.int32)
    for low, high in itertools.pairwise(offsets):
        for i, j in itertools.permutations(range(low, high), 2):
            d = np.sqrt(((ticks[i] - ticks[j]) ** 2).sum())
            late = abs(when[i] - when[j]) - time * _C * _TICKS - 1.0
            near = d <= radius * _TICKS and (late <= 0 or late <= slowness * d)
            out[i] += bool(near and counted[j] and owner[i] != owner[j])
    return out


def spread(seeds: Any, neighbours: Any, least: int, rounds: int) -> Any:
    """Let kept hits take in those with `least` kept neighbours, `rounds` times or to the end.

    `neighbours` maps a mask of kept hits to how many of them each hit has.
    """
    kept = np.asarray(seeds, bool)
    for _ in range(rounds or len(kept)):
        grown = kept | (neighbours(kept) >= least)
        if np.array_equal(grown, kept):
            break
        kept = grown
    return kept
