"""Per-event reductions and sorting on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.segments import LANES, time_key

__all__ = [
    "expand_block",
    "expand_blocks",
    "maximum_block",
    "maximum_blocks",
    "minimum_block",
    "minimum_blocks",
    "order_block",
    "order_blocks",
    "total_block",
    "total_blocks",
]

_SHORT = 16


@block
def total_block(start, stop, offsets, values, out):
    """Add up the values of segments ``start`` to ``stop``."""
    lanes = np.empty(LANES, values.dtype)
    for e in range(start, stop):
        lanes[:] = 0
        low = offsets[e]
        full = low + (offsets[e + 1] - low) // LANES * LANES
        for i in range(low, full, LANES):
            for k in range(LANES):
                lanes[k] += values[i + k]
        for i in range(full, offsets[e + 1]):
            lanes[i - full] += values[i]
        step = LANES // 2
        while step > 0:
            for k in range(step):
                lanes[k] += lanes[k + step]
            step //= 2
        out[e] = lanes[0]
    return NONE


@blocks
def total_blocks(n, n_blocks, offsets, values, out):
    """Add up the values of `n` segments in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        total_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, values, out)
    return NONE


@block
def minimum_block(start, stop, offsets, values, empty, out):
    """Find the smallest value of segments ``start`` to ``stop``."""
    for e in range(start, stop):
        found = False
        best = empty
        for i in range(offsets[e], offsets[e + 1]):
            v = values[i]
            # a NaN equals nothing, not even itself
            if v == v and (not found or v < best):
                best = v
                found = True
        out[e] = best
    return NONE


@blocks
def minimum_blocks(n, n_blocks, offsets, values, empty, out):
    """Find the smallest value of `n` segments in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        minimum_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, values, empty, out)
    return NONE


@block
def maximum_block(start, stop, offsets, values, empty, out):
    """Find the largest value of segments ``start`` to ``stop``."""
    for e in range(start, stop):
        found = False
        best = empty
        for i in range(offsets[e], offsets[e + 1]):
            v = values[i]
            if v == v and (not found or v > best):
                best = v
                found = True
        out[e] = best
    return NONE


@blocks
def maximum_blocks(n, n_blocks, offsets, values, empty, out):
    """Find the largest value of `n` segments in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        maximum_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, values, empty, out)
    return NONE


@block
def expand_block(start, stop, offsets, segment):
    """Write the number of its segment to rows ``start`` to ``stop``."""
    e = np.searchsorted(offsets, start, side="right") - 1
    i = start
    while i < stop:
        end = min(offsets[e + 1], stop)
        for j in range(i, end):
            segment[j] = e
        i = max(i, end)
        e += 1
    return NONE


@blocks
def expand_blocks(n, n_blocks, offsets, segment):
    """Write the number of its segment to each of `n` rows, in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        expand_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, segment)
    return NONE


@register_jitable
def _merge_sort(keys, values, start, stop, spare_keys, spare_values):
    """Sort ``values[start:stop]`` by `keys` with them, stably; quick where little is to do."""
    for low in range(start, stop, _SHORT):
        for i in range(low + 1, min(low + _SHORT, stop)):
            key, value = keys[i], values[i]
            j = i
            while j > low and keys[j - 1] > key:
                keys[j], values[j] = keys[j - 1], values[j - 1]
                j -= 1
            keys[j], values[j] = key, value
    width = _SHORT
    while width < stop - start:
        for low in range(start, stop - width, 2 * width):
            middle, high = low + width, min(low + 2 * width, stop)
            if keys[middle - 1] <= keys[middle]:
                continue
            for i in range(low, middle):
                spare_keys[i - low], spare_values[i - low] = keys[i], values[i]
            i, j, k = 0, middle, low
            while i < width and j < high:
                if spare_keys[i] <= keys[j]:
                    keys[k], values[k] = spare_keys[i], spare_values[i]
                    i += 1
                else:
                    keys[k], values[k] = keys[j], values[j]
                    j += 1
                k += 1
            while i < width:
                keys[k], values[k] = spare_keys[i], spare_values[i]
                i += 1
                k += 1
        width *= 2


@block
def order_block(start, stop, offsets, dom_id, bits, order):
    """Sort the rows of segments ``start`` to ``stop`` by (module, time, row).

    Hits come in runs of one module, in files nearly sorted in time.  The runs are
    sorted by module, then each module's hits by time: far fewer comparisons than
    sorting hits.
    """
    longest = 0
    for e in range(start, stop):
        longest = max(longest, offsets[e + 1] - offsets[e])
    run_dom = np.empty(longest, np.int64)
    run_row = np.empty(longest, np.int64)
    spare_keys = np.empty(longest, np.int64)
    spare_values = np.empty(longest, np.int64)
    key = np.empty(longest, np.int64)
    row = np.empty(longest, np.int64)
    for e in range(start, stop):
        low, high = offsets[e], offsets[e + 1]
        runs = 0
        for i in range(low, high):
            if i == low or dom_id[i] != dom_id[i - 1]:
                run_dom[runs] = dom_id[i]
                run_row[runs] = i
                runs += 1
        _merge_sort(run_dom, run_row, 0, runs, spare_keys, spare_values)
        at = 0
        module_start = 0
        for r in range(runs):
            i = run_row[r]
            dom = dom_id[i]
            if r > 0 and run_dom[r] != run_dom[r - 1]:
                _merge_sort(key, row, module_start, at, spare_keys, spare_values)
                module_start = at
            while i < high and dom_id[i] == dom:
                key[at] = time_key(bits[i])
                row[at] = i
                at += 1
                i += 1
        _merge_sort(key, row, module_start, at, spare_keys, spare_values)
        for i in range(at):
            order[low + i] = row[i]
    return NONE


@blocks
def order_blocks(n, n_blocks, offsets, dom_id, bits, order):
    """Sort the rows of `n` segments in parallel blocks."""
    for b in prange(n_blocks):
        k = np.int64(b)
        order_block(k * n // n_blocks, (k + 1) * n // n_blocks, offsets, dom_id, bits, order)
    return NONE
