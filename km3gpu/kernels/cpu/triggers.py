"""Trigger finders on the CPU: one event at a time, hits in order of time.

The loops over pairs are plain and free of branches, which LLVM turns into vector
instructions.  The search for a direction begins with the one that the event's
last track was found in.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.cpu.clique import reduce_to_clique
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.match import match_folded, match_road, match_unfolded, whole
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, NOTHING, WINDOW_CAP

__all__ = ["mixed_block", "mixed_blocks", "muon_block", "muon_blocks", "shower_block", "shower_blocks"]

AT_ONCE = 512
"""Directions that are tried together."""


@register_jitable
def _window_end(t, begin, latest, end, stop):
    """Give the first hit from `begin` on that is later than `latest`, or beyond the cap.

    `end` is what the root before gave.
    """
    end = max(end, begin)
    cap = min(stop, begin + WINDOW_CAP)
    while end < cap and t[end] <= latest:
        end += 1
    return end


@register_jitable
def _count(ok, n):
    """Count the hits that are marked."""
    k = 0
    for i in range(n):
        k += ok[i]
    return k


@register_jitable
def _gather(ok, n, base, member):
    """Collect the numbers of the hits that are marked."""
    k = 0
    for i in range(n):
        member[k] = base + i
        k += ok[i]


@register_jitable
def _take_all(ok, n, found):
    """Mark all of `n` hits as found that match, and give the number of the last one."""
    for i in range(n):
        found[i] |= ok[i]
    i = n - 1
    while not ok[i]:
        i -= 1
    return i


@register_jitable
def _distinct(chosen, n, module, rooted, root):
    """Count the modules of `n` hits, and that of the root where it counts."""
    count = np.int64(rooted)
    for i in range(n):
        m = module[chosen[i]]
        new = not rooted or m != root
        for j in range(i):
            new &= module[chosen[j]] != m
        count += new
    return count


@register_jitable
def _pick(chosen, n, member):
    """Turn numbers of members into rows."""
    for i in range(n):
        chosen[i] = member[chosen[i]]


@register_jitable
def _match_point(ok, x, y, z, t, rx, ry, rz, rt, cut, folded):
    """Mark which hits match a root by 3G, or by 3D."""
    extra, n2, top, limit2, half2 = cut[1], cut[2], cut[3], cut[4], cut[5]
    if folded:
        for i in range(x.shape[0]):
            dx, dy, dz = x[i] - rx, y[i] - ry, z[i] - rz
            d2 = dx * dx + dy * dy + dz * dz
            ok[i] = match_folded(abs(t[i] - rt), d2, extra, n2, top, limit2, half2)
    else:
        for i in range(x.shape[0]):
            dx, dy, dz = x[i] - rx, y[i] - ry, z[i] - rz
            d2 = dx * dx + dy * dy + dz * dz
            ok[i] = match_unfolded(abs(t[i] - rt), d2, extra, n2, limit2)


@register_jitable
def _take_point(x, y, z, t, member, k, cx, cy, cz, ct):
    """Copy the members together."""
    for i in range(k):
        q = member[i]
        cx[i], cy[i], cz[i], ct[i] = x[q], y[q], z[q], t[q]


@register_jitable
def _point_matches(matches, k, x, y, z, t, cut, folded):
    """Write which of `k` members match each other by 3G, or by 3D."""
    for i in range(k):
        row = matches[i * k : i * k + k]
        _match_point(row, x[:k], y[:k], z[:k], t[:k], x[i], y[i], z[i], t[i], cut, folded)
        row[i] = 0


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
    start, stop, offsets, module, x, y, z, t, axes, cut, least, modules, limit, found, last, state,
):  # fmt: skip
    """Find tracks in events ``start`` to ``stop``."""
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
            rx, ry, rz, rtime = x[r], y[r], z[r], t[r]
            end = _window_end(t, r + 1, rtime + window, end, offsets[e + 1])
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
            k = _count(ok, n)
            if k + 1 < least:
                continue
            if k + 1 >= limit:
                state[r] |= FACTORY
                found[r] = 1
                last[r] = r + 1 + _take_all(ok, n, found[r + 1 : end])
                continue
            _gather(ok, n, r + 1, member)
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
            _pick(chosen, k, member)
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
                    _pick(chosen, count, matched)
                    if modules > 1 and _distinct(chosen, count, module, True, module[r]) < modules:
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
    n, n_blocks, offsets, module, x, y, z, t, axes, cut, least, modules, limit, found, last, state,
):  # fmt: skip
    """Find tracks in `n` events in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        muon_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            offsets, module, x, y, z, t, axes, cut, least, modules, limit, found, last, state,
        )  # fmt: skip
    return NONE


