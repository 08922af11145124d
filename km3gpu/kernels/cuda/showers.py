"""Trigger finders for points of light on a GPU: a block of threads for each root."""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.cuda.candidates import BIG, GONE, ROWS, WIDTH, WORDS, collect, distinct, reduce
from km3gpu.kernels.scalar.jagged import event_of
from km3gpu.kernels.scalar.match import match_folded, match_unfolded
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, NOTHING, WINDOW_CAP

__all__ = ["mixed", "shower"]


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
            matches[i * WORDS + word] = bits
        degree[i] = d
        place[i] = i
    cuda.syncthreads()


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
def shower(
    n, offsets, module, x, y, z, t, roots, cut, least, modules, limit, folded, found, last, state, slot,
):  # fmt: skip
    """Find showers, with each of `n` coincidences as the root."""
    member = cuda.shared.array(MOST, dtype=np.int64)
    px = cuda.shared.array(MOST, dtype=np.float64)
    py = cuda.shared.array(MOST, dtype=np.float64)
    pz = cuda.shared.array(MOST, dtype=np.float64)
    pt = cuda.shared.array(MOST, dtype=np.float64)
    matches = cuda.shared.array(ROWS, dtype=np.uint32)
    degree = cuda.shared.array(MOST, dtype=np.int32)
    place = cuda.shared.array(MOST, dtype=np.int32)
    flags = cuda.shared.array(WIDTH, dtype=np.int32)
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
            count = collect(ok, q, flags, member, count)
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
            enough = reduce(matches, count, count, least - 1, degree, place, shared) + 1 >= least
            if enough and modules > 1:
                enough = distinct(degree, count, member, module, 1, module[r], shared) >= modules
            if enough:
                kind = FOUND
                if me == 0:
                    shared[2] = 0
                cuda.syncthreads()
                for i in range(me, count, size):
                    if degree[i] < GONE:
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
    n, root_offsets, root_module, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
    cut, least, modules, limit, folded, found, first, last, state, slot,
):  # fmt: skip
    """Find showers of single hits around each of `n` roots, on other modules."""
    member = cuda.shared.array(MOST, dtype=np.int64)
    px = cuda.shared.array(MOST, dtype=np.float64)
    py = cuda.shared.array(MOST, dtype=np.float64)
    pz = cuda.shared.array(MOST, dtype=np.float64)
    pt = cuda.shared.array(MOST, dtype=np.float64)
    matches = cuda.shared.array(ROWS, dtype=np.uint32)
    degree = cuda.shared.array(MOST, dtype=np.int32)
    place = cuda.shared.array(MOST, dtype=np.int32)
    flags = cuda.shared.array(WIDTH, dtype=np.int32)
    shared = cuda.shared.array(4, dtype=np.int32)
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    for r in range(cuda.blockIdx.x, n, cuda.gridDim.x):
        e = event_of(root_offsets, r)
        own = root_module[r]
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
            ok = (
                q < stop
                and t[q] <= latest
                and module[q] != own
                and _point_match(x, y, z, t, q, rx, ry, rz, rt, cut, folded)
            )
            count = collect(ok, q, flags, member, count)
            tile += size
        kind = NOTHING
        capped = stop == low + WINDOW_CAP and t[stop - 1] <= latest
        if me == 0:
            shared[2] = BIG
            shared[3] = -1
        cuda.syncthreads()
        if count > 0 and count + 1 >= least and count + 1 >= limit:
            kind = FACTORY
            for q in range(low + me, stop, size):
                if (
                    t[q] <= latest
                    and module[q] != own
                    and _point_match(x, y, z, t, q, rx, ry, rz, rt, cut, folded)
                ):
                    found[q] = 1
                    cuda.atomic.min(shared, 2, np.int32(q - low))
                    cuda.atomic.max(shared, 3, np.int32(q - low))
        elif count > 0 and count + 1 >= least:
            for i in range(me, count, size):
                q = member[i]
                px[i] = x[q]
                py[i] = y[q]
                pz[i] = z[q]
                pt[i] = t[q]
            cuda.syncthreads()
            _point_rows(matches, degree, place, count, px, py, pz, pt, cut, folded)
            enough = reduce(matches, count, count, least - 1, degree, place, shared) + 1 >= least
            if enough and modules > 1:
                enough = distinct(degree, count, member, module, 1, own, shared) >= modules
            if enough:
                kind = FOUND
                for i in range(me, count, size):
                    if degree[i] < GONE:
                        found[member[i]] = 1
                        cuda.atomic.min(shared, 2, np.int32(member[i] - low))
                        cuda.atomic.max(shared, 3, np.int32(member[i] - low))
        cuda.syncthreads()
        if me == 0:
            first[r] = low + shared[2] if shared[3] >= 0 else -1
            last[r] = low + shared[3] if shared[3] >= 0 else -1
            state[r] = kind | (CAPPED if capped else NOTHING)
        cuda.syncthreads()
