"""HEALPix pixels, centres and counts on a GPU: one thread, one direction."""

from __future__ import annotations

import math
from typing import Any

from numba import cuda

from km3gpu.kernels.scalar.angles import arctangent
from km3gpu.kernels.scalar.earth import day_of
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.healpix import NO_PIXEL, centre_of, pixel_of
from km3gpu.kernels.scalar.sky import NOT_UNIT, is_direction, reason, to_sky

__all__ = ["centres", "local_counts", "pixels"]


@cuda.jit
def pixels(
    n: int, x: Any, y: Any, z: Any, nside: int, nested: int, out_pixel: Any, slot: Any
) -> None:  # fmt: skip
    """Give the pixels of `n` unit vectors, -1 for what is none."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        if is_direction(x[i], y[i], z[i]):
            out_pixel[i] = pixel_of(x[i], y[i], z[i], nside, nested)
        else:
            out_pixel[i] = -1
            cuda.atomic.min(slot, 0, fault(i, NOT_UNIT))


@cuda.jit
def centres(
    n: int, pixel: Any, nside: int, nested: int, out_longitude: Any, out_latitude: Any, slot: Any
) -> None:  # fmt: skip
    """Give the centres of `n` pixels, NaN for those that are not there."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        if 0 <= pixel[i] < 12 * nside * nside:
            longitude, sine, cosine = centre_of(pixel[i], nside, nested)
            out_longitude[i] = longitude
            out_latitude[i] = arctangent(sine, cosine)
        else:
            out_longitude[i] = math.nan
            out_latitude[i] = math.nan
            cuda.atomic.min(slot, 0, fault(i, NO_PIXEL))


@cuda.jit
def local_counts(
    n: int,
    time_ns: Any, dx: Any, dy: Any, dz: Any,
    table: Any, start_ns: int, site: Any, frame: Any, bending: int, nside: int, nested: int,
    counts: Any,
    slot: Any,
) -> None:  # fmt: skip
    """Count `n` travel directions in the pixels that they come from."""
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        row, f = day_of(time_ns[i], start_ns, table.shape[0])
        good, x, y, z = to_sky(f, dx[i], dy[i], dz[i], table[row], site, frame, bending)
        if good:
            cuda.atomic.add(counts, pixel_of(x, y, z, nside, nested), 1)
        else:
            cuda.atomic.min(slot, 0, fault(i, reason(f)))
