"""Same-module coincidences: Jpp's combined L1, and L2 on top of it.

Hits of one module in order of time: the first is an anchor, all hits up to a
window after it (ends included) are its members, the next hit is the next
anchor.  A group with enough members is a coincidence.  L2 wants enough members
within a shorter window after the anchor, and a pair of them whose PMTs look the
same way.  The stored trigger flags of real events follow this rule and not a
chain of neighbours or a sliding window.
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

__all__ = ["CHANNEL_TOO_HIGH", "MOST_CHANNELS", "from_here", "is_member", "is_tight"]

MOST_CHANNELS = 64
CHANNEL_TOO_HIGH = 1


@register_jitable
def is_member(t: float, anchor: float, window: float) -> bool:
    """Tell whether a hit at `t` or later belongs to the `anchor`; a NaN never does."""
    return bool(t - anchor <= window)


@register_jitable
def is_tight(
    start: int,
    stop: int,
    order: Any,
    t: Any,
    window: float,
    min_hits: int,
    dir_x: Any,
    dir_y: Any,
    dir_z: Any,
    min_cos: float,
) -> bool:
    """Tell whether a shorter window after the anchor holds enough members, and a pair among them.

    The axes are float32: the products of two are exact in float64, so fused
    multiply-adds change nothing and every backend decides alike.
    """
    anchor = t[order[start]]
    if stop - start < min_hits or not is_member(t[order[start + min_hits - 1]], anchor, window):
        return False
    if min_cos <= -1.0:
        return True
    p = start
    while p < stop and is_member(t[order[p]], anchor, window):
        a = order[p]
        for q in range(start, p):
            b = order[q]
            cosine = (
                float(dir_x[a]) * float(dir_x[b])
                + float(dir_y[a]) * float(dir_y[b])
                + float(dir_z[a]) * float(dir_z[b])
            )
            if cosine >= min_cos:
                return True
        p += 1
    return False


@register_jitable
def from_here(
    p: int, order: Any, segment: Any, dom_id: Any, channel_id: Any, t: Any, window: float
) -> tuple[int, int]:
    """Count hits and distinct channels of one module, from the sorted row `p` to a window later."""
    event, module, start = segment[p], dom_id[order[p]], t[order[p]]
    seen = 0
    hits = 0
    pmts = 0
    while (
        p < order.shape[0]
        and segment[p] == event
        and dom_id[order[p]] == module
        and is_member(t[order[p]], start, window)
    ):
        bit = 1 << (int(channel_id[order[p]]) & 63)
        if seen & bit == 0:
            seen |= bit
            pmts += 1
        hits += 1
        p += 1
    return hits, pmts
