"""Per-event reductions and sorting, slowly: NumPy on one event after another."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["compact", "expand", "maximum", "minimum", "order", "total"]


def total(offsets: Any, values: Any) -> Any:
    """Add up each segment; `math.fsum` would be exact, this is NumPy's own sum."""
    return np.array([values[a:b].sum() for a, b in itertools.pairwise(offsets)], values.dtype)


def minimum(offsets: Any, values: Any, empty: Any) -> Any:
    """Find the smallest value that is a number."""
    return _extreme(offsets, values, empty, min)


def maximum(offsets: Any, values: Any, empty: Any) -> Any:
    """Find the largest value that is a number."""
    return _extreme(offsets, values, empty, max)


def _extreme(offsets: Any, values: Any, empty: Any, choose: Any) -> Any:
    out = []
    for a, b in itertools.pairwise(offsets):
        numbers = [v for v in values[a:b].tolist() if v == v]
        out.append(choose(numbers) if numbers else empty)
    return np.array(out, values.dtype)


def expand(offsets: Any) -> Any:
    """Give the segment of each row."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)).astype(np.int32)


def order(offsets: Any, dom_id: Any, t: Any) -> Any:
    """Sort the rows of each segment by (module, time, row); NaN last."""
    rows: list[int] = []
    for a, b in itertools.pairwise(offsets):
        late = [np.inf if np.isnan(x) else x for x in t[a:b]]
        rows += sorted(range(a, b), key=lambda i: (int(dom_id[i]), bool(np.isnan(t[i])), late[i - a], i))
    return np.array(rows, np.int64)


def compact(mask: Any, offsets: Any) -> tuple[Any, Any]:
    """Give the rows where `mask` is true, and offsets to match."""
    index = [i for i in range(len(mask)) if mask[i]]
    return np.array(index, np.int64), np.array([sum(mask[:o]) for o in offsets], np.int64)
