"""From raw hits of module frames to coincidences in one pass, on the CPU.

A frame is decoded into a scratch that stays in the cache, sorted there by
insertion (hits come nearly in order), and walked from anchor to anchor; only the
coincidences are written.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.calibrate import calibrated_time
from km3gpu.kernels.scalar.fault import fault

__all__ = ["frames_block", "frames_blocks", "gather_block", "gather_blocks"]

# More moves than this for each hit, and the frame is sorted another way.
_MOVES = 16


@block
def frames_block(
    start, stop, offsets, first_row, n_pmts, channel_id, tdc, tot, rows, slew, window, min_hits, room,
    counts, pmt, t_first, t_last, n_hits, n_distinct, tot_sum,
):  # fmt: skip
    """Find the coincidences of frames ``start`` to ``stop``."""
    worst = NONE
    longest = 0
    for f in range(start, stop):
        longest = max(longest, offsets[f + 1] - offsets[f])
    t = np.empty(longest)
    word = np.empty(longest, np.int64)
    t0 = np.empty(256)
    for f in range(start, stop):
        low = offsets[f]
        n = offsets[f + 1] - low
        channels = np.int64(n_pmts[f])
        for c in range(256):
            t0[c] = rows[(first_row[f] + c) * 8] if c < channels else np.nan
        here_channel = channel_id[low : low + n]
        here_tdc, here_tot = tdc[low : low + n], tot[low : low + n]
        highest = np.int64(0)
        moves = 0
        most = _MOVES * n
        for i in range(n):
            c = here_channel[i]
            highest = max(highest, np.int64(c))
            own = calibrated_time(here_tdc[i], t0[c], slew[here_tot[i]])
            data = (np.int64(c) << 8) | np.int64(here_tot[i])
            j = i
            while j > 0 and t[j - 1] > own and moves <= most:
                t[j], word[j] = t[j - 1], word[j - 1]
                j -= 1
                moves += 1
            t[j], word[j] = own, data
        if highest >= channels:
            for i in range(n):
                if here_channel[i] >= channels:
                    worst = min(worst, fault(low + i, 1))
                    break
            counts[f] = 0
            continue
        if moves > most:
            for i in range(n):
                c = here_channel[i]
                t[i] = calibrated_time(here_tdc[i], t0[c], slew[here_tot[i]])
                word[i] = (np.int64(c) << 8) | np.int64(here_tot[i])
            order = np.argsort(t[:n], kind="mergesort")
            t[:n], word[:n] = t[:n][order], word[:n][order]
        at = room[f]
        p = 0
        while p < n:
            q = p + 1
            while q < n and t[q] - t[p] <= window:
                q += 1
            if q - p >= min_hits:
                seen = np.uint64(0)
                tots = 0
                for i in range(p, q):
                    seen |= np.uint64(1) << np.uint64(word[i] >> 8)
                    tots += word[i] & 255
                distinct = 0
                while seen != 0:
                    seen &= seen - np.uint64(1)
                    distinct += 1
                pmt[at] = first_row[f] + (word[p] >> 8)
                t_first[at], t_last[at] = t[p], t[q - 1]
                n_hits[at], n_distinct[at], tot_sum[at] = q - p, distinct, tots
                at += 1
            p = q
        counts[f] = at - room[f]
    return worst


@blocks
def frames_blocks(
    n, n_blocks, offsets, first_row, n_pmts, channel_id, tdc, tot, rows, slew, window, min_hits, room,
    counts, pmt, t_first, t_last, n_hits, n_distinct, tot_sum,
):  # fmt: skip
    """Find the coincidences of `n` frames in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = frames_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            offsets, first_row, n_pmts, channel_id, tdc, tot, rows, slew, window, min_hits, room,
            counts, pmt, t_first, t_last, n_hits, n_distinct, tot_sum,
        )  # fmt: skip
    return worst.min()


@block
def gather_block(
    start, stop, room, cluster_offsets, dom_id, rows, pmt, t_first, t_last, n_hits, n_distinct, tot_sum,
    out_dom_id, out_t_first, out_t_last, out_n_hits, out_n_distinct, out_tot_sum, pos_x, pos_y, pos_z,
):  # fmt: skip
    """Move the coincidences of frames ``start`` to ``stop`` together, and place them."""
    for f in range(start, stop):
        begin = cluster_offsets[f]
        shift = room[f] - begin
        for i in range(begin, cluster_offsets[f + 1]):
            k = i + shift
            r = np.int64(pmt[k]) * 8
            out_dom_id[i] = dom_id[f]
            out_t_first[i], out_t_last[i] = t_first[k], t_last[k]
            out_n_hits[i], out_n_distinct[i], out_tot_sum[i] = n_hits[k], n_distinct[k], tot_sum[k]
            pos_x[i], pos_y[i], pos_z[i] = rows[r + 1], rows[r + 2], rows[r + 3]
    return NONE


@blocks
def gather_blocks(
    n, n_blocks, room, cluster_offsets, dom_id, rows, pmt, t_first, t_last, n_hits, n_distinct, tot_sum,
    out_dom_id, out_t_first, out_t_last, out_n_hits, out_n_distinct, out_tot_sum, pos_x, pos_y, pos_z,
):  # fmt: skip
    """Move the coincidences of `n` frames together in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        gather_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            room, cluster_offsets, dom_id, rows, pmt, t_first, t_last, n_hits, n_distinct, tot_sum,
            out_dom_id, out_t_first, out_t_last, out_n_hits, out_n_distinct, out_tot_sum, pos_x, pos_y, pos_z,
        )  # fmt: skip
    return NONE
