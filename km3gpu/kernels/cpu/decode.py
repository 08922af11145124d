"""DAQ records to columns on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.decode import (
    EVENT_HEADER,
    OUT_OF_RANGE,
    SNAPSHOT_HIT,
    TRIGGERED_HIT,
    VECTOR_HEADER,
    WRONG_COUNT,
    WRONG_LENGTH,
    big_4,
    big_8,
    little_4,
    signed_4,
)
from km3gpu.kernels.scalar.fault import fault

__all__ = [
    "event_headers_block",
    "event_headers_blocks",
    "snapshot_hits_block",
    "snapshot_hits_blocks",
    "triggered_hits_block",
    "triggered_hits_blocks",
    "vector_counts_block",
    "vector_counts_blocks",
]


@block
def vector_counts_block(start, stop, raw, byte_offsets, record, counts):
    """Count the records of entries ``start`` to ``stop`` and check them against their headers."""
    worst = NONE
    for e in range(start, stop):
        p = byte_offsets[e]
        length = byte_offsets[e + 1] - p
        counts[e] = 0
        if p < 0 or length < 0 or p + length > raw.shape[0]:
            worst = min(worst, fault(e, OUT_OF_RANGE))
        elif length < VECTOR_HEADER or (length - VECTOR_HEADER) % record != 0:
            worst = min(worst, fault(e, WRONG_LENGTH))
        else:
            counts[e] = (length - VECTOR_HEADER) // record
            if big_4(raw[p + 6], raw[p + 7], raw[p + 8], raw[p + 9]) != counts[e]:
                worst = min(worst, fault(e, WRONG_COUNT))
    return worst


@blocks
def vector_counts_blocks(n, n_blocks, raw, byte_offsets, record, counts):
    """Count the records of `n` entries in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = vector_counts_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, raw, byte_offsets, record, counts
        )
    return worst.min()


@block
def snapshot_hits_block(start, stop, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot):
    """Decode hits ``start`` to ``stop``, across entries."""
    e = np.searchsorted(offsets, start, side="right") - 1
    i = start
    while i < stop:
        end = min(offsets[e + 1], stop)
        p = byte_offsets[e] + VECTOR_HEADER + SNAPSHOT_HIT * (i - offsets[e])
        # views of their own: then the compiler joins the loads of single bytes
        hit = raw[p : p + SNAPSHOT_HIT * (end - i)]
        dom, channel, time, over = dom_id[i:end], channel_id[i:end], tdc[i:end], tot[i:end]
        for j in range(end - i):
            q = SNAPSHOT_HIT * j
            dom[j] = signed_4(big_4(hit[q], hit[q + 1], hit[q + 2], hit[q + 3]))
            channel[j] = hit[q + 4]
            time[j] = little_4(hit[q + 5], hit[q + 6], hit[q + 7], hit[q + 8])
            over[j] = hit[q + 9]
        i = max(i, end)
        e += 1
    return NONE


@blocks
def snapshot_hits_blocks(n, n_blocks, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot):
    """Decode `n` hits in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        snapshot_hits_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot,
        )  # fmt: skip
    return NONE


@block
def triggered_hits_block(start, stop, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot, trig):
    """Decode triggered hits ``start`` to ``stop``, across entries."""
    e = np.searchsorted(offsets, start, side="right") - 1
    i = start
    while i < stop:
        end = min(offsets[e + 1], stop)
        p = byte_offsets[e] + VECTOR_HEADER + TRIGGERED_HIT * (i - offsets[e])
        hit = raw[p : p + TRIGGERED_HIT * (end - i)]
        dom, channel, time, over = dom_id[i:end], channel_id[i:end], tdc[i:end], tot[i:end]
        mask = trig[i:end]
        for j in range(end - i):
            q = TRIGGERED_HIT * j
            dom[j] = signed_4(big_4(hit[q], hit[q + 1], hit[q + 2], hit[q + 3]))
            channel[j] = hit[q + 4]
            time[j] = little_4(hit[q + 5], hit[q + 6], hit[q + 7], hit[q + 8])
            over[j] = hit[q + 9]
            mask[j] = big_8(
                big_4(hit[q + 16], hit[q + 17], hit[q + 18], hit[q + 19]),
                big_4(hit[q + 20], hit[q + 21], hit[q + 22], hit[q + 23]),
            )
        i = max(i, end)
        e += 1
    return NONE


@blocks
def triggered_hits_blocks(n, n_blocks, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot, trig):
    """Decode `n` triggered hits in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        triggered_hits_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot, trig,
        )  # fmt: skip
    return NONE


@block
def event_headers_block(
    start, stop, raw, byte_offsets,
    det_id, run_id, frame_index, time_ns, white_rabbit, trigger_counter, trigger_mask, overlays,
):  # fmt: skip
    """Decode event headers ``start`` to ``stop``."""
    worst = NONE
    for e in range(start, stop):
        p = byte_offsets[e]
        if p < 0 or byte_offsets[e + 1] - p != EVENT_HEADER or p + EVENT_HEADER > raw.shape[0]:
            worst = min(worst, fault(e, WRONG_LENGTH))
            continue
        det_id[e] = signed_4(big_4(raw[p + 18], raw[p + 19], raw[p + 20], raw[p + 21]))
        run_id[e] = signed_4(big_4(raw[p + 22], raw[p + 23], raw[p + 24], raw[p + 25]))
        frame_index[e] = signed_4(big_4(raw[p + 26], raw[p + 27], raw[p + 28], raw[p + 29]))
        seconds = big_4(raw[p + 36], raw[p + 37], raw[p + 38], raw[p + 39])
        cycles = big_4(raw[p + 40], raw[p + 41], raw[p + 42], raw[p + 43])
        time_ns[e] = (seconds & 0x7FFFFFFF) * 1_000_000_000 + cycles * 16
        white_rabbit[e] = (seconds >> 31) != 0
        trigger_counter[e] = big_8(
            big_4(raw[p + 50], raw[p + 51], raw[p + 52], raw[p + 53]),
            big_4(raw[p + 54], raw[p + 55], raw[p + 56], raw[p + 57]),
        )
        trigger_mask[e] = big_8(
            big_4(raw[p + 64], raw[p + 65], raw[p + 66], raw[p + 67]),
            big_4(raw[p + 68], raw[p + 69], raw[p + 70], raw[p + 71]),
        )
        overlays[e] = big_4(raw[p + 72], raw[p + 73], raw[p + 74], raw[p + 75])
    return worst


@blocks
def event_headers_blocks(
    n, n_blocks, raw, byte_offsets,
    det_id, run_id, frame_index, time_ns, white_rabbit, trigger_counter, trigger_mask, overlays,
):  # fmt: skip
    """Decode `n` event headers in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = event_headers_block(
            k * n // n_blocks, (k + 1) * n // n_blocks, raw, byte_offsets,
            det_id, run_id, frame_index, time_ns, white_rabbit, trigger_counter, trigger_mask, overlays,
        )  # fmt: skip
    return worst.min()
