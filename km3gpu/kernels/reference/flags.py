"""Trigger bits of triggered hits, slowly: a dictionary for each event."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["transfer"]


def transfer(offsets: Any, hits: Any, from_offsets: Any, triggered: Any, trig: Any) -> tuple[Any, Any]:
    """Give the bits of each hit, and 1 for each triggered hit that no hit equals.

    `hits` and `triggered` are columns dom_id, channel_id, tdc, tot.
    """
    out = np.zeros(len(hits[0]), np.uint64)
    missed = np.ones(len(trig), np.uint8)
    for e in range(len(offsets) - 1):
        known: dict[tuple[int, ...], int] = {}
        for j in range(from_offsets[e], from_offsets[e + 1]):
            known.setdefault(tuple(int(c[j]) for c in triggered), j)
        for i in range(offsets[e], offsets[e + 1]):
            j = known.get(tuple(int(c[i]) for c in hits), -1)
            if j >= 0:
                out[i], missed[j] = trig[j], 0
    return out, missed
