"""Directions between a detector on the rotating Earth and the sky, in bulk.

Vectors are float64, or float32 throughout where the given ones are ("mixed": time
and the Earth's rotation are float64 all the same); angles are float64 always.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels.arrays import same_length
from km3gpu.kernels.cpu import sky as _cpu
from km3gpu.kernels.cpu import turning as _turning
from km3gpu.kernels.launch import Kernel, run, where_of
from km3gpu.kernels.scalar.sky import NO_DAY, NOT_UNIT

__all__ = [
    "KERNELS",
    "NOT_UNIT",
    "NO_DAY",
    "angles_to_vectors",
    "body_to_local",
    "local_to_sky",
    "sky_to_local",
    "vectors_to_angles",
]

_F4, _F8 = np.dtype(np.float32), np.dtype(np.float64)


def _table(t: str) -> tuple[str, ...]:
    return "f8[:,:]", "i8", f"{t}[]", f"{t}[]", "i8"


_LOCAL_TO_VECTORS = Kernel(
    "sky.local_to_vectors", _cpu.local_to_vectors_block, _cpu.local_to_vectors_blocks,
    tuple(("i8[]", *[f"{t}[]"] * 3, *_table(t), *[f"{t}[]"] * 3) for t in ("f8", "f4")),
    bytes_per_item=56, item="event", registers=80,
)  # fmt: skip
_LOCAL_TO_ANGLES = Kernel(
    "sky.local_to_angles", _cpu.local_to_angles_block, _cpu.local_to_angles_blocks,
    tuple(("i8[]", *[f"{t}[]"] * 3, *_table(t), "f8[]", "f8[]") for t in ("f8", "f4")),
    bytes_per_item=48, item="event", registers=80,
)  # fmt: skip
_VECTORS_TO_LOCAL = Kernel(
    "sky.vectors_to_local", _cpu.vectors_to_local_block, _cpu.vectors_to_local_blocks,
    tuple(("i8[]", *[f"{t}[]"] * 3, *_table(t), *[f"{t}[]"] * 3) for t in ("f8", "f4")),
    bytes_per_item=56, item="event", registers=80,
)  # fmt: skip
_ANGLES_TO_LOCAL = Kernel(
    "sky.angles_to_local", _cpu.angles_to_local_block, _cpu.angles_to_local_blocks,
    tuple(("i8[]", "f8[]", "f8[]", *_table(t), *[f"{t}[]"] * 3) for t in ("f8", "f4")),
    bytes_per_item=48, item="event", registers=80,
)  # fmt: skip
_BODY_TO_LOCAL = Kernel(
    "sky.body_to_local", _cpu.body_to_local_block, _cpu.body_to_local_blocks,
    (("i8[]", "f8[:,:]", "f8[:,:]", "i8", "f8[]", "i8", *["f8[]"] * 4),),
    bytes_per_item=40, item="event", registers=96,
)  # fmt: skip
_VECTORS_TO_ANGLES = Kernel(
    "sky.vectors_to_angles", _turning.vectors_to_angles_block, _turning.vectors_to_angles_blocks,
    (("f8[]",) * 6,),
    bytes_per_item=40, item="event", registers=48,
)  # fmt: skip
_ANGLES_TO_VECTORS = Kernel(
    "sky.angles_to_vectors", _turning.angles_to_vectors_block, _turning.angles_to_vectors_blocks,
    (("f8[]",) * 6,),
    bytes_per_item=40, item="event", registers=56,
)  # fmt: skip

KERNELS = (
    _LOCAL_TO_VECTORS,
    _LOCAL_TO_ANGLES,
    _VECTORS_TO_LOCAL,
    _ANGLES_TO_LOCAL,
    _BODY_TO_LOCAL,
    _VECTORS_TO_ANGLES,
    _ANGLES_TO_VECTORS,
)


def local_to_sky(
    time_ns: Any,
    direction: tuple[Any, Any, Any],
    table: Any,
    start_ns: int,
    site: Any,
    frame: Any,
    *,
    bending: bool = True,
    vectors: bool = False,
) -> tuple[tuple[Any, ...], int]:
    """Turn travel directions in a detector into where on the sky they come from.

    Parameters
    ----------
    time_ns : (n,) int64 array
        UTC ns since 1970.
    direction : tuple of three (n,) arrays
        x, y, z of unit vectors along which the particles travel, in the detector's axes;
        all float64 or all float32.
    table : (n_days, 44) float64 array
        See `km3gpu.kernels.scalar.earth`.
    start_ns : int
        Midnight that row 0 of `table` begins at.
    site : (11,) or longer float64 array
        Matrix from the detector's axes to ITRS and velocity of the ground / c.
    frame : (9,) float64 array
        Rotation from ICRS to the axes wanted, row by row.
    bending : bool
        Take out the light bending by the Sun.
    vectors : bool
        Give unit vectors, not angles.

    Returns
    -------
    columns : tuple of (n,) arrays
        x, y, z in the type of `direction`; or longitude in [0, 2 pi) and latitude [rad],
        float64.  NaN in rows with a fault.
    fault : int
        The first row that could not be done and why (see
        `km3gpu.kernels.scalar.fault`), or `launch.NONE`.
    """
    n = same_length(time_ns=time_ns, x=direction[0], y=direction[1], z=direction[2])
    t = direction[0].dtype
    kernel, columns = (
        (_LOCAL_TO_VECTORS, _empty(time_ns, n, t, 3))
        if vectors
        else (_LOCAL_TO_ANGLES, _empty(time_ns, n, _F8, 2))
    )
    site, frame = site.astype(t, copy=False), frame.astype(t, copy=False)
    where = where_of(time_ns, *direction, table, site, frame)
    return columns, run(
        kernel, where, n, time_ns, *direction, table, start_ns, site, frame, int(bending), *columns
    )


def sky_to_local(
    time_ns: Any,
    position: tuple[Any, ...],
    table: Any,
    start_ns: int,
    site: Any,
    frame: Any,
    *,
    bending: bool = True,
    dtype: Any = _F8,
) -> tuple[tuple[Any, Any, Any], int]:
    """Turn places on the sky into directions in which their particles travel in a detector.

    Parameters
    ----------
    time_ns : (n,) int64 array
        UTC ns since 1970.
    position : tuple of (n,) arrays
        Longitude and latitude [rad], float64; or x, y and z of unit vectors of type
        `dtype`; in the axes of `frame`.
    table, start_ns, site, frame, bending
        As for `local_to_sky`.
    dtype : dtype
        Of the result, float64 or float32.

    Returns
    -------
    columns : tuple of three (n,) arrays
    fault : int
    """
    n = same_length(time_ns=time_ns, **{f"position {i}": p for i, p in enumerate(position)})
    kernel = _ANGLES_TO_LOCAL if len(position) == 2 else _VECTORS_TO_LOCAL
    x, y, z = columns = _empty(time_ns, n, dtype, 3)
    site, frame = site.astype(dtype, copy=False), frame.astype(dtype, copy=False)
    where = where_of(time_ns, *position, table, site, frame)
    fault = run(kernel, where, n, time_ns, *position, table, start_ns, site, frame, int(bending), *columns)
    return (x, y, z), fault


def body_to_local(
    time_ns: Any, body: Any, table: Any, start_ns: int, site: Any, *, bending: bool = False
) -> tuple[tuple[Any, Any, Any, Any], int]:
    """Give directions in which particles from the Sun or the Moon travel in a detector.

    Parameters
    ----------
    time_ns : (n,) int64 array
        UTC ns since 1970.
    body : (n_days, 36) float64 array
        Position from the Earth and from the Sun; the same days as `table`.
    table, start_ns
        As for `local_to_sky`.
    site : (14,) float64 array
        As for `local_to_sky`, and the site's ITRS x, y, z in light-days.
    bending : bool
        Bend the body's light around the Sun.

    Returns
    -------
    columns : tuple of four (n,) float64 arrays
        x, y, z of the direction, and the distance from the site [light-days].
    fault : int
    """
    n = len(time_ns)
    x, y, z, distance = columns = _empty(time_ns, n, _F8, 4)
    where = where_of(time_ns, body, table, site)
    fault = run(_BODY_TO_LOCAL, where, n, time_ns, body, table, start_ns, site, int(bending), *columns)
    return (x, y, z, distance), fault


def vectors_to_angles(x: Any, y: Any, z: Any, matrix: Any) -> tuple[tuple[Any, Any], int]:
    """Turn unit vectors by a matrix and give their angles.

    Parameters
    ----------
    x, y, z : (n,) float64 arrays
    matrix : (9,) float64 array
        Row by row.

    Returns
    -------
    columns : tuple of two (n,) float64 arrays
        Longitude in [0, 2 pi) and latitude [rad].
    fault : int
    """
    n = same_length(x=x, y=y, z=z)
    longitude, latitude = _empty(x, n, _F8, 2)
    where = where_of(x, y, z, matrix)
    return (longitude, latitude), run(_VECTORS_TO_ANGLES, where, n, x, y, z, matrix, longitude, latitude)


def angles_to_vectors(longitude: Any, latitude: Any, matrix: Any) -> tuple[tuple[Any, Any, Any], int]:
    """Give unit vectors of angles [rad], turned by a matrix; see `vectors_to_angles`."""
    n = same_length(longitude=longitude, latitude=latitude)
    x, y, z = _empty(longitude, n, _F8, 3)
    where = where_of(longitude, latitude, matrix)
    return (x, y, z), run(_ANGLES_TO_VECTORS, where, n, longitude, latitude, matrix, x, y, z)


def _empty(like: Any, n: int, dtype: Any, columns: int) -> tuple[Any, ...]:
    xp = _backend.namespace(like)
    return tuple(xp.empty(n, dtype) for _ in range(columns))