@block
def shower_block(
    start, stop, offsets, module, x, y, z, t, roots, cut, least, modules, limit, folded, found, last, state,
):  # fmt: skip
    """Find showers in events ``start`` to ``stop``; only the hits marked in `roots` begin one."""
    ok = np.empty(WINDOW_CAP, np.uint8)
    member = np.empty(MOST + 1, np.int64)
    matches = np.empty(MOST * MOST, np.uint8)
    chosen = np.empty(MOST, np.int64)
    degree, place = np.empty(MOST, np.int32), np.empty(MOST, np.int32)
    cx, cy, cz, ct = np.empty(MOST), np.empty(MOST), np.empty(MOST), np.empty(MOST)
    for e in range(start, stop):
        end = offsets[e]
        for r in range(offsets[e], offsets[e + 1]):
            last[r] = -1
            state[r] = NOTHING
            if not roots[r]:
                continue
            end = _window_end(t, r + 1, t[r] + cut[0], end, offsets[e + 1])
            n = end - r - 1
            if n == WINDOW_CAP:
                state[r] = CAPPED
            if n + 1 < least:
                continue
            _match_point(
                ok[:n], x[r + 1 : end], y[r + 1 : end], z[r + 1 : end], t[r + 1 : end],
                x[r], y[r], z[r], t[r], cut, folded,
            )  # fmt: skip
            k = _count(ok, n)
            if k + 1 < least:
                continue
            if k + 1 >= limit:
                state[r] |= FACTORY
                found[r] = 1
                last[r] = r + 1 + _take_all(ok, n, found[r + 1 : end])
                continue
            _gather(ok, n, r + 1, member)
            _take_point(x, y, z, t, member, k, cx, cy, cz, ct)
            _point_matches(matches, k, cx, cy, cz, ct, cut, folded)
            k = reduce_to_clique(matches, k, least - 1, chosen, degree, place)
            if k + 1 < least:
                continue
            _pick(chosen, k, member)
            if modules > 1 and _distinct(chosen, k, module, True, module[r]) < modules:
                continue
            state[r] |= FOUND
            found[r] = 1
            for i in range(k):
                found[chosen[i]] = 1
                last[r] = max(last[r], chosen[i])
    return NONE


@blocks
def shower_blocks(
    n, n_blocks, offsets, module, x, y, z, t, roots, cut, least, modules, limit, folded, found, last, state,
):  # fmt: skip
    """Find showers in `n` events in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        shower_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            offsets, module, x, y, z, t, roots, cut, least, modules, limit, folded, found, last, state,
        )  # fmt: skip
    return NONE


@block
def mixed_block(
    start, stop, root_offsets, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
    cut, least, modules, limit, folded, found, first, last, state,
):  # fmt: skip
    """Find showers of single hits around roots in events ``start`` to ``stop``."""
    ok = np.empty(WINDOW_CAP, np.uint8)
    member = np.empty(MOST + 1, np.int64)
    matches = np.empty(MOST * MOST, np.uint8)
    chosen = np.empty(MOST, np.int64)
    degree, place = np.empty(MOST, np.int32), np.empty(MOST, np.int32)
    cx, cy, cz, ct = np.empty(MOST), np.empty(MOST), np.empty(MOST), np.empty(MOST)
    for e in range(start, stop):
        low = offsets[e]
        end = low
        for r in range(root_offsets[e], root_offsets[e + 1]):
            first[r] = -1
            last[r] = -1
            state[r] = NOTHING
            while low < offsets[e + 1] and t[low] < root_t[r] - cut[0]:
                low += 1
            end = _window_end(t, low, root_t[r] + cut[0], end, offsets[e + 1])
            n = end - low
            if n == WINDOW_CAP:
                state[r] = CAPPED
            if n < least:
                continue
            _match_point(
                ok[:n], x[low:end], y[low:end], z[low:end], t[low:end],
                root_x[r], root_y[r], root_z[r], root_t[r], cut, folded,
            )  # fmt: skip
            k = _count(ok, n)
            if k < least:
                continue
            if k >= limit:
                state[r] |= FACTORY
                last[r] = low + _take_all(ok, n, found[low:end])
                i = 0
                while not ok[i]:
                    i += 1
                first[r] = low + i
                continue
            _gather(ok, n, low, member)
            _take_point(x, y, z, t, member, k, cx, cy, cz, ct)
            _point_matches(matches, k, cx, cy, cz, ct, cut, folded)
            k = reduce_to_clique(matches, k, least, chosen, degree, place)
            if k < least:
                continue
            _pick(chosen, k, member)
            if modules > 1 and _distinct(chosen, k, module, False, 0) < modules:
                continue
            state[r] |= FOUND
            first[r] = chosen[0]
            for i in range(k):
                found[chosen[i]] = 1
                first[r] = min(first[r], chosen[i])
                last[r] = max(last[r], chosen[i])
    return NONE


@blocks
def mixed_blocks(
    n, n_blocks, root_offsets, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
    cut, least, modules, limit, folded, found, first, last, state,
):  # fmt: skip
    """Find showers of single hits around roots in `n` events, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        mixed_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            root_offsets, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
            cut, least, modules, limit, folded, found, first, last, state,
        )  # fmt: skip
    return NONE
