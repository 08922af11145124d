"""Trigger finders on a GPU: a block of threads for each root.

The threads share out the hits around the root, then the rows of the matrix of
matches, which is kept as bits in shared memory.  The set is reduced by all of
them together, one member at a time.  No warp intrinsics: the simulator does not
know them.
"""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.scalar.jagged import event_of
from km3gpu.kernels.scalar.match import match_folded, match_road, match_unfolded, whole
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, NOTHING, WINDOW_CAP

__all__ = ["mixed", "muon", "shower"]

_WORDS = MOST // 32
_ROWS = MOST * _WORDS
_WIDTH = 128  # the most threads of a block
_FAR = 1 << 20
_GONE = 1 << 19
_BIG = 1 << 30


@cuda.jit(device=True)
def _collect(ok, q, flags, member, count):
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
def _reduce(matches, n, left, least, degree, place, shared):
    """Drop members until all that are left match each other (see the CPU's `reduce_to_clique`).

    `degree` holds the matches of each of `n` members, and more than `_GONE` for
    those that are none; `left` are members, in the places 0 to ``left - 1``.
    """
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    while left >= least and left > 0:
        if me == 0:
            shared[0] = _BIG
        cuda.syncthreads()
        for i in range(me, n, size):
            if degree[i] < _GONE:
                cuda.atomic.min(shared, 0, degree[i] * 256 + place[i])
        cuda.syncthreads()
        key = shared[0]
        if key >> 8 >= left - 1:
            cuda.syncthreads()
            return left
        free = key & 255
        left -= 1
        for i in range(me, n, size):
            if degree[i] < _GONE and place[i] == free:
                shared[1] = i
        cuda.syncthreads()
        who = shared[1]
        for i in range(me, n, size):
            if i == who:
                degree[i] = _FAR
            elif degree[i] < _GONE:
                if (int(matches[i * _WORDS + (who >> 5)]) >> (who & 31)) & 1:
                    degree[i] -= 1
                if place[i] == left:
                    place[i] = free
    # what is in `shared` is read by all before it is used again
    cuda.syncthreads()
    return 0


@cuda.jit(device=True)
def _point_rows(matches, degree, place, k, x, y, z, t, cut, folded):
    """Write which of `k` members match each other by 3G, or by 3D."""
    for i in range(cuda.threadIdx.x, k, cuda.blockDim.x):
        d = 0
        for word in range((k + 31) >> 5):
            bits = 0
            for j in range(word * 32, min(word * 32 + 32, k)):
                dx = x[i] - x[j]
                dy = y[i] - y[j]
                dz = z[i] - z[j]
                d2 = dx * dx + dy * dy + dz * dz
                dt = abs(t[i] - t[j])
                if folded:
                    ok = match_folded(dt, d2, cut[1], cut[2], cut[3], cut[4], cut[5])
                else:
                    ok = match_unfolded(dt, d2, cut[1], cut[2], cut[4])
                if ok and i != j:
                    bits |= 1 << (j & 31)
                    d += 1
            matches[i * _WORDS + word] = bits
        degree[i] = d
        place[i] = i
    cuda.syncthreads()


@cuda.jit(device=True)
def _distinct(degree, n, member, module, rooted, root, shared):
    """Count the modules of the members that are left, and that of the root where it counts."""
    if cuda.threadIdx.x == 0:
        shared[1] = rooted
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        if degree[i] < _GONE:
            m = module[member[i]]
            new = rooted == 0 or m != root
            for j in range(i):
                if degree[j] < _GONE and module[member[j]] == m:
                    new = False
            if new:
                cuda.atomic.add(shared, 1, 1)
    cuda.syncthreads()
    count = shared[1]
    cuda.syncthreads()
    return count


@cuda.jit(device=True)
def _point_match(x, y, z, t, q, rx, ry, rz, rt, cut, folded):
    dx = x[q] - rx
    dy = y[q] - ry
    dz = z[q] - rz
    d2 = dx * dx + dy * dy + dz * dz
    if folded:
        return match_folded(abs(t[q] - rt), d2, cut[1], cut[2], cut[3], cut[4], cut[5])
    return match_unfolded(abs(t[q] - rt), d2, cut[1], cut[2], cut[4])


