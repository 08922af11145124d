"""Directions between detector and sky on the CPU, the events of a day at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from km3gpu.kernels.cpu.days import body_row, day_row, eleven, first_fault, fourteen, nine, one_day
from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.angles import direction_of, longitude_latitude
from km3gpu.kernels.scalar.precision import cast
from km3gpu.kernels.scalar.sky import from_body, to_local, to_sky

__all__ = [
    "angles_to_local_block",
    "angles_to_local_blocks",
    "body_to_local_block",
    "body_to_local_blocks",
    "local_to_angles_block",
    "local_to_angles_blocks",
    "local_to_vectors_block",
    "local_to_vectors_blocks",
    "vectors_to_local_block",
    "vectors_to_local_blocks",
]


@block
def local_to_vectors_block(
    start: int, stop: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Turn travel directions ``start`` to ``stop`` into unit vectors of where they come from."""
    worst = NONE
    place, axes = eleven(site), nine(frame)
    low = start
    while low < stop:
        row, midnight, per_ns, n = one_day(time_ns, low, stop, start_ns, len(table))
        day = day_row(table, row)
        first, bad = np.uint64(low), 0
        for k in range(n):
            i = first + np.uint64(k)
            f = (time_ns[i] - midnight) * per_ns
            good, x, y, z = to_sky(f, dx[i], dy[i], dz[i], day, place, axes, bending)
            out_x[i], out_y[i], out_z[i] = x, y, z
            bad += 0 if good else 1
        if bad:
            worst = min(worst, first_fault(out_x, low, n, per_ns))
        low += n
    return worst


@blocks
def local_to_vectors_blocks(
    n: int, n_blocks: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = local_to_vectors_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            time_ns, dx, dy, dz, table, start_ns, site, frame, bending,
            out_x, out_y, out_z,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def local_to_angles_block(
    start: int, stop: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_longitude: Any, out_latitude: Any,
) -> int:  # fmt: skip
    """Turn travel directions ``start`` to ``stop`` into where on the sky they come from."""
    worst = NONE
    place, axes = eleven(site), nine(frame)
    low = start
    while low < stop:
        row, midnight, per_ns, n = one_day(time_ns, low, stop, start_ns, len(table))
        day = day_row(table, row)
        first, bad = np.uint64(low), 0
        for k in range(n):
            i = first + np.uint64(k)
            f = (time_ns[i] - midnight) * per_ns
            good, x, y, z = to_sky(f, dx[i], dy[i], dz[i], day, place, axes, bending)
            out_longitude[i], out_latitude[i] = longitude_latitude(x, y, z)
            bad += 0 if good else 1
        if bad:
            worst = min(worst, first_fault(out_longitude, low, n, per_ns))
        low += n
    return worst


@blocks
def local_to_angles_blocks(
    n: int, n_blocks: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_longitude: Any, out_latitude: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = local_to_angles_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            time_ns, dx, dy, dz, table, start_ns, site, frame, bending,
            out_longitude, out_latitude,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def vectors_to_local_block(
    start: int, stop: int,
    time_ns: Any, x: Any, y: Any, z: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Turn unit vectors ``start`` to ``stop`` on the sky into travel directions."""
    worst = NONE
    place, axes = eleven(site), nine(frame)
    low = start
    while low < stop:
        row, midnight, per_ns, n = one_day(time_ns, low, stop, start_ns, len(table))
        day = day_row(table, row)
        first, bad = np.uint64(low), 0
        for k in range(n):
            i = first + np.uint64(k)
            f = (time_ns[i] - midnight) * per_ns
            good, dx, dy, dz = to_local(f, x[i], y[i], z[i], day, place, axes, bending)
            out_x[i], out_y[i], out_z[i] = dx, dy, dz
            bad += 0 if good else 1
        if bad:
            worst = min(worst, first_fault(out_x, low, n, per_ns))
        low += n
    return worst


@blocks
def vectors_to_local_blocks(
    n: int, n_blocks: int,
    time_ns: Any, x: Any, y: Any, z: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = vectors_to_local_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            time_ns, x, y, z, table, start_ns, site, frame, bending,
            out_x, out_y, out_z,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def angles_to_local_block(
    start: int, stop: int,
    time_ns: Any, longitude: Any, latitude: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Turn places ``start`` to ``stop`` on the sky into travel directions."""
    worst = NONE
    place, axes = eleven(site), nine(frame)
    low = start
    while low < stop:
        row, midnight, per_ns, n = one_day(time_ns, low, stop, start_ns, len(table))
        day = day_row(table, row)
        first, bad = np.uint64(low), 0
        for k in range(n):
            i = first + np.uint64(k)
            f = (time_ns[i] - midnight) * per_ns
            a, b, c = direction_of(longitude[i], latitude[i])
            x, y, z = cast(a, place[0]), cast(b, place[0]), cast(c, place[0])
            good, dx, dy, dz = to_local(f, x, y, z, day, place, axes, bending)
            out_x[i], out_y[i], out_z[i] = dx, dy, dz
            bad += 0 if good else 1
        if bad:
            worst = min(worst, first_fault(out_x, low, n, per_ns))
        low += n
    return worst


@blocks
def angles_to_local_blocks(
    n: int, n_blocks: int,
    time_ns: Any, longitude: Any, latitude: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = angles_to_local_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            time_ns, longitude, latitude, table, start_ns, site, frame, bending,
            out_x, out_y, out_z,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def body_to_local_block(
    start: int, stop: int,
    time_ns: Any,
    body: Any, table: Any, start_ns: int, site: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any, out_distance: Any,
) -> int:  # fmt: skip
    """Give travel directions ``start`` to ``stop`` of particles from the Sun or the Moon."""
    worst = NONE
    place = fourteen(site)
    low = start
    while low < stop:
        row, midnight, per_ns, n = one_day(time_ns, low, stop, start_ns, len(table))
        day, orbit = day_row(table, row), body_row(body, row)
        first, bad = np.uint64(low), 0
        for k in range(n):
            i = first + np.uint64(k)
            f = (time_ns[i] - midnight) * per_ns
            good, dx, dy, dz, distance = from_body(f, orbit, day, place, bending)
            out_x[i], out_y[i], out_z[i], out_distance[i] = dx, dy, dz, distance
            bad += 0 if good else 1
        if bad:
            worst = min(worst, first_fault(out_x, low, n, per_ns))
        low += n
    return worst


@blocks
def body_to_local_blocks(
    n: int, n_blocks: int,
    time_ns: Any,
    body: Any, table: Any, start_ns: int, site: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any, out_distance: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = body_to_local_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            time_ns, body, table, start_ns, site, bending,
            out_x, out_y, out_z, out_distance,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]
