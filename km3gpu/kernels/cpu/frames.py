"""Frames of DAQ slices out of ROOT's stream, on the CPU.

A slice is one entry, a frame what one module sent for it.  A hit of a super
frame is 6 bytes: channel (uint8), time in ns (uint32, little-endian), time over
threshold (uint8).  A summary frame is 55 bytes, big-endian: module, four status
words and a byte for the rate of each PMT.

Faults are those of `km3gpu.kernels.scalar.fault`; the index is the entry.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from km3gpu.kernels.scalar.decode import big_4, little_4, signed_4
from km3gpu.kernels.scalar.fault import NONE, fault

__all__ = [
    "MEMBER_WISE",
    "NO_MEMBER_WISE",
    "WRONG_LENGTH",
    "frame_checks",
    "frame_hits",
    "frame_members",
    "member_wise_counts",
    "member_wise_frames",
    "summary_frames",
]

HIT = 6
SUMMARY_FRAME = 55
SUMMARY_HEADER = 10
N_PMTS = 31
FRAME = 72  # bytes of the members of a super frame, all but its hits
_EMPTY = 12  # bytes of a slice without frames
_LONGEST_TDC = 105_000_000  # ns, 5 % beyond the length of a frame

WRONG_LENGTH = 1
NO_MEMBER_WISE = 2
MEMBER_WISE = 0x4000

UDP_ERROR, PMT_ERROR, TDC_ERROR, TIME_ERROR = 1, 2, 4, 8


@nb.njit(nogil=True, cache=True)
def _int4(raw, p):
    return signed_4(big_4(raw[p], raw[p + 1], raw[p + 2], raw[p + 3]))


@nb.njit(nogil=True, cache=True)
def member_wise_counts(raw, starts, counts):
    """Count the frames of slices that are stored member by member.

    An entry has a byte count, the version with the member-wise bit, the
    version of the class and the number of frames; then the members follow, of
    all frames each, and last all hits.

    Parameters
    ----------
    raw : (n_bytes,) uint8 array
        The entries.
    starts : (n + 1,) int64 array
        Byte offset of each entry.
    counts : (n,) int64 array
        Filled.

    Returns
    -------
    int
        The first fault, `NONE` where there is none.
    """
    for e in range(counts.size):
        p = starts[e]
        size = starts[e + 1] - p
        if size < _EMPTY:
            return fault(e, WRONG_LENGTH)
        if not (int(raw[p + 4]) << 8) & MEMBER_WISE:
            return fault(e, NO_MEMBER_WISE)
        n = _int4(raw, p + 8)
        if n < 0 or (n == 0 and size != _EMPTY) or (n > 0 and size < _EMPTY + FRAME * n + HIT):
            return fault(e, WRONG_LENGTH)
        counts[e] = n
    return NONE


@nb.njit(nogil=True, cache=True)
def member_wise_frames(
    raw,
    starts,
    frames,
    dom_id,
    daq,
    status,
    fifo,
    n_hits,
    places,
):
    """Read the members of the frames that `member_wise_counts` counted.

    Parameters
    ----------
    raw, starts
        As there.
    frames : (n + 1,) int64 array
        Offsets of the frames of each entry.
    dom_id, n_hits : (n_frames,) int32 arrays
        Filled.
    daq, status, fifo : (n_frames,) uint32 arrays
        Filled with the status words.
    places : (n_frames,) int64 array
        Filled with the byte offset of each frame's first hit.

    Returns
    -------
    int
        The first fault: the hits do not fill the entry.
    """
    for e in range(starts.size - 1):
        first = frames[e]
        n = frames[e + 1] - first
        if n == 0:
            continue
        p = starts[e] + _EMPTY
        # before the identifier come length, type, TObject, detector, run,
        # frame index and start of the slice
        identifier = p + 44 * n
        hit = p + FRAME * n + HIT
        for k in range(n):
            q = identifier + 4 * k
            dom_id[first + k] = _int4(raw, q)
            daq[first + k] = _int4(raw, q + 4 * n)
            status[first + k] = _int4(raw, q + 8 * n)
            fifo[first + k] = _int4(raw, q + 12 * n)
            count = _int4(raw, q + 24 * n)
            if count < 0:
                return fault(e, WRONG_LENGTH)
            n_hits[first + k] = count
            places[first + k] = hit
            hit += HIT * count
        if hit != starts[e + 1]:
            return fault(e, WRONG_LENGTH)
    return NONE


@nb.njit(nogil=True, cache=True)
def frame_members(starts, frames, n_hits, places):
    """Place the hits of frames whose members are branches of their own.

    Each entry of the branch ``buffer`` is six bytes and the hits of all frames.

    Parameters
    ----------
    starts : (n + 1,) int64 array
        Byte offset of each entry of the branch.
    frames : (n + 1,) int64 array
        Offsets of the frames of each entry.
    n_hits : (n_frames,) int32 array
        Hits of each frame.
    places : (n_frames,) int64 array
        Filled with the byte offset of each frame's first hit.

    Returns
    -------
    int
        The first fault: the hits do not fill the entry.
    """
    for e in range(starts.size - 1):
        hit = starts[e] + HIT
        for f in range(frames[e], frames[e + 1]):
            if n_hits[f] < 0:
                return fault(e, WRONG_LENGTH)
            places[f] = hit
            hit += HIT * n_hits[f]
        empty = frames[e] == frames[e + 1] and starts[e] == starts[e + 1]
        if hit != starts[e + 1] and not empty:
            return fault(e, WRONG_LENGTH)
    return NONE


@nb.njit(nogil=True, cache=True)
def frame_hits(raw, places, offsets, frame_dom, dom_id, channel_id, tdc, tot):
    """Decode the hits of all frames.

    Parameters
    ----------
    raw : (n_bytes,) uint8 array
        Where they lie.
    places : (n_frames,) int64 array
        Byte offset of each frame's first hit.
    offsets : (n_frames + 1,) int64 array
        Offsets of the hits of each frame.
    frame_dom : (n_frames,) int32 array
        Module of each frame.
    dom_id, channel_id, tdc, tot : (n_hits,) int32, uint8, uint32, uint8 arrays
        Filled; an empty `dom_id` is left alone.
    """
    for f in range(places.size):
        first = offsets[f]
        p = np.uint64(places[f])
        if dom_id.size:
            dom_id[first : offsets[f + 1]] = frame_dom[f]
        for i in range(first, offsets[f + 1]):
            q = p + np.uint64(HIT) * np.uint64(i - first)
            channel_id[i] = raw[q]
            tdc[i] = little_4(
                raw[q + np.uint64(1)], raw[q + np.uint64(2)], raw[q + np.uint64(3)], raw[q + np.uint64(4)]
            )
            tot[i] = raw[q + np.uint64(5)]


@nb.njit(nogil=True, cache=True)
def frame_checks(offsets, daq, fifo, channel_id, tdc, checks):
    """Find what is wrong with frames, by the rules of Jpp's JChecksum.

    Parameters
    ----------
    offsets : (n_frames + 1,) int64 array
        Offsets of the hits of each frame.
    daq, fifo : (n_frames,) uint32 arrays
        Status words.
    channel_id, tdc : (n_hits,) uint8, uint32 arrays
        The hits.
    checks : (n_frames,) uint8 array
        Filled: 1 (UDP) where packets are missing or the trailer is; 2 (PMT)
        where a channel is above 30; 4 (TDC) where a time is beyond the frame;
        8 (TIME) where the times of a PMT go down.
    """
    last = np.empty(N_PMTS, np.uint32)
    for f in range(checks.size):
        wrong = 0
        if not udp_complete(daq[f], fifo[f]):
            wrong |= UDP_ERROR
        last[:] = 0
        for i in range(offsets[f], offsets[f + 1]):
            c = channel_id[i]
            if tdc[i] > _LONGEST_TDC:
                wrong |= TDC_ERROR
            if c >= N_PMTS:
                wrong |= PMT_ERROR
                continue
            if tdc[i] < last[c]:
                wrong |= TIME_ERROR
            last[c] = tdc[i]
        checks[f] = wrong


@nb.njit(nogil=True, cache=True)
def udp_complete(daq, fifo):
    """Tell from the status words whether all UDP packets of a frame came, and the trailer."""
    received = int(daq) & 0xFFFF
    highest = int(daq) >> 16
    return (int(fifo) >> 31) != 0 and received == highest + 1


@nb.njit(nogil=True, cache=True)
def summary_frames(raw, starts, frames, dom_id, daq, status, fifo, rates):
    """Read summary frames.

    Parameters
    ----------
    raw : (n_bytes,) uint8 array
        The entries, each a vector with its header of 10 bytes.
    starts : (n + 1,) int64 array
        Byte offset of each entry.
    frames : (n + 1,) int64 array
        Offsets of the frames of each entry, checked against the bytes.
    dom_id, daq, status, fifo : (n_frames,) int32, uint32, uint32, uint32 arrays
        Filled.
    rates : (n_frames, 31) uint8 array
        Filled with the rates as stored.
    """
    for e in range(starts.size - 1):
        p = starts[e] + SUMMARY_HEADER
        for f in range(frames[e], frames[e + 1]):
            dom_id[f] = _int4(raw, p)
            daq[f] = _int4(raw, p + 4)
            status[f] = _int4(raw, p + 8)
            fifo[f] = _int4(raw, p + 12)
            for c in range(N_PMTS):
                rates[f, c] = raw[p + 24 + c]
            p += SUMMARY_FRAME