@cuda.jit
def muon(
    n, offsets, module, x, y, z, t, axes, cut, least, modules, limit, found, last, state, slot,
):  # fmt: skip
    """Find tracks, with each of `n` coincidences as the root."""
    member = cuda.shared.array(MOST, dtype=np.int64)
    chosen = cuda.shared.array(MOST, dtype=np.int64)
    px = cuda.shared.array(MOST, dtype=np.float64)
    py = cuda.shared.array(MOST, dtype=np.float64)
    pz = cuda.shared.array(MOST, dtype=np.float64)
    pt = cuda.shared.array(MOST, dtype=np.float64)
    u = cuda.shared.array(MOST, dtype=np.float64)
    v = cuda.shared.array(MOST, dtype=np.float64)
    w = cuda.shared.array(MOST, dtype=np.float64)
    matches = cuda.shared.array(_ROWS, dtype=np.uint32)
    degree = cuda.shared.array(MOST, dtype=np.int32)
    place = cuda.shared.array(MOST, dtype=np.int32)
    flags = cuda.shared.array(_WIDTH, dtype=np.int32)
    shared = cuda.shared.array(4, dtype=np.int32)
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    directions = axes.shape[0] // 9
    for r in range(cuda.blockIdx.x, n, cuda.gridDim.x):
        stop = min(offsets[event_of(offsets, r) + 1], r + 1 + WINDOW_CAP)
        rx = x[r]
        ry = y[r]
        rz = z[r]
        rt = t[r]
        latest = rt + cut[0]
        count = 0
        tile = r + 1
        while tile < stop and t[tile] <= latest:
            q = tile + me
            ok = False
            if q < stop and t[q] <= latest:
                dx = x[q] - rx
                dy = y[q] - ry
                dz = z[q] - rz
                d2 = dx * dx + dy * dy + dz * dz
                ok = d2 <= cut[1] and match_road(
                    t[q] - rt, d2, cut[2], cut[3], cut[4], cut[5], cut[6], cut[7], cut[8]
                )
            count = _collect(ok, q, flags, member, count)
            tile += size
        kind = NOTHING
        capped = stop == r + 1 + WINDOW_CAP and t[stop - 1] <= latest
        if me == 0:
            shared[2] = -1
            shared[3] = 0
        cuda.syncthreads()
        if count + 1 >= least and count + 1 >= limit:
            kind = FACTORY
            for q in range(r + 1 + me, stop, size):
                if t[q] <= latest:
                    dx = x[q] - rx
                    dy = y[q] - ry
                    dz = z[q] - rz
                    d2 = dx * dx + dy * dy + dz * dz
                    if d2 <= cut[1] and match_road(
                        t[q] - rt, d2, cut[2], cut[3], cut[4], cut[5], cut[6], cut[7], cut[8]
                    ):
                        found[q] = 1
                        cuda.atomic.max(shared, 2, np.int32(q - r))
        elif count + 1 >= least:
            for i in range(me, count, size):
                q = member[i]
                px[i] = x[q] - rx
                py[i] = y[q] - ry
                pz[i] = z[q] - rz
                pt[i] = t[q] - rt
            cuda.syncthreads()
            for i in range(me, count, size):
                d = 0
                for word in range((count + 31) >> 5):
                    bits = 0
                    for j in range(word * 32, min(word * 32 + 32, count)):
                        dx = px[i] - px[j]
                        dy = py[i] - py[j]
                        dz = pz[i] - pz[j]
                        d2 = dx * dx + dy * dy + dz * dz
                        if i != j and match_road(
                            abs(pt[i] - pt[j]), d2,
                            cut[2], cut[3], cut[4], cut[5], cut[6], cut[7], cut[8],
                        ):  # fmt: skip
                            bits |= 1 << (j & 31)
                            d += 1
                    matches[i * _WORDS + word] = bits
                degree[i] = d
                place[i] = i
            cuda.syncthreads()
            kept = _reduce(matches, count, count, least - 1, degree, place, shared)
            if kept + 1 >= least:
                # they keep the places that they have in the clique
                for i in range(me, count, size):
                    if degree[i] < _GONE:
                        chosen[place[i]] = member[i]
                cuda.syncthreads()
                count = kept
                for i in range(me, count, size):
                    q = chosen[i]
                    member[i] = q
                    px[i] = x[q] - rx
                    py[i] = y[q] - ry
                    pz[i] = z[q] - rz
                    pt[i] = t[q] - rt
                cuda.syncthreads()
                for g in range(directions):
                    # all threads read it between the same two barriers
                    if shared[3] != 0:
                        break
                    if me == 0:
                        shared[1] = 0
                    cuda.syncthreads()
                    for i in range(me, count, size):
                        u[i] = whole(
                            px[i] * axes[g] + py[i] * axes[directions + g] + pz[i] * axes[2 * directions + g]
                        )
                        v[i] = whole(
                            px[i] * axes[3 * directions + g]
                            + py[i] * axes[4 * directions + g]
                            + pz[i] * axes[5 * directions + g]
                        )
                        w[i] = pt[i] - whole(
                            px[i] * axes[6 * directions + g]
                            + py[i] * axes[7 * directions + g]
                            + pz[i] * axes[8 * directions + g]
                        )
                        if match_folded(
                            abs(w[i]), u[i] * u[i] + v[i] * v[i], cut[2], cut[9], cut[10], cut[4], cut[11]
                        ):
                            degree[i] = 0
                            cuda.atomic.add(shared, 1, 1)
                        else:
                            degree[i] = _FAR
                    cuda.syncthreads()
                    left = shared[1]
                    cuda.syncthreads()
                    if left + 1 < least:
                        continue
                    for i in range(me, count, size):
                        if degree[i] < _GONE:
                            d = 0
                            for word in range((count + 31) >> 5):
                                bits = 0
                                for j in range(word * 32, min(word * 32 + 32, count)):
                                    if i != j and degree[j] < _GONE:
                                        du = u[i] - u[j]
                                        dv = v[i] - v[j]
                                        if match_folded(
                                            abs(w[i] - w[j]), du * du + dv * dv,
                                            cut[2], cut[9], cut[10], cut[4], cut[11],
                                        ):  # fmt: skip
                                            bits |= 1 << (j & 31)
                                            d += 1
                                matches[i * _WORDS + word] = bits
                            degree[i] = d
                            rank = 0
                            for j in range(i):
                                if degree[j] < _GONE:
                                    rank += 1
                            place[i] = rank
                    cuda.syncthreads()
                    if _reduce(matches, count, left, least - 1, degree, place, shared) + 1 < least:
                        continue
                    if (
                        modules > 1
                        and _distinct(degree, count, member, module, 1, module[r], shared) < modules
                    ):
                        continue
                    if me == 0:
                        shared[3] = FOUND
                    cuda.syncthreads()
                if shared[3] != 0:
                    for i in range(me, count, size):
                        found[member[i]] = 1
                        cuda.atomic.max(shared, 2, np.int32(member[i] - r))
        cuda.syncthreads()
        if me == 0:
            kind |= shared[3]
            if kind != NOTHING:
                found[r] = 1
            last[r] = r + shared[2] if shared[2] >= 0 else -1
            state[r] = kind | (CAPPED if capped else NOTHING)
        cuda.syncthreads()


