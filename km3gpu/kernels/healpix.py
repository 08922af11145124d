"""HEALPix in bulk: pixels of directions, centres of pixels, counts of events on the sky.

A direction on the very edge of a pixel may go to either side on a GPU, whose
arctangent differs in its last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels.arrays import same_length
from km3gpu.kernels.cpu import healpix as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of
from km3gpu.kernels.scalar.healpix import NO_PIXEL

__all__ = ["KERNELS", "NO_PIXEL", "centres", "local_counts", "n_pixels", "pixels"]

_MAX_ORDER = 29

_PIXELS = Kernel(
    "healpix.pixels", _cpu.pixels_block, _cpu.pixels_blocks,
    (("f8[]", "f8[]", "f8[]", "i8", "i8", "i8[]"),),
    bytes_per_item=32, item="direction", registers=64,
)  # fmt: skip
_CENTRES = Kernel(
    "healpix.centres", _cpu.centres_block, _cpu.centres_blocks,
    (("i8[]", "i8", "i8", "f8[]", "f8[]"),),
    bytes_per_item=24, item="pixel", registers=72,
)  # fmt: skip
_LOCAL_COUNTS = Kernel(
    "healpix.local_counts", _cpu.local_counts_block, _cpu.local_counts_blocks,
    (("i8[]", "f8[]", "f8[]", "f8[]", "f8[:,:]", "i8", "f8[]", "f8[]", "i8", "i8", "i8", "i8[]"),),
    bytes_per_item=48, item="event", registers=96,
)  # fmt: skip

KERNELS = (_PIXELS, _CENTRES, _LOCAL_COUNTS)


def n_pixels(nside: int, nested: bool = False) -> int:
    """Give the number of pixels of a map, 12 nside^2.

    Parameters
    ----------
    nside : int
        1 to 2^29; a power of two for the nested order.
    nested : bool

    Raises
    ------
    KernelError
        There is no such map.
    """
    power = nside >= 1 and nside & (nside - 1) == 0
    if not 1 <= nside <= 1 << _MAX_ORDER or (nested and not power):
        what = "a power of two up to 2^29" if nested else "from 1 to 2^29"
        raise KernelError(f"no HEALPix map has nside {nside}", remedy=f"it must be {what}")
    return 12 * nside * nside


def pixels(x: Any, y: Any, z: Any, nside: int, nested: bool = False) -> tuple[Any, int]:
    """Give the pixels of unit vectors.

    Parameters
    ----------
    x, y, z : (n,) float64 arrays
    nside : int
    nested : bool
        Nested order, else ring order.

    Returns
    -------
    pixel : (n,) int64 array
        -1 for what is no unit vector.
    fault : int
        The first such row, or `launch.NONE`.
    """
    n = same_length(x=x, y=y, z=z)
    n_pixels(nside, nested)
    out = _backend.namespace(x).empty(n, np.int64)
    return out, run(_PIXELS, where_of(x, y, z), n, x, y, z, nside, int(nested), out)


def centres(pixel: Any, nside: int, nested: bool = False) -> tuple[tuple[Any, Any], int]:
    """Give the centres of pixels.

    Parameters
    ----------
    pixel : (n,) int64 array
    nside : int
    nested : bool

    Returns
    -------
    columns : tuple of two (n,) float64 arrays
        Longitude in [0, 2 pi) and latitude [rad], NaN for pixels that are not there.
    fault : int
        The first such row, or `launch.NONE`.
    """
    n_pixels(nside, nested)
    xp = _backend.namespace(pixel)
    longitude, latitude = xp.empty(len(pixel)), xp.empty(len(pixel))
    fault = run(_CENTRES, where_of(pixel), len(pixel), pixel, nside, int(nested), longitude, latitude)
    return (longitude, latitude), fault


def local_counts(
    time_ns: Any,
    direction: tuple[Any, Any, Any],
    table: Any,
    start_ns: int,
    site: Any,
    frame: Any,
    counts: Any,
    nside: int,
    *,
    nested: bool = False,
    bending: bool = True,
) -> int:
    """Add events to the counts of the pixels that they come from, without ever storing where.

    Parameters
    ----------
    time_ns, direction, table, start_ns, site, frame, bending
        As for `km3gpu.kernels.sky.local_to_sky`; float64 directions.
    counts : (12 nside^2,) int64 array
        Changed in place; events that cannot be placed are left out.
    nside : int
    nested : bool

    Returns
    -------
    int
        The first row that could not be placed and why, or `launch.NONE`.
    """
    n = same_length(time_ns=time_ns, x=direction[0], y=direction[1], z=direction[2])
    if counts.dtype != np.int64 or counts.shape != (n_pixels(nside, nested),):
        raise KernelError(f"counts is no int64 column of the {n_pixels(nside)} pixels of nside {nside}")
    where = where_of(time_ns, *direction, table, site, frame, counts)
    return run(
        _LOCAL_COUNTS, where, n, time_ns, *direction, table, start_ns, site, frame, int(bending),
        nside, int(nested), counts,
    )  # fmt: skip
