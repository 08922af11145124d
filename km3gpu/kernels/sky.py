"""Directions between a detector on the rotating Earth and the sky, in bulk."""

from __future__ import annotations

from typing import Any

from km3gpu import backend as _backend
from km3gpu.kernels import launch
from km3gpu.kernels.cpu import sky as cpu
from km3gpu.kernels.scalar.sky import NO_DAY, NOT_UNIT

__all__ = ["KERNELS", "NOT_UNIT", "NO_DAY", "local_to_sky", "sky_to_local"]

_CONTEXT = ("f8[:,:]", "i8", "f8[]", "f8[]", "i8")
_THREE = ("f8[]", "f8[]", "f8[]")

_LOCAL_TO_VECTORS = launch.Kernel(
    name="sky.local_to_vectors",
    block=cpu.local_to_vectors_block,
    blocks=cpu.local_to_vectors_blocks,
    signatures=(("i8[]", *_THREE, *_CONTEXT, *_THREE),),
    bytes_per_item=56,
    item="event",
    registers=80,
)
_LOCAL_TO_ANGLES = launch.Kernel(
    name="sky.local_to_angles",
    block=cpu.local_to_angles_block,
    blocks=cpu.local_to_angles_blocks,
    signatures=(("i8[]", *_THREE, *_CONTEXT, "f8[]", "f8[]"),),
    bytes_per_item=48,
    item="event",
    registers=80,
)
_VECTORS_TO_LOCAL = launch.Kernel(
    name="sky.vectors_to_local",
    block=cpu.vectors_to_local_block,
    blocks=cpu.vectors_to_local_blocks,
    signatures=(("i8[]", *_THREE, *_CONTEXT, *_THREE),),
    bytes_per_item=56,
    item="event",
    registers=80,
)
_ANGLES_TO_LOCAL = launch.Kernel(
    name="sky.angles_to_local",
    block=cpu.angles_to_local_block,
    blocks=cpu.angles_to_local_blocks,
    signatures=(("i8[]", "f8[]", "f8[]", *_CONTEXT, *_THREE),),
    bytes_per_item=48,
    item="event",
    registers=80,
)
KERNELS = (_LOCAL_TO_VECTORS, _LOCAL_TO_ANGLES, _VECTORS_TO_LOCAL, _ANGLES_TO_LOCAL)


def local_to_sky(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    table: Any,
    start_ns: int,
    site: Any,
    frame: Any,
    bending: bool = True,
    vectors: bool = False,
) -> tuple[tuple[Any, ...], int]:
    """Turn travel directions in a detector into where on the sky they come from.

    Parameters
    ----------
    time_ns : (n,) int64 array
        UTC ns since 1970.
    dx, dy, dz : (n,) float64 arrays
        Unit vectors along which the particles travel, in the detector's axes.
    table : (n_days, 44) float64 array
        See `km3gpu.kernels.scalar.sky`.
    start_ns : int
        Midnight that row 0 of `table` begins at.
    site : (11,) float64 array
        Matrix from the detector's axes to ITRS and velocity of the ground / c.
    frame : (9,) float64 array
        Rotation from ICRS to the axes wanted, row by row.
    bending : bool
        Take out the light bending by the Sun.
    vectors : bool
        Give unit vectors, not angles.

    Returns
    -------
    columns : tuple of (n,) float64 arrays
        x, y, z; or longitude in [0, 2 pi) and latitude [rad].  NaN in rows with a
        fault.
    fault : int
        The first row that could not be done and why (see
        `km3gpu.kernels.scalar.fault`), or `launch.NONE`.
    """
    kernel = _LOCAL_TO_VECTORS if vectors else _LOCAL_TO_ANGLES
    inputs = (time_ns, dx, dy, dz)
    return _run(kernel, inputs, (table, start_ns, site, frame, int(bending)), 3 if vectors else 2)


def sky_to_local(
    time_ns: Any,
    where: tuple[Any, ...],
    table: Any,
    start_ns: int,
    site: Any,
    frame: Any,
    bending: bool = True,
) -> tuple[tuple[Any, ...], int]:
    """Turn places on the sky into directions in which their neutrinos travel in a detector.

    Parameters
    ----------
    time_ns : (n,) int64 array
        UTC ns since 1970.
    where : tuple of (n,) float64 arrays
        Longitude and latitude [rad], or x, y and z of unit vectors, in the axes of
        `frame`.
    table, start_ns, site, frame, bending
        As for `local_to_sky`.

    Returns
    -------
    columns : tuple of three (n,) float64 arrays
    fault : int
    """
    kernel = _ANGLES_TO_LOCAL if len(where) == 2 else _VECTORS_TO_LOCAL
    return _run(kernel, (time_ns, *where), (table, start_ns, site, frame, int(bending)), 3)


def _run(
    kernel: launch.Kernel, inputs: tuple[Any, ...], context: tuple[Any, ...], n_out: int
) -> tuple[tuple[Any, ...], int]:
    where = launch.where_of(*inputs)
    n = len(inputs[0])
    xp = _backend.namespace(inputs[0])
    columns = tuple(xp.empty(n) for _ in range(n_out))
    return columns, launch.run(kernel, where, n, *inputs, *context, *columns)
