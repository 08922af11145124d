"""The hits around a root, and their reduction to a clique, by a block of threads.

The threads share out the hits around the root, then the rows of the matrix of
matches, which is kept as bits in shared memory.  The set is reduced by all of
them together, one member at a time.  No warp intrinsics: the simulator does not
know them.
"""

from __future__ import annotations

from numba import cuda

from km3gpu.kernels.scalar.triggers import MOST

__all__ = ["BIG", "FAR", "GONE", "ROWS", "WIDTH", "WORDS", "collect", "distinct", "reduce"]

WORDS = MOST // 32
ROWS = MOST * WORDS
WIDTH = 128  # the most threads of a block
FAR = 1 << 20
GONE = 1 << 19
BIG = 1 << 30


@cuda.jit(device=True)
def collect(ok, q, flags, member, count):
    """Add the hits of this tile that match to `member`, in order; give the new count.

    Every thread brings one hit, and gets the same count back.
    """
    me = cuda.threadIdx.x
    flags[me] = 1 if ok else 0
    cuda.syncthreads()
    before = 0
    total = 0
    for i in range(cuda.blockDim.x):
        if i < me:
            before += flags[i]
        total += flags[i]
    if ok and count + before < MOST:
        member[count + before] = q
    cuda.syncthreads()
    return count + total


@cuda.jit(device=True)
def reduce(matches, n, left, least, degree, place, shared):
    """Drop members until all that are left match each other (see the CPU's `reduce_to_clique`).

    `degree` holds the matches of each of `n` members, and more than `GONE` for
    those that are none; `left` are members, in the places 0 to ``left - 1``.
    """
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    while left >= least and left > 0:
        if me == 0:
            shared[0] = BIG
        cuda.syncthreads()
        for i in range(me, n, size):
            if degree[i] < GONE:
                cuda.atomic.min(shared, 0, degree[i] * 256 + place[i])
        cuda.syncthreads()
        key = shared[0]
        if key >> 8 >= left - 1:
            cuda.syncthreads()
            return left
        free = key & 255
        left -= 1
        for i in range(me, n, size):
            if degree[i] < GONE and place[i] == free:
                shared[1] = i
        cuda.syncthreads()
        who = shared[1]
        for i in range(me, n, size):
            if i == who:
                degree[i] = FAR
            elif degree[i] < GONE:
                if (int(matches[i * WORDS + (who >> 5)]) >> int(who & 31)) & 1:
                    degree[i] -= 1
                if place[i] == left:
                    place[i] = free
    # what is in `shared` is read by all before it is used again
    cuda.syncthreads()
    return 0


@cuda.jit(device=True)
def distinct(degree, n, member, module, rooted, root, shared):
    """Count the modules of the members that are left, and that of the root where it counts."""
    if cuda.threadIdx.x == 0:
        shared[1] = rooted
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        if degree[i] < GONE:
            m = module[member[i]]
            new = rooted == 0 or m != root
            for j in range(i):
                if degree[j] < GONE and module[member[j]] == m:
                    new = False
            if new:
                cuda.atomic.add(shared, 1, 1)
    cuda.syncthreads()
    count = shared[1]
    cuda.syncthreads()
    return count
