"""From raw hits of module frames to coincidences in one pass, on the CPU.

A frame is calibrated into a scratch that stays in the cache, sorted there by
insertion (hits come nearly in order), and walked from anchor to anchor; only the
coincidences are written.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.calibrate import calibrated_time
from km3gpu.kernels.scalar.fault import fault

__all__ = ["frames_block", "frames_blocks"]

# More moves than this for each hit, and the frame is sorted another way.
_MOVES = 16


@block
def frames_block(
    start, stop, offsets, dom_id, first_row, n_pmts, channel_id, tdc, tot, rows, slew, window, min_hits, room,
    begin, counts, out_dom_id, t_first, t_last, n_hits, n_distinct, tot_sum, pos_x, pos_y, pos_z,
):  # fmt: skip
    """Find the coincidences of frames ``start`` to ``stop``; they are written one after another."""
    worst = NONE
    longest = 0
    for f in range(start, stop):
        longest = max(longest, offsets[f + 1] - offsets[f])
    t = np.empty(longest + 1)
    word = np.empty(longest + 1, np.int64)
    t0 = np.empty(256)
    at = room[start]
    for f in range(start, stop):
        low = offsets[f]
        n = offsets[f + 1] - low
        channels = np.int64(n_pmts[f])
        first = np.int64(first_row[f])
        for c in range(256):
            t0[c] = rows[(first + c) * 8] if c < channels else np.nan
        here_channel = channel_id[low : low + n]
        here_tdc, here_tot = tdc[low : low + n], tot[low : low + n]
        begin[f] = at
        highest = np.int64(0)
        # apart from the sorting, which branches, this becomes vector instructions
        for i in range(n):
            highest = max(highest, np.int64(here_channel[i]))
            t[i] = calibrated_time(here_tdc[i], t0[here_channel[i]], slew[here_tot[i]])
            word[i] = (np.int64(here_channel[i]) << 8) | np.int64(here_tot[i])
        if highest >= channels:
            for i in range(n):
                if here_channel[i] >= channels:
                    worst = min(worst, fault(low + i, 1))
                    break
            counts[f] = 0
            continue
        moves = 0
        most = _MOVES * n
        for i in range(1, n):
            own = t[i]
            if t[i - 1] > own:
                data = word[i]
                j = i
                while j > 0 and t[j - 1] > own and moves <= most:
                    t[j], word[j] = t[j - 1], word[j - 1]
                    j -= 1
                    moves += 1
                t[j], word[j] = own, data
        if moves > most:
            for i in range(n):
                c = here_channel[i]
                t[i] = calibrated_time(here_tdc[i], t0[c], slew[here_tot[i]])
                word[i] = (np.int64(c) << 8) | np.int64(here_tot[i])
            order = np.argsort(t[:n], kind="mergesort")
            t[:n], word[:n] = t[:n][order], word[:n][order]
        t[n] = np.inf  # ends the last window
        p = 0
        while p < n:
            anchor = t[p]
            q = p + 1
            while t[q] - anchor <= window:
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
                r = (first + (word[p] >> 8)) * 8
                out_dom_id[at] = dom_id[f]
                t_first[at], t_last[at] = anchor, t[q - 1]
                n_hits[at], n_distinct[at], tot_sum[at] = q - p, distinct, tots
                pos_x[at], pos_y[at], pos_z[at] = rows[r + 1], rows[r + 2], rows[r + 3]
                at += 1
            p = q
        counts[f] = at - begin[f]
    return worst


@blocks
def frames_blocks(
    n, n_blocks, offsets, dom_id, first_row, n_pmts, channel_id, tdc, tot, rows, slew, window, min_hits, room,
    begin, counts, out_dom_id, t_first, t_last, n_hits, n_distinct, tot_sum, pos_x, pos_y, pos_z,
):  # fmt: skip
    """Find the coincidences of `n` frames in parallel blocks; each writes where it has room."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = frames_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, offsets, dom_id, first_row, n_pmts,
            channel_id, tdc, tot, rows, slew, window, min_hits, room, begin, counts,
            out_dom_id, t_first, t_last, n_hits, n_distinct, tot_sum, pos_x, pos_y, pos_z,
        )  # fmt: skip
    return worst.min()
