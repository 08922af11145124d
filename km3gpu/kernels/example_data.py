"""Made-up data of any size with the shape of real ones.

Hits come in runs of a module, and a thousand to an event.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from km3gpu.kernels import lookup
from km3gpu.kernels.lookup import PmtLookup

__all__ = [
    "DAYS", "DAY_NS", "FIRST_DAY", "Put", "baskets", "columns", "earth", "hits", "offsets",
    "table_of", "times", "unit",
]  # fmt: skip

Put: TypeAlias = Callable[[Any], Any]
"""Moves an array, or the arrays of a PmtLookup, to the backend to work on."""

_MODULES, _CHANNELS = 345, 31
_PER_EVENT = 1000
DAY_NS, FIRST_DAY, DAYS = 86_400_000_000_000, 17_000, 40


def offsets(n: int) -> Any:
    """Cut `n` rows into events of a thousand, with an empty one in between."""
    edges = np.minimum(np.arange(0, n + _PER_EVENT, _PER_EVENT), n)
    return np.insert(edges, len(edges) // 2, edges[len(edges) // 2]).astype(np.int64)


def hits(rng: Any, n: int) -> dict[str, Any]:
    """Make hits in runs of about four of a module, times of a frame."""
    modules = 808_000_000 + 37 * np.arange(_MODULES)
    dom = np.repeat(rng.choice(modules, n // 4 + 1), 4)[:n].astype(np.int32)
    return {
        "dom_id": dom,
        "channel_id": rng.integers(0, _CHANNELS, n, np.uint8),
        "tdc": rng.integers(0, 20_000, n, np.uint32) + np.uint32(50_000_000),
        "tot": rng.integers(0, 256, n, np.uint16).astype(np.uint8),
    }


def table_of(rng: Any) -> PmtLookup:
    """Make the table of a detector with all the modules of these hits."""
    n = _MODULES * _CHANNELS
    at = np.arange(_MODULES)
    rows = rng.normal(size=(n, 7)) * 100
    rows[:, 4:] /= np.linalg.norm(rows[:, 4:], axis=1)[:, None]
    return lookup.build(808_000_000 + 37 * at, at * _CHANNELS, np.full(_MODULES, _CHANNELS), rows)


def columns(put: Put, given: dict[str, Any]) -> Any:
    """Put every column."""
    return tuple(put(c) for c in given.values())


def baskets(rng: Any, n: int, size: int) -> tuple[Any, Any]:
    """Write vectors of DAQ hits of `size` bytes as ROOT does; give the bytes and where each begins."""
    counts = np.diff(offsets(n))
    columns = hits(rng, n)
    record = np.zeros(
        n, [("dom", ">i4"), ("c", "u1"), ("t", "<u4"), ("tot", "u1"), ("more", f"V{size - 10}")]
    )
    for field, column in zip(("dom", "c", "t", "tot"), columns.values(), strict=True):
        record[field] = column
    body = record.tobytes()
    parts, at = [], 0
    for count in counts.tolist():
        parts.append(struct.pack(">IHi", 0, 1, count) + body[at : at + size * count])
        at += size * count
    edges = np.concatenate([[0], np.cumsum(10 + size * counts)])
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8), edges.astype(np.int64)


def unit(rng: Any, n: int) -> Any:
    """Make directions, (3, n)."""
    v = rng.normal(size=(3, n))
    return v / np.linalg.norm(v, axis=0)


def earth(rng: Any) -> tuple[Any, Any, Any]:
    """Make a table of days, a site and a frame, of numbers of the right size."""
    table = rng.uniform(-1e-3, 1e-3, (DAYS, 44))
    table[:, 0], table[:, 1] = rng.uniform(0, 2 * np.pi, DAYS), 6.3
    table[:, 4:8] *= 1e-3
    table[:, 16:28] *= 0.1
    table[:, 28:40:4] = unit(rng, DAYS).T
    table[:, 40] = rng.uniform(0.98, 1.02, DAYS)
    site = np.array([*np.eye(3).ravel(), -3e-7, 1.1e-6, 1.7e-7, 0.5e-7, 1.5e-7])
    return table, site, np.eye(3)[[1, 2, 0]].ravel()


def times(rng: Any, n: int) -> Any:
    """Make times [ns since 1970] in the days of the table of `earth`."""
    return rng.integers(FIRST_DAY * DAY_NS, (FIRST_DAY + DAYS) * DAY_NS, n)
