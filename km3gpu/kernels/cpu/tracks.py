"""Trigger finder for tracks on the CPU: one event at a time, hits in order of time.

The loops over pairs are plain and free of branches, which LLVM turns into vector
instructions.  The search for a direction begins with the one that the event's
last track was found in.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.cpu.candidates import count_marked, distinct, gather, pick, take_all, window_end
from km3gpu.kernels.cpu.clique import reduce_to_clique
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.match import match_folded, match_road, whole
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, NOTHING, WINDOW_CAP

__all__ = ["muon_block", "muon_blocks"]

AT_ONCE = 512
"""Directions that are tried together."""


@register_jitable
def _match_root(ok_at, number, k, cx, cy, cz, ct, axes, low, high, cut):
    """Mark which members match the root in which direction, and count them."""
    extra, r2, tan2, top, half2 = cut[2], cut[4], cut[9], cut[10], cut[11]
    n = high - low
    d = axes.shape[0] // 9
    ax, ay, az = axes[low:high], axes[d + low : d + high], axes[2 * d + low : 2 * d + high]
    bx, by, bz = (
        axes[3 * d + low : 3 * d + high],
        axes[4 * d + low : 4 * d + high],
        axes[5 * d + low : 5 * d + high],
    )
    gx, gy, gz = (
        axes[6 * d + low : 6 * d + high],
        axes[7 * d + low : 7 * d + high],
        axes[8 * d + low : 8 * d + high],
    )
    number[:n] = 0
    for i in range(k):
        px, py, pz, pt = cx[i], cy[i], cz[i], ct[i]
        row = ok_at[i * AT_ONCE : i * AT_ONCE + n]
        for g in range(n):
            u = whole(px * ax[g] + py * ay[g] + pz * az[g])
            v = whole(px * bx[g] + py * by[g] + pz * bz[g])
            w = pt - whole(px * gx[g] + py * gy[g] + pz * gz[g])
            row[g] = match_folded(abs(w), u * u + v * v, extra, tan2, top, r2, half2)
        for g in range(n):
            number[g] += row[g]


@block
def muon_block(
    start, stop, offsets, module, x, y, z, t, roots, axes, cut, least, modules, limit, found, last, state,
):  # fmt: skip
    """Find tracks in events ``start`` to ``stop``; only the hits marked in `roots` begin one."""
    window, away2, extra, n2, r2, rs2 = cut[0], cut[1], cut[2], cut[3], cut[4], cut[5]
    rst, rt, far2, tan2, top, half2 = cut[6], cut[7], cut[8], cut[9], cut[10], cut[11]
    directions = axes.shape[0] // 9
    ok = np.empty(WINDOW_CAP, np.uint8)
    member = np.empty(MOST + 1, np.int64)
    matched = np.empty(MOST + 1, np.int64)
    matches = np.empty(MOST * MOST, np.uint8)
    chosen = np.empty(MOST, np.int64)
    degree, place = np.empty(MOST, np.int32), np.empty(MOST, np.int32)
    cx, cy, cz, ct = np.empty(MOST), np.empty(MOST), np.empty(MOST), np.empty(MOST)
    u, v, w = np.empty(MOST), np.empty(MOST), np.empty(MOST)
    ok_at = np.empty(MOST * AT_ONCE, np.uint8)
    number = np.empty(AT_ONCE, np.int16)
    for e in range(start, stop):
        hint = 0
        end = offsets[e]
        for r in range(offsets[e], offsets[e + 1]):
            last[r] = -1
            state[r] = NOTHING
            if not roots[r]:
                continue
            rx, ry, rz, rtime = x[r], y[r], z[r], t[r]
            end = window_end(t, r + 1, rtime + window, end, offsets[e + 1])
            n = end - r - 1
            if n == WINDOW_CAP:
                state[r] = CAPPED
            if n + 1 < least:
                continue
            tx, ty, tz, tt = x[r + 1 : end], y[r + 1 : end], z[r + 1 : end], t[r + 1 : end]
            for i in range(n):
                dx, dy, dz = tx[i] - rx, ty[i] - ry, tz[i] - rz
                d2 = dx * dx + dy * dy + dz * dz
                ok[i] = (d2 <= away2) & match_road(tt[i] - rtime, d2, extra, n2, r2, rs2, rst, rt, far2)
            k = count_marked(ok, n)
            if k + 1 < least:
                continue
            if k + 1 >= limit:
                state[r] |= FACTORY
                found[r] = 1
                last[r] = r + 1 + take_all(ok, n, found[r + 1 : end])
                continue
            gather(ok, n, r + 1, member)
            for i in range(k):
                q = member[i]
                cx[i], cy[i], cz[i], ct[i] = x[q] - rx, y[q] - ry, z[q] - rz, t[q] - rtime
            for i in range(k):
                row = matches[i * k : i * k + k]
                for j in range(k):
                    dx, dy, dz = cx[i] - cx[j], cy[i] - cy[j], cz[i] - cz[j]
                    d2 = dx * dx + dy * dy + dz * dz
                    row[j] = match_road(abs(ct[i] - ct[j]), d2, extra, n2, r2, rs2, rst, rt, far2)
                row[i] = 0
            k = reduce_to_clique(matches, k, least - 1, chosen, degree, place)
            if k + 1 < least:
                continue
            # they keep the places that they have in the clique
            pick(chosen, k, member)
            for i in range(k):
                q = chosen[i]
                member[i] = q
                cx[i], cy[i], cz[i], ct[i] = x[q] - rx, y[q] - ry, z[q] - rz, t[q] - rtime
            # the direction that found the last track of the event is tried first
            for begin in range(-AT_ONCE, directions, AT_ONCE):
                if state[r] & FOUND:
                    break
                low, high = (hint, hint + 1) if begin < 0 else (begin, min(begin + AT_ONCE, directions))
                _match_root(ok_at, number, k, cx, cy, cz, ct, axes, low, high, cut)
                for g in range(high - low):
                    if number[g] + 1 < least:
                        continue
                    a = axes[low + g :: directions]
                    a0, a1, a2, b0, b1, b2 = a[0], a[1], a[2], a[3], a[4], a[5]
                    g0, g1, g2 = a[6], a[7], a[8]
                    count = 0
                    for i in range(k):
                        matched[count] = member[i]
                        u[count] = whole(cx[i] * a0 + cy[i] * a1 + cz[i] * a2)
                        v[count] = whole(cx[i] * b0 + cy[i] * b1 + cz[i] * b2)
                        w[count] = ct[i] - whole(cx[i] * g0 + cy[i] * g1 + cz[i] * g2)
                        count += ok_at[i * AT_ONCE + g]
                    for i in range(count):
                        row = matches[i * count : i * count + count]
                        for j in range(count):
                            du, dv = u[i] - u[j], v[i] - v[j]
                            row[j] = match_folded(
                                abs(w[i] - w[j]), du * du + dv * dv, extra, tan2, top, r2, half2
                            )
                        row[i] = 0
                    count = reduce_to_clique(matches, count, least - 1, chosen, degree, place)
                    if count + 1 < least:
                        continue
                    pick(chosen, count, matched)
                    if modules > 1 and distinct(chosen, count, module, True, module[r]) < modules:
                        continue
                    state[r] |= FOUND
                    hint = low + g
                    break
            if state[r] & FOUND:
                found[r] = 1
                for i in range(k):
                    found[member[i]] = 1
                    last[r] = max(last[r], member[i])
    return NONE


@blocks
def muon_blocks(
    n, n_blocks, offsets, module, x, y, z, t, roots, axes, cut, least, modules, limit, found, last, state,
):  # fmt: skip
    """Find tracks in `n` events in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        muon_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            offsets, module, x, y, z, t, roots, axes, cut, least, modules, limit, found, last, state,
        )  # fmt: skip
    return NONE
