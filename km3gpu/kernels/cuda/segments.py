"""Per-event reductions and sorting on a GPU.

A reduction gives each segment a team of 32 threads, which meet in shared memory
(no warp intrinsics, which the simulator does not know).  Sorting is a merge sort
in which every row finds its own place, by a binary search in the other half.
"""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.scalar.jagged import event_of
from km3gpu.kernels.scalar.segments import LANES, comes_before, time_key

__all__ = ["expand", "maximum", "merge", "minimum", "total"]

# threads per block of the reductions; the registry launches them with as many
_WIDTH = 128


@cuda.jit
def expand(n, offsets, segment, slot):
    """Write the number of its segment to each of `n` rows."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        segment[i] = event_of(offsets, i)


@cuda.jit
def total(n, offsets, values, out, slot):
    """Add up the values of `n` segments."""
    lanes = cuda.shared.array(_WIDTH, dtype=values.dtype)
    me = cuda.threadIdx.x
    lane = me % LANES
    teams = cuda.blockDim.x // LANES
    for first in range(cuda.blockIdx.x * teams, n, cuda.gridDim.x * teams):
        e = first + me // LANES
        lanes[me] = 0
        if e < n:
            for i in range(offsets[e] + lane, offsets[e + 1], LANES):
                lanes[me] += values[i]
        cuda.syncthreads()
        step = LANES // 2
        while step > 0:
            if lane < step:
                lanes[me] += lanes[me + step]
            cuda.syncthreads()
            step //= 2
        if lane == 0 and e < n:
            out[e] = lanes[me]
        cuda.syncthreads()


@cuda.jit
def minimum(n, offsets, values, empty, out, slot):
    """Find the smallest value of `n` segments."""
    lanes = cuda.shared.array(_WIDTH, dtype=values.dtype)
    found = cuda.shared.array(_WIDTH, dtype=np.int32)
    me = cuda.threadIdx.x
    lane = me % LANES
    teams = cuda.blockDim.x // LANES
    for first in range(cuda.blockIdx.x * teams, n, cuda.gridDim.x * teams):
        e = first + me // LANES
        lanes[me] = empty
        found[me] = 0
        if e < n:
            for i in range(offsets[e] + lane, offsets[e + 1], LANES):
                v = values[i]
                if v == v and (found[me] == 0 or v < lanes[me]):
                    lanes[me] = v
                    found[me] = 1
        cuda.syncthreads()
        step = LANES // 2
        while step > 0:
            other = me + step
            if lane < step and found[other] != 0 and (found[me] == 0 or lanes[other] < lanes[me]):
                lanes[me] = lanes[other]
                found[me] = 1
            cuda.syncthreads()
            step //= 2
        if lane == 0 and e < n:
            out[e] = lanes[me]
        cuda.syncthreads()


@cuda.jit
def maximum(n, offsets, values, empty, out, slot):
    """Find the largest value of `n` segments."""
    lanes = cuda.shared.array(_WIDTH, dtype=values.dtype)
    found = cuda.shared.array(_WIDTH, dtype=np.int32)
    me = cuda.threadIdx.x
    lane = me % LANES
    teams = cuda.blockDim.x // LANES
    for first in range(cuda.blockIdx.x * teams, n, cuda.gridDim.x * teams):
        e = first + me // LANES
        lanes[me] = empty
        found[me] = 0
        if e < n:
            for i in range(offsets[e] + lane, offsets[e + 1], LANES):
                v = values[i]
                if v == v and (found[me] == 0 or v > lanes[me]):
                    lanes[me] = v
                    found[me] = 1
        cuda.syncthreads()
        step = LANES // 2
        while step > 0:
            other = me + step
            if lane < step and found[other] != 0 and (found[me] == 0 or lanes[other] > lanes[me]):
                lanes[me] = lanes[other]
                found[me] = 1
            cuda.syncthreads()
            step //= 2
        if lane == 0 and e < n:
            out[e] = lanes[me]
        cuda.syncthreads()


@cuda.jit
def merge(n, width, offsets, segment, dom_id, bits, index, out, slot):
    """Merge neighbouring runs of `width` sorted rows within each segment.

    A row of the left run goes after the rows of the right run that come before
    it; one of the right run after those of the left run that do not come after
    it.  That keeps equal rows in order and writes every place exactly once.
    """
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        e = segment[i]
        start = offsets[e]
        stop = offsets[e + 1]
        left = start + (i - start) // (2 * width) * (2 * width)
        middle = min(left + width, stop)
        row = index[i]
        dom = dom_id[row]
        key = time_key(bits[row])
        if i < middle:
            low = middle
            high = min(left + 2 * width, stop)
            while low < high:
                probe = (low + high) >> 1
                other = index[probe]
                if comes_before(dom_id[other], time_key(bits[other]), dom, key):
                    low = probe + 1
                else:
                    high = probe
            out[i + low - middle] = row
        else:
            low = left
            high = middle
            while low < high:
                probe = (low + high) >> 1
                other = index[probe]
                if comes_before(dom, key, dom_id[other], time_key(bits[other])):
                    high = probe
                else:
                    low = probe + 1
            out[low + i - middle] = row
