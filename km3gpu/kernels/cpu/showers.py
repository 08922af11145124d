"""Trigger finders for points of light on the CPU: one event at a time, hits in order of time."""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.cpu.candidates import count_marked, distinct, gather, pick, take_all, window_end
from km3gpu.kernels.cpu.clique import reduce_to_clique
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.match import match_folded, match_unfolded
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, NOTHING, WINDOW_CAP

__all__ = ["mixed_block", "mixed_blocks", "shower_block", "shower_blocks"]


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
            end = window_end(t, r + 1, t[r] + cut[0], end, offsets[e + 1])
            n = end - r - 1
            if n == WINDOW_CAP:
                state[r] = CAPPED
            if n + 1 < least:
                continue
            _match_point(
                ok[:n], x[r + 1 : end], y[r + 1 : end], z[r + 1 : end], t[r + 1 : end],
                x[r], y[r], z[r], t[r], cut, folded,
            )  # fmt: skip
            k = count_marked(ok, n)
            if k + 1 < least:
                continue
            if k + 1 >= limit:
                state[r] |= FACTORY
                found[r] = 1
                last[r] = r + 1 + take_all(ok, n, found[r + 1 : end])
                continue
            gather(ok, n, r + 1, member)
            _take_point(x, y, z, t, member, k, cx, cy, cz, ct)
            _point_matches(matches, k, cx, cy, cz, ct, cut, folded)
            k = reduce_to_clique(matches, k, least - 1, chosen, degree, place)
            if k + 1 < least:
                continue
            pick(chosen, k, member)
            if modules > 1 and distinct(chosen, k, module, True, module[r]) < modules:
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
    start, stop, root_offsets, root_module, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
    cut, least, modules, limit, folded, found, first, last, state,
):  # fmt: skip
    """Find showers of single hits around roots in events ``start`` to ``stop``, on other modules."""
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
            end = window_end(t, low, root_t[r] + cut[0], end, offsets[e + 1])
            n = end - low
            if n == WINDOW_CAP:
                state[r] = CAPPED
            if n + 1 < least:
                continue
            _match_point(
                ok[:n], x[low:end], y[low:end], z[low:end], t[low:end],
                root_x[r], root_y[r], root_z[r], root_t[r], cut, folded,
            )  # fmt: skip
            for i in range(n):
                ok[i] &= module[low + i] != root_module[r]
            k = count_marked(ok, n)
            if k == 0 or k + 1 < least:
                continue
            if k + 1 >= limit:
                state[r] |= FACTORY
                last[r] = low + take_all(ok, n, found[low:end])
                i = 0
                while not ok[i]:
                    i += 1
                first[r] = low + i
                continue
            gather(ok, n, low, member)
            _take_point(x, y, z, t, member, k, cx, cy, cz, ct)
            _point_matches(matches, k, cx, cy, cz, ct, cut, folded)
            k = reduce_to_clique(matches, k, least - 1, chosen, degree, place)
            if k + 1 < least:
                continue
            pick(chosen, k, member)
            if modules > 1 and distinct(chosen, k, module, True, root_module[r]) < modules:
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
    n, n_blocks, root_offsets, root_module, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
    cut, least, modules, limit, folded, found, first, last, state,
):  # fmt: skip
    """Find showers of single hits around roots in `n` events, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        mixed_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            root_offsets, root_module, root_x, root_y, root_z, root_t, offsets, module, x, y, z, t,
            cut, least, modules, limit, folded, found, first, last, state,
        )  # fmt: skip
    return NONE