@cuda.jit
def shower(
    n, offsets, module, x, y, z, t, roots, cut, least, modules, limit, folded, found, last, state, slot,
):  # fmt: skip
    """Find showers, with each of `n` coincidences as the root."""
    member = cuda.shared.array(MOST, dtype=np.int64)
    px = cuda.shared.array(MOST, dtype=np.float64)
    py = cuda.shared.array(MOST, dtype=np.float64)
    pz = cuda.shared.array(MOST, dtype=np.float64)
    pt = cuda.shared.array(MOST, dtype=np.float64)
    matches = cuda.shared.array(_ROWS, dtype=np.uint32)
    degree = cuda.shared.array(MOST, dtype=np.int32)
    place = cuda.shared.array(MOST, dtype=np.int32)
    flags = cuda.shared.array(_WIDTH, dtype=np.int32)
    shared = cuda.shared.array(4, dtype=np.int32)
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    for r in range(cuda.blockIdx.x, n, cuda.gridDim.x):
        if roots[r] == 0:
            if me == 0:
                last[r] = -1
                state[r] = NOTHING
            continue
        stop = min(offsets[event_of(offsets, r) + 1], r + 1 + WINDOW_CAP)
        latest = t[r] + cut[0]
        count = 0
        tile = r + 1
        while tile < stop and t[tile] <= latest:
            q = tile + me
            ok = (
                q < stop
                and t[q] <= latest
                and _point_match(x, y, z, t, q, x[r], y[r], z[r], t[r], cut, folded)
            )
            count = _collect(ok, q, flags, member, count)
            tile += size
        kind = NOTHING
        capped = stop == r + 1 + WINDOW_CAP and t[stop - 1] <= latest
        if me == 0:
            shared[2] = -1
        cuda.syncthreads()
        if count + 1 >= least and count + 1 >= limit:
            kind = FACTORY
            for q in range(r + 1 + me, stop, size):
                if t[q] <= latest and _point_match(x, y, z, t, q, x[r], y[r], z[r], t[r], cut, folded):
                    found[q] = 1
                    cuda.atomic.max(shared, 2, np.int32(q - r))
        elif count + 1 >= least:
            for i in range(me, count, size):
                q = member[i]
                px[i] = x[q]
                py[i] = y[q]
                pz[i] = z[q]
                pt[i] = t[q]
            cuda.syncthreads()
            _point_rows(matches, degree, place, count, px, py, pz, pt, cut, folded)
            enough = _reduce(matches, count, count, least - 1, degree, place, shared) + 1 >= least
            if enough and modules > 1:
                enough = _distinct(degree, count, member, module, 1, module[r], shared) >= modules
            if enough:
                kind = FOUND
                if me == 0:
                    shared[2] = 0
                cuda.syncthreads()
                for i in range(me, count, size):
                    if degree[i] < _GONE:
                        found[member[i]] = 1
                        cuda.atomic.max(shared, 2, np.int32(member[i] - r))
        cuda.syncthreads()
        if me == 0:
            if kind != NOTHING:
                found[r] = 1
            last[r] = r + shared[2] if shared[2] >= 0 else -1
            state[r] = kind | (CAPPED if capped else NOTHING)
        cuda.syncthreads()


