"""Trigger finder for tracks on a GPU: a block of threads for each root."""

from __future__ import annotations

import numpy as np
from numba import cuda

from km3gpu.kernels.cuda.candidates import FAR, GONE, ROWS, WIDTH, WORDS, collect, distinct, reduce
from km3gpu.kernels.scalar.jagged import event_of
from km3gpu.kernels.scalar.match import match_folded, match_road, whole
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, NOTHING, WINDOW_CAP

__all__ = ["muon"]


@cuda.jit
def muon(
    n, offsets, module, x, y, z, t, roots, axes, cut, least, modules, limit, found, last, state, slot,
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
    matches = cuda.shared.array(ROWS, dtype=np.uint32)
    degree = cuda.shared.array(MOST, dtype=np.int32)
    place = cuda.shared.array(MOST, dtype=np.int32)
    flags = cuda.shared.array(WIDTH, dtype=np.int32)
    shared = cuda.shared.array(4, dtype=np.int32)
    me = cuda.threadIdx.x
    size = cuda.blockDim.x
    directions = axes.shape[0] // 9
    for r in range(cuda.blockIdx.x, n, cuda.gridDim.x):
        if roots[r] == 0:
            if me == 0:
                last[r] = -1
                state[r] = NOTHING
            continue
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
            count = collect(ok, q, flags, member, count)
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
                    matches[i * WORDS + word] = bits
                degree[i] = d
                place[i] = i
            cuda.syncthreads()
            kept = reduce(matches, count, count, least - 1, degree, place, shared)
            if kept + 1 >= least:
                # they keep the places that they have in the clique
                for i in range(me, count, size):
                    if degree[i] < GONE:
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
                            degree[i] = FAR
                    cuda.syncthreads()
                    left = shared[1]
                    cuda.syncthreads()
                    if left + 1 < least:
                        continue
                    for i in range(me, count, size):
                        if degree[i] < GONE:
                            d = 0
                            for word in range((count + 31) >> 5):
                                bits = 0
                                for j in range(word * 32, min(word * 32 + 32, count)):
                                    if i != j and degree[j] < GONE:
                                        du = u[i] - u[j]
                                        dv = v[i] - v[j]
                                        if match_folded(
                                            abs(w[i] - w[j]), du * du + dv * dv,
                                            cut[2], cut[9], cut[10], cut[4], cut[11],
                                        ):  # fmt: skip
                                            bits |= 1 << (j & 31)
                                            d += 1
                                matches[i * WORDS + word] = bits
                            degree[i] = d
                            rank = 0
                            for j in range(i):
                                if degree[j] < GONE:
                                    rank += 1
                            place[i] = rank
                    cuda.syncthreads()
                    if reduce(matches, count, left, least - 1, degree, place, shared) + 1 < least:
                        continue
                    if (
                        modules > 1
                        and distinct(degree, count, member, module, 1, module[r], shared) < modules
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
