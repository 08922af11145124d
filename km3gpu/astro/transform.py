"""Directions of events to the sky and back, in bulk.

Directions are where particles travel to, in the detector's axes: x along grid
East, y along grid North (UTM), z up.  Sky positions are where they come from.
Times are int64 UTC nanoseconds since 1970, or what `times.utc_ns` takes.  numpy
arrays are done on the CPU and cupy arrays on the GPU they are on.  Directions are
those of vacuum: refraction is left out, since neutrinos do not refract.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.astro import aanet
from km3gpu.astro.arguments import (
    Invalid,
    angles,
    check_angles,
    check_directions,
    columns_of,
    on_device_of,
)
from km3gpu.astro.arguments import vectors as numbers
from km3gpu.astro.celestial import frame_matrix
from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.astro.tables import table_for
from km3gpu.errors import ConfigError
from km3gpu.kernels import sky as _kernels

__all__ = [
    "icrs_to_local",
    "local_to_icrs",
    "local_to_sky",
    "sky_to_local",
]


def local_to_icrs(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    *,
    vectors: bool = False,
    deflection: bool = True,
    invalid: Invalid = "raise",
    dtype: Any = np.float64,
    iers: str | None = None,
    compat: str | None = None,
) -> tuple[Any, ...]:
    """Turn travel directions in a detector into equatorial coordinates (ICRS).

    Agrees with astropy's AltAz -> ICRS to 1 mas where the Sun is more than 2 degrees
    away, and to 0.02 mas in the median.

    Parameters
    ----------
    time_ns : int or (n,) int64 array
        UTC ns since 1970; datetimes and astropy Times too (see `times.utc_ns`).
    dx, dy, dz : float or (n,) arrays
        Unit vectors along which the particles travel, in the detector's axes.  They
        broadcast against each other and the time.
    site : Site or str
        Where the detector stands; ``"arca"``, ``"orca"`` or ``"antares"``.
    vectors : bool
        Give unit vectors of ICRS, not angles.
    deflection : bool
        Take out the light bending by the Sun, as astropy does (5 mas typically).
    invalid : {"raise", "nan"}
        What to do with directions that are no unit vectors (NaN, say): an error that
        names the first, or NaN in those rows.
    dtype : dtype
        float64; or float32, which does the vectors in float32 (time and the Earth's
        rotation are float64 all the same) and is good to 0.05 arcsec.
    iers : str, optional
        Path of a ``finals2000A.all`` newer than the one installed with astropy.
    compat : {"aanet"}, optional
        Do as aanet 2.7.1 did, for comparison with old files: up to 40 arcsec from the
        sky.  See `km3gpu.astro.aanet`.

    Returns
    -------
    ra, dec : (n,) float64 arrays
        Radians, `ra` in [0, 2 pi).  Scalars give arrays of shape ().
    x, y, z : (n,) arrays of `dtype`
        Instead of those, with ``vectors=True``.

    Raises
    ------
    KernelError
        A direction is no unit vector, or a time not within 1972 to 2099; the
        message names the first such row.
    FormatError
        What is given are no times or numbers, or the shapes do not fit.

    Warns
    -----
    DegradedSkyWarning
        Times are outside of the IERS tables.
    """
    return local_to_sky(
        time_ns, dx, dy, dz, site, frame="icrs", vectors=vectors, deflection=deflection,
        invalid=invalid, dtype=dtype, iers=iers, compat=compat,
    )  # fmt: skip


def local_to_sky(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    *,
    frame: str = "icrs",
    vectors: bool = False,
    deflection: bool = True,
    invalid: Invalid = "raise",
    dtype: Any = np.float64,
    iers: str | None = None,
    compat: str | None = None,
) -> tuple[Any, ...]:
    """Turn travel directions in a detector into sky coordinates of any `frame`.

    Parameters
    ----------
    frame : {"icrs", "galactic"}
        Axes of the result.
    time_ns, dx, dy, dz, site, vectors, deflection, invalid, dtype, iers, compat
        As for `local_to_icrs`.

    Returns
    -------
    longitude, latitude : (n,) float64 arrays
        Radians; with ``vectors=True`` x, y, z instead.

    Raises
    ------
    KernelError, FormatError
        As for `local_to_icrs`.
    UnknownNameError
        No such frame or site.
    """
    matrix, place = frame_matrix(frame), _site(site)
    dx, dy, dz = numbers(dx, dy, dz)
    shape, (t, *direction) = columns_of(_float(dtype), time_ns=time_ns, dx=dx, dy=dy, dz=dz)
    if _aanet(compat):
        columns, fault = aanet.local_to_sky(t, direction, place, frame, vectors)
    else:
        table = table_for(t, iers)
        rows, row, rotation = on_device_of(t, table.rows, place.kernel_row, matrix.ravel())
        x, y, z = direction
        columns, fault = _kernels.local_to_sky(
            t, (x, y, z), rows, table.start_ns, row, rotation, bending=deflection, vectors=vectors
        )
    check_directions(fault, invalid, "direction", *direction)
    return tuple(c.reshape(shape) for c in columns)


def icrs_to_local(
    time_ns: Any,
    ra: Any,
    dec: Any,
    site: Site | str,
    *,
    deflection: bool = True,
    invalid: Invalid = "raise",
    dtype: Any = np.float64,
    iers: str | None = None,
    compat: str | None = None,
) -> tuple[Any, Any, Any]:
    """Turn equatorial coordinates (ICRS) into directions of travel in a detector.

    The inverse of `local_to_icrs`, to 1e-5 arcsec where the Sun is more than 2
    degrees away.

    Parameters
    ----------
    time_ns : int or (n,) int64 array
        UTC ns since 1970; datetimes and astropy Times too.
    ra, dec : float or (n,) arrays
        Where particles come from, radians; astropy angles too.
    site, deflection, invalid, dtype, iers, compat
        As for `local_to_icrs`; `deflection` puts the light bending in.

    Returns
    -------
    dx, dy, dz : (n,) arrays of `dtype`
        Unit vectors along which the particles travel, in the detector's axes.

    Raises
    ------
    KernelError
        An angle is NaN or out of range, or a time not within 1972 to 2099; the
        message names the first such row.
    FormatError
        What is given are no times or angles, or the shapes do not fit.
    """
    return sky_to_local(
        time_ns,
        (ra, dec),
        site,
        deflection=deflection,
        invalid=invalid,
        dtype=dtype,
        iers=iers,
        compat=compat,
    )


def sky_to_local(
    time_ns: Any,
    position: tuple[Any, ...],
    site: Site | str,
    *,
    frame: str = "icrs",
    deflection: bool = True,
    invalid: Invalid = "raise",
    dtype: Any = np.float64,
    iers: str | None = None,
    compat: str | None = None,
) -> tuple[Any, Any, Any]:
    """Turn sky coordinates of any `frame` into directions of travel in a detector.

    Parameters
    ----------
    position : tuple of two or three (n,) arrays
        Longitude and latitude in radians, or x, y, z of unit vectors.
    frame : {"icrs", "galactic"}
        Their axes.
    time_ns, site, deflection, invalid, dtype, iers, compat
        As for `icrs_to_local`.

    Returns
    -------
    dx, dy, dz : (n,) arrays of `dtype`
    """
    matrix, place, real = frame_matrix(frame), _site(site), _float(dtype)
    if len(position) == 2:
        longitude, latitude = angles(*position)
        shape, (t, *where) = columns_of(time_ns=time_ns, longitude=longitude, latitude=latitude)
        names = ("ra", "dec") if frame == "icrs" else ("longitude", "latitude")
        check_angles(where[0], where[1], invalid, names)
    else:
        x, y, z = numbers(*position)
        shape, (t, *where) = columns_of(real, time_ns=time_ns, x=x, y=y, z=z)
    if _aanet(compat):
        out, fault = aanet.sky_to_local(t, where, place, frame)
    else:
        table = table_for(t, iers)
        rows, row, rotation = on_device_of(t, table.rows, place.kernel_row, matrix.ravel())
        out, fault = _kernels.sky_to_local(
            t, tuple(where), rows, table.start_ns, row, rotation, bending=deflection, dtype=real
        )
    check_directions(fault, invalid, "position", *where)
    dx, dy, dz = (c.reshape(shape) for c in out)
    return dx, dy, dz


def _float(dtype: Any) -> np.dtype[Any]:
    real: np.dtype[Any] = np.dtype(dtype)
    if real not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise ConfigError(f"directions cannot be {real}", remedy="take float64 or float32")
    return real


def _aanet(compat: str | None) -> bool:
    if compat not in (None, "aanet"):
        raise ConfigError(f"compat={compat!r} is not known", remedy="take 'aanet', or leave it out")
    return compat == "aanet"
