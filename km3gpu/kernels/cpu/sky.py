"""Directions between detector and sky on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numba.extending import register_jitable

from km3gpu.kernels.launch import NONE, block, blocks
from km3gpu.kernels.scalar.angles import direction_of, longitude_latitude, rotate
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.precision import cast
from km3gpu.kernels.scalar.sky import NOT_UNIT, from_body, is_direction, to_local, to_sky

__all__ = [
    "angles_to_local_block",
    "angles_to_local_blocks",
    "angles_to_vectors_block",
    "angles_to_vectors_blocks",
    "body_to_local_block",
    "body_to_local_blocks",
    "local_to_angles_block",
    "local_to_angles_blocks",
    "local_to_vectors_block",
    "local_to_vectors_blocks",
    "vectors_to_angles_block",
    "vectors_to_angles_blocks",
    "vectors_to_local_block",
    "vectors_to_local_blocks",
]


# An array handed to a function once per event costs its reference count; tuples do not.
@register_jitable
def nine(m: Any) -> Any:
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]


@register_jitable
def eleven(m: Any) -> Any:
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10]


@register_jitable
def _fourteen(m: Any) -> Any:
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10], m[11], m[12], m[13]


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
    for i in range(start, stop):
        code, x, y, z = to_sky(time_ns[i], dx[i], dy[i], dz[i], table, start_ns, place, axes, bending)
        if code != 0:
            worst = min(worst, fault(i, code))
        out_x[i] = x
        out_y[i] = y
        out_z[i] = z
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
    for i in range(start, stop):
        code, x, y, z = to_sky(time_ns[i], dx[i], dy[i], dz[i], table, start_ns, place, axes, bending)
        if code != 0:
            worst = min(worst, fault(i, code))
        out_longitude[i], out_latitude[i] = longitude_latitude(x, y, z)
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
    for i in range(start, stop):
        code, dx, dy, dz = to_local(time_ns[i], x[i], y[i], z[i], table, start_ns, place, axes, bending)
        if code != 0:
            worst = min(worst, fault(i, code))
        out_x[i] = dx
        out_y[i] = dy
        out_z[i] = dz
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
    for i in range(start, stop):
        a, b, c = direction_of(longitude[i], latitude[i])
        x, y, z = cast(a, out_x[i]), cast(b, out_x[i]), cast(c, out_x[i])
        code, dx, dy, dz = to_local(time_ns[i], x, y, z, table, start_ns, place, axes, bending)
        if code != 0:
            worst = min(worst, fault(i, code))
        out_x[i] = dx
        out_y[i] = dy
        out_z[i] = dz
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
    body: Any, table: Any, start_ns: int, site: Any,
    out_x: Any, out_y: Any, out_z: Any, out_distance: Any,
) -> int:  # fmt: skip
    """Give travel directions ``start`` to ``stop`` of particles from the Sun or the Moon."""
    worst = NONE
    place = _fourteen(site)
    for i in range(start, stop):
        code, dx, dy, dz, distance = from_body(time_ns[i], body, table, start_ns, place)
        if code != 0:
            worst = min(worst, fault(i, code))
        out_x[i] = dx
        out_y[i] = dy
        out_z[i] = dz
        out_distance[i] = distance
    return worst


@blocks
def body_to_local_blocks(
    n: int, n_blocks: int,
    time_ns: Any,
    body: Any, table: Any, start_ns: int, site: Any,
    out_x: Any, out_y: Any, out_z: Any, out_distance: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = body_to_local_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            time_ns, body, table, start_ns, site,
            out_x, out_y, out_z, out_distance,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def vectors_to_angles_block(
    start: int, stop: int,
    x: Any, y: Any, z: Any,
    matrix: Any,
    out_longitude: Any, out_latitude: Any,
) -> int:  # fmt: skip
    """Turn unit vectors ``start`` to ``stop`` by a matrix and give their angles."""
    worst = NONE
    turn = nine(matrix)
    for i in range(start, stop):
        if not is_direction(x[i], y[i], z[i]):
            worst = min(worst, fault(i, NOT_UNIT))
        a, b, c = rotate(turn, x[i], y[i], z[i])
        out_longitude[i], out_latitude[i] = longitude_latitude(a, b, c)
    return worst


@blocks
def vectors_to_angles_blocks(
    n: int, n_blocks: int,
    x: Any, y: Any, z: Any,
    matrix: Any,
    out_longitude: Any, out_latitude: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = vectors_to_angles_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            x, y, z, matrix,
            out_longitude, out_latitude,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]


@block
def angles_to_vectors_block(
    start: int, stop: int,
    longitude: Any, latitude: Any,
    matrix: Any,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Give unit vectors of angles ``start`` to ``stop``, turned by a matrix."""
    worst = NONE
    turn = nine(matrix)
    for i in range(start, stop):
        a, b, c = direction_of(longitude[i], latitude[i])
        if not is_direction(a, b, c):
            worst = min(worst, fault(i, NOT_UNIT))
        a, b, c = rotate(turn, a, b, c)
        out_x[i] = a
        out_y[i] = b
        out_z[i] = c
    return worst


@blocks
def angles_to_vectors_blocks(
    n: int, n_blocks: int,
    longitude: Any, latitude: Any,
    matrix: Any,
    out_x: Any, out_y: Any, out_z: Any,
) -> int:  # fmt: skip
    """Do the same for `n` of them, in parallel blocks."""
    worst = np.full(n_blocks, NONE, np.int64)
    for b in prange(n_blocks):
        k = np.int64(b)
        worst[k] = angles_to_vectors_block(
            k * n // n_blocks, (k + 1) * n // n_blocks,
            longitude, latitude, matrix,
            out_x, out_y, out_z,
        )  # fmt: skip
    return worst.min()  # type: ignore[no-any-return]
