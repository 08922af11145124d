"""Same-module coincidences on a GPU: one thread for the hits of one module in one event."""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.scalar.coincidence import CHANNEL_TOO_HIGH, MOST_CHANNELS, is_member, is_tight
from km3gpu.kernels.scalar.fault import fault

__all__ = ["describe", "mark"]


@cuda.jit
def mark(
    n, order, segment, dom_id, t, window, min_hits,
    l2_window, min_cos, dir_x, dir_y, dir_z, members, slot,
):  # fmt: skip
    """Mark the anchors among `n` sorted rows with their number of members, negative for no coincidence."""
    for p in range(cuda.grid(1), n, cuda.gridsize(1)):
        event = segment[p]
        module = dom_id[order[p]]
        if p > 0 and segment[p - 1] == event and dom_id[order[p - 1]] == module:
            continue
        first = p
        while first < n and segment[first] == event and dom_id[order[first]] == module:
            anchor = t[order[first]]
            q = first + 1
            members[first] = 0
            while (
                q < n
                and segment[q] == event
                and dom_id[order[q]] == module
                and is_member(t[order[q]], anchor, window)
            ):
                members[q] = 0
                q += 1
            if q - first >= min_hits and (
                l2_window == np.inf
                or is_tight(first, q, order, t, l2_window, min_hits, dir_x, dir_y, dir_z, min_cos)
            ):
                members[first] = q - first
            else:
                members[first] = first - q
            first = q


@cuda.jit
def describe(
    n, anchors, first_cluster, order, segment, members, channel_id, tot,
    first_row, last_row, n_hits, n_pmts, tot_sum, cluster_id, slot,
):  # fmt: skip
    """Describe `n` clusters."""
    for c in range(cuda.grid(1), n, cuda.gridsize(1)):
        p = anchors[c]
        number = c - first_cluster[segment[p]]
        size = int(members[p])
        seen = 0
        pmts = 0
        tots = 0.0
        for q in range(p, p + size):
            i = order[q]
            channel = int(channel_id[i])
            if channel >= MOST_CHANNELS:
                cuda.atomic.min(slot, 0, fault(i, CHANNEL_TOO_HIGH))
            else:
                bit = 1 << channel
                if seen & bit == 0:
                    seen |= bit
                    pmts += 1
            tots += float(tot[i])
            cluster_id[i] = number
        first_row[c] = order[p]
        last_row[c] = order[p + size - 1]
        n_hits[c] = size
        n_pmts[c] = pmts
        tot_sum[c] = tots
