"""Offsets: where the rows of each event, or of each list, begin, and at last how many there are."""

from __future__ import annotations

from typing import Any

from km3gpu.backend import namespace

__all__ = ["counts_to_offsets"]


def counts_to_offsets(counts: Any) -> Any:
    """Turn counts (n,) into int64 offsets (n + 1,)."""
    xp = namespace(counts)
    offsets = xp.zeros(len(counts) + 1, dtype=xp.int64)
    xp.cumsum(counts, out=offsets[1:])
    return offsets
