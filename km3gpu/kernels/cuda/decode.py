"""DAQ records to columns on a GPU: one thread, one hit (or entry)."""

from __future__ import annotations

from numba import cuda

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
from km3gpu.kernels.scalar.jagged import event_of

__all__ = ["event_headers", "snapshot_hits", "triggered_hits", "vector_counts"]


@cuda.jit
def vector_counts(n, raw, byte_offsets, record, counts, slot):
    """Count the records of `n` entries and check them against their headers."""
    for e in range(cuda.grid(1), n, cuda.gridsize(1)):
        p = byte_offsets[e]
        length = byte_offsets[e + 1] - p
        count = 0
        if p < 0 or length < 0 or p + length > raw.shape[0]:
            cuda.atomic.min(slot, 0, fault(e, OUT_OF_RANGE))
        elif length < VECTOR_HEADER or (length - VECTOR_HEADER) % record != 0:
            cuda.atomic.min(slot, 0, fault(e, WRONG_LENGTH))
        else:
            count = (length - VECTOR_HEADER) // record
            if big_4(raw[p + 6], raw[p + 7], raw[p + 8], raw[p + 9]) != count:
                cuda.atomic.min(slot, 0, fault(e, WRONG_COUNT))
        counts[e] = count


@cuda.jit
def snapshot_hits(n, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot, slot):
    """Decode `n` hits."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = event_of(offsets, i)
        p = byte_offsets[e] + VECTOR_HEADER + SNAPSHOT_HIT * (i - offsets[e])
        dom_id[i] = signed_4(big_4(raw[p], raw[p + 1], raw[p + 2], raw[p + 3]))
        channel_id[i] = raw[p + 4]
        tdc[i] = little_4(raw[p + 5], raw[p + 6], raw[p + 7], raw[p + 8])
        tot[i] = raw[p + 9]


@cuda.jit
def triggered_hits(n, raw, byte_offsets, offsets, dom_id, channel_id, tdc, tot, trig, slot):
    """Decode `n` triggered hits."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = event_of(offsets, i)
        p = byte_offsets[e] + VECTOR_HEADER + TRIGGERED_HIT * (i - offsets[e])
        dom_id[i] = signed_4(big_4(raw[p], raw[p + 1], raw[p + 2], raw[p + 3]))
        channel_id[i] = raw[p + 4]
        tdc[i] = little_4(raw[p + 5], raw[p + 6], raw[p + 7], raw[p + 8])
        tot[i] = raw[p + 9]
        trig[i] = big_8(
            big_4(raw[p + 16], raw[p + 17], raw[p + 18], raw[p + 19]),
            big_4(raw[p + 20], raw[p + 21], raw[p + 22], raw[p + 23]),
        )


@cuda.jit
def event_headers(
    n, raw, byte_offsets,
    det_id, run_id, frame_index, time_ns, white_rabbit, trigger_counter, trigger_mask, overlays, slot,
):  # fmt: skip
    """Decode `n` event headers."""
    for e in range(cuda.grid(1), n, cuda.gridsize(1)):
        p = byte_offsets[e]
        if p < 0 or byte_offsets[e + 1] - p != EVENT_HEADER or p + EVENT_HEADER > raw.shape[0]:
            cuda.atomic.min(slot, 0, fault(e, WRONG_LENGTH))
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
