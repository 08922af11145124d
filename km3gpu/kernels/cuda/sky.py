"""Directions between detector and sky on a GPU: one thread, one event."""

from __future__ import annotations

from typing import Any

from numba import cuda

from km3gpu.kernels.scalar.angles import direction_of, longitude_latitude, rotate
from km3gpu.kernels.scalar.earth import day_of
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.precision import cast
from km3gpu.kernels.scalar.sky import NOT_UNIT, from_body, is_direction, reason, to_local, to_sky

__all__ = [
    "angles_to_local",
    "angles_to_vectors",
    "body_to_local",
    "local_to_angles",
    "local_to_vectors",
    "vectors_to_angles",
    "vectors_to_local",
]


@cuda.jit
def local_to_vectors(
    n: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Turn travel directions 0 to `n` into unit vectors of where they come from."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        row, f = day_of(time_ns[i], start_ns, table.shape[0])
        good, x, y, z = to_sky(f, dx[i], dy[i], dz[i], table[row], site, frame, bending)
        if not good:
            cuda.atomic.min(slot, 0, fault(i, reason(f)))
        out_x[i] = x
        out_y[i] = y
        out_z[i] = z


@cuda.jit
def local_to_angles(
    n: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_longitude: Any, out_latitude: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Turn travel directions 0 to `n` into where on the sky they come from."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        row, f = day_of(time_ns[i], start_ns, table.shape[0])
        good, x, y, z = to_sky(f, dx[i], dy[i], dz[i], table[row], site, frame, bending)
        if not good:
            cuda.atomic.min(slot, 0, fault(i, reason(f)))
        out_longitude[i], out_latitude[i] = longitude_latitude(x, y, z)


@cuda.jit
def vectors_to_local(
    n: int,
    time_ns: Any, x: Any, y: Any, z: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Turn unit vectors 0 to `n` on the sky into travel directions."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        row, f = day_of(time_ns[i], start_ns, table.shape[0])
        good, dx, dy, dz = to_local(f, x[i], y[i], z[i], table[row], site, frame, bending)
        if not good:
            cuda.atomic.min(slot, 0, fault(i, reason(f)))
        out_x[i] = dx
        out_y[i] = dy
        out_z[i] = dz


@cuda.jit
def angles_to_local(
    n: int,
    time_ns: Any, longitude: Any, latitude: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Turn places 0 to `n` on the sky into travel directions."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        a, b, c = direction_of(longitude[i], latitude[i])
        x, y, z = cast(a, site[0]), cast(b, site[0]), cast(c, site[0])
        row, f = day_of(time_ns[i], start_ns, table.shape[0])
        good, dx, dy, dz = to_local(f, x, y, z, table[row], site, frame, bending)
        if not good:
            cuda.atomic.min(slot, 0, fault(i, reason(f)))
        out_x[i] = dx
        out_y[i] = dy
        out_z[i] = dz


@cuda.jit
def body_to_local(
    n: int,
    time_ns: Any,
    body: Any, table: Any, start_ns: int, site: Any, bending: int,
    out_x: Any, out_y: Any, out_z: Any, out_distance: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Give travel directions 0 to `n` of particles from the Sun or the Moon."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        row, f = day_of(time_ns[i], start_ns, table.shape[0])
        good, dx, dy, dz, distance = from_body(f, body[row], table[row], site, bending)
        if not good:
            cuda.atomic.min(slot, 0, fault(i, reason(f)))
        out_x[i] = dx
        out_y[i] = dy
        out_z[i] = dz
        out_distance[i] = distance


@cuda.jit
def vectors_to_angles(
    n: int,
    x: Any, y: Any, z: Any,
    matrix: Any,
    out_longitude: Any, out_latitude: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Turn unit vectors 0 to `n` by a matrix and give their angles."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        if not is_direction(x[i], y[i], z[i]):
            cuda.atomic.min(slot, 0, fault(i, NOT_UNIT))
        a, b, c = rotate(matrix, x[i], y[i], z[i])
        out_longitude[i], out_latitude[i] = longitude_latitude(a, b, c)


@cuda.jit
def angles_to_vectors(
    n: int,
    longitude: Any, latitude: Any,
    matrix: Any,
    out_x: Any, out_y: Any, out_z: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Give unit vectors of angles 0 to `n`, turned by a matrix."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        a, b, c = direction_of(longitude[i], latitude[i])
        if not is_direction(a, b, c):
            cuda.atomic.min(slot, 0, fault(i, NOT_UNIT))
        a, b, c = rotate(matrix, a, b, c)
        out_x[i] = a
        out_y[i] = b
        out_z[i] = c
