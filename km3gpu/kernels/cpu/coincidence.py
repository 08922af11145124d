"""Same-module coincidences on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.coincidence import CHANNEL_TOO_HIGH, MOST_CHANNELS, is_member, is_tight
from km3gpu.kernels.scalar.fault import fault

__all__ = ["describe_block", "describe_blocks", "mark_block", "mark_blocks"]


@block
def mark_block(
    start, stop, order, segment, dom_id, t, window, min_hits,
    l2_window, min_cos, dir_x, dir_y, dir_z, members,
):  # fmt: skip
    """Mark the anchors among sorted rows ``start`` to ``stop`` with their number of members.

    It is negative where they make no coincidence.  A module's hits belong to the
    block where they begin.
    """
    n = order.shape[0]
    p = start
    if 0 < p < stop:
        event, module = segment[p - 1], dom_id[order[p - 1]]
        while p < stop and segment[p] == event and dom_id[order[p]] == module:
            p += 1
    if p >= stop:
        return NONE
    while p < n:
        event, module, anchor = segment[p], dom_id[order[p]], t[order[p]]
        if p >= stop and (segment[p - 1] != event or dom_id[order[p - 1]] != module):
            break
        q = p + 1
        members[p] = 0
        while (
            q < n
            and segment[q] == event
            and dom_id[order[q]] == module
            and is_member(t[order[q]], anchor, window)
        ):
            members[q] = 0
            q += 1
        if q - p >= min_hits and (
            l2_window == np.inf or is_tight(p, q, order, t, l2_window, min_hits, dir_x, dir_y, dir_z, min_cos)
        ):
            members[p] = q - p
        else:
            members[p] = p - q
        p = q
    return NONE


@blocks
def mark_blocks(
    n, n_blocks, order, segment, dom_id, t, window, min_hits,
    l2_window, min_cos, dir_x, dir_y, dir_z, members,
):  # fmt: skip
    """Mark the anchors among `n` sorted rows in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        mark_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, order, segment, dom_id, t, window, min_hits,
            l2_window, min_cos, dir_x, dir_y, dir_z, members,
        )  # fmt: skip
    return NONE


@block
def describe_block(
    start, stop, anchors, first_cluster, order, segment, members, channel_id, tot,
    first_row, last_row, n_hits, n_pmts, tot_sum, cluster_id,
):  # fmt: skip
    """Describe clusters ``start`` to ``stop``."""
    worst = NONE
    for c in range(start, stop):
        p = anchors[c]
        number = c - first_cluster[segment[p]]
        size = np.int64(members[p])
        seen = np.uint64(0)
        pmts = 0
        tots = 0.0
        for q in range(p, p + size):
            i = order[q]
            channel = np.int64(channel_id[i])
            if channel >= MOST_CHANNELS:
                worst = min(worst, fault(i, CHANNEL_TOO_HIGH))
            else:
                bit = np.uint64(1) << np.uint64(channel)
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
    return worst


@blocks
def describe_blocks(
    n, n_blocks, anchors, first_cluster, order, segment, members, channel_id, tot,
    first_row, last_row, n_hits, n_pmts, tot_sum, cluster_id,
):  # fmt: skip
    """Describe `n` clusters in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = describe_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            anchors, first_cluster, order, segment, members, channel_id, tot,
            first_row, last_row, n_hits, n_pmts, tot_sum, cluster_id,
        )  # fmt: skip
    return worst.min()
