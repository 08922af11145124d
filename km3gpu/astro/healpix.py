"""Maps of the sky in HEALPix pixels: where events fall, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.arguments import Invalid, angles, check_angles, check_directions, columns_of, on_device_of
from km3gpu.astro.celestial import frame_matrix
from km3gpu.astro.separation import unit_vectors
from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.astro.tables import table_for
from km3gpu.errors import FormatError
from km3gpu.kernels import healpix as _kernels

__all__ = ["centres", "counts", "local_counts", "pixels"]


def centres(nside: int, pixel: Any = None, *, nested: bool = False) -> tuple[Any, Any]:
    """Give the centres of pixels.

    Parameters
    ----------
    nside : int
        The map has 12 nside^2 pixels.
    pixel : int or (n,) int array, optional
        Which; all by default.
    nested : bool
        Nested order, else ring order.

    Returns
    -------
    longitude, latitude : (n,) float64 arrays
        Radians, longitude in [0, 2 pi).

    Raises
    ------
    KernelError
        There is no such map.
    FormatError
        It has no such pixel; the first row is named.
    """
    total = _kernels.n_pixels(nside, nested)
    given = np.arange(total) if pixel is None else pixel
    xp = _backend.namespace(given)
    array = xp.asarray(given)
    if array.dtype.kind not in "iu":
        raise FormatError(f"pixels are {array.dtype}, not integers")
    flat = xp.ascontiguousarray(array.astype(np.int64, copy=False)).reshape(-1)
    bad = (flat < 0) | (flat >= total)
    if bad.any():
        row = int(bad.argmax())
        raise FormatError(f"no pixel {int(flat[row])} (row {row}) in a map of {total}")
    (longitude, latitude), _ = _kernels.centres(flat, nside, nested)
    return longitude.reshape(array.shape), latitude.reshape(array.shape)


def pixels(
    longitude: Any, latitude: Any, nside: int, *, nested: bool = False, invalid: Invalid = "raise"
) -> Any:
    """Give the pixels that positions are in.

    Parameters
    ----------
    longitude, latitude : float or (n,) arrays
        Radians; astropy angles too.
    nside : int
    nested : bool
        Nested order, else ring order.
    invalid : {"raise", "nan"}
        What to do with NaN: an error that names the first row, or pixel -1.

    Returns
    -------
    (n,) int64 array
    """
    shape, (lon, lat) = columns_of(
        **dict(zip(("longitude", "latitude"), angles(longitude, latitude), strict=True))
    )
    check_angles(lon, lat, invalid)
    x, y, z = unit_vectors((lon, lat))
    found, _ = _kernels.pixels(x, y, z, nside, nested)
    return found.reshape(shape)


def counts(
    longitude: Any,
    latitude: Any,
    nside: int,
    *,
    nested: bool = False,
    weights: Any = None,
    invalid: Invalid = "raise",
) -> Any:
    """Count positions in the pixels of a map.

    Parameters
    ----------
    longitude, latitude, nside, nested, invalid
        As for `pixels`; with ``invalid="nan"`` such rows are left out.
    weights : (n,) array, optional
        Add these up instead of counting.

    Returns
    -------
    (12 nside^2,) int64 array, or float64 with weights
    """
    pixel = pixels(longitude, latitude, nside, nested=nested, invalid=invalid).reshape(-1)
    xp = _backend.namespace(pixel)
    good = pixel >= 0
    total = _kernels.n_pixels(nside, nested)
    if weights is None:
        return xp.bincount(pixel[good], minlength=total)
    weights = xp.asarray(weights, dtype=np.float64).reshape(-1)
    if len(weights) != len(pixel):
        raise FormatError(f"{len(weights)} weights for {len(pixel)} positions")
    return xp.bincount(pixel[good], weights=weights[good], minlength=total)


def local_counts(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    nside: int,
    *,
    frame: str = "icrs",
    nested: bool = False,
    deflection: bool = True,
    invalid: Invalid = "raise",
    into: Any = None,
    iers: str | None = None,
) -> Any:
    """Count events in the pixels of the sky that they come from, in one go.

    The positions are never stored, so a chunk of any size takes the memory of the map.

    Parameters
    ----------
    time_ns, dx, dy, dz, site, frame, deflection, iers
        As for `km3gpu.astro.local_to_sky`.
    nside : int
    nested : bool
        Nested order, else ring order.
    invalid : {"raise", "nan"}
        What to do with directions that are no unit vectors: an error that names the first,
        or leave them out.
    into : (12 nside^2,) int64 array, optional
        Add to these counts instead of new ones.

    Returns
    -------
    (12 nside^2,) int64 array
    """
    matrix, place = frame_matrix(frame), _site(site)
    _, (t, x, y, z) = columns_of(time_ns=time_ns, dx=dx, dy=dy, dz=dz)
    table = table_for(t, iers)
    rows, row, rotation = on_device_of(t, table.rows, place.kernel_row, matrix.ravel())
    total = _kernels.n_pixels(nside, nested)
    found = _backend.namespace(t).zeros(total, np.int64) if into is None else into
    fault = _kernels.local_counts(
        t, (x, y, z), rows, table.start_ns, row, rotation, found, nside, nested=nested, bending=deflection
    )
    check_directions(fault, invalid, "direction", x, y, z)
    return found