@cuda.jit(device=True)
def _first_from(t, low, high, earliest):
    """Give the first of the hits `low` to `high` that is not before `earliest`; NaN come last."""
    while low < high:
        middle = (low + high) >> 1
        if t[middle] < earliest:
            low = middle + 1
        else:
            high = middle
    return low


@cuda.jit
def mixed(
    n, root_offsets, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
    cut, least, modules, limit, folded, found, first, last, state, slot,
):  # fmt: skip
    """Find showers of single hits, around each of `n` roots."""
    member = cuda.shared.array(MOST, dtype=np.int64)
    px = cuda.shared.array(MOST, dtype=np.float64)
    py = cuda.shared.array(MOST, dtype=np.float64)
    pz = cuda.shared.array(MOST, dtype=np.float64)
    pt = cuda.shared.array(MOST, dtype=np.float64)
    matches = cuda.shared.array(_ROWS, dtype=np.uint32)
    degree = cuda.shared.array(MOST, dtype=np.int32)
    place = cuda.shared.array(MOST, dtype=np.int32)
    flags = cuda.shared.array(_WIDTH, dtype=np.int32)
    shared = cuda.shared.array(4, dtype=np.int32)
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    for r in range(cuda.blockIdx.x, n, cuda.gridDim.x):
        e = event_of(root_offsets, r)
        rx = root_x[r]
        ry = root_y[r]
        rz = root_z[r]
        rt = root_t[r]
        low = _first_from(t, offsets[e], offsets[e + 1], rt - cut[0])
        stop = min(offsets[e + 1], low + WINDOW_CAP)
        latest = rt + cut[0]
        count = 0
        tile = low
        while tile < stop and t[tile] <= latest:
            q = tile + me
            ok = q < stop and t[q] <= latest and _point_match(x, y, z, t, q, rx, ry, rz, rt, cut, folded)
            count = _collect(ok, q, flags, member, count)
            tile += size
        kind = NOTHING
        capped = stop == low + WINDOW_CAP and t[stop - 1] <= latest
        if me == 0:
            shared[2] = _BIG
            shared[3] = -1
        cuda.syncthreads()
        if count >= least and count >= limit:
            kind = FACTORY
            for q in range(low + me, stop, size):
                if t[q] <= latest and _point_match(x, y, z, t, q, rx, ry, rz, rt, cut, folded):
                    found[q] = 1
                    cuda.atomic.min(shared, 2, np.int32(q - low))
                    cuda.atomic.max(shared, 3, np.int32(q - low))
        elif count >= least:
            for i in range(me, count, size):
                q = member[i]
                px[i] = x[q]
                py[i] = y[q]
                pz[i] = z[q]
                pt[i] = t[q]
            cuda.syncthreads()
            _point_rows(matches, degree, place, count, px, py, pz, pt, cut, folded)
            enough = _reduce(matches, count, count, least, degree, place, shared) >= least
            if enough and modules > 1:
                enough = _distinct(degree, count, member, module, 0, 0, shared) >= modules
            if enough:
                kind = FOUND
                for i in range(me, count, size):
                    if degree[i] < _GONE:
                        found[member[i]] = 1
                        cuda.atomic.min(shared, 2, np.int32(member[i] - low))
                        cuda.atomic.max(shared, 3, np.int32(member[i] - low))
        cuda.syncthreads()
        if me == 0:
            first[r] = low + shared[2] if shared[3] >= 0 else -1
            last[r] = low + shared[3] if shared[3] >= 0 else -1
            state[r] = kind | (CAPPED if capped else NOTHING)
        cuda.syncthreads()
