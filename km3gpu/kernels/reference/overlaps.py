"""Spans of time, slowly: every pair is looked at."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["merge", "within"]


def merge(offsets: Any, first: Any, last: Any, gap: float, longest: float = np.inf) -> list[set[int]]:
    """Give the connected groups of spans, by pairs that overlap within `gap`.

    What begins more than `longest` after the first span of a group is looked at
    without those before.
    """
    groups: list[set[int]] = []
    for low, high in itertools.pairwise(offsets):
        left = set(range(low, high))
        while left:
            begin = min(left)
            group = {begin}
            soon = {j for j in left if first[j] <= first[begin] + longest}
            while more := {
                j for j in soon - group
                if any(first[j] <= last[i] + gap and first[i] <= last[j] + gap for i in group)
            }:  # fmt: skip
                group |= more
            left -= group
            groups.append(group)
    return groups


def within(event: Any, earliest: Any, latest: Any, offsets: Any, t: Any) -> list[Any]:
    """Give the rows of each span."""
    rows = np.arange(len(t))
    return [
        rows[(rows >= offsets[e]) & (rows < offsets[e + 1]) & (t >= low) & (t <= high)]
        for e, low, high in zip(event, earliest, latest, strict=True)
    ]
