"""Angles of directions: the detector's own azimuth and zenith, and true azimuth and altitude.

All are of where a particle comes from, the opposite of its direction of travel.
KM3NeT's azimuth runs from grid East (the detector's x) to grid North (y); a
horizontal azimuth from true North to East.  The two grids differ by the meridian
convergence of the site.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from km3gpu.astro.arguments import (
    Invalid,
    angles,
    check_angles,
    check_directions,
    columns_of,
    on_device_of,
    vectors,
)
from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.kernels import sky as _kernels

__all__ = ["azimuth_zenith", "horizontal_to_local", "local_of", "local_to_horizontal"]

_OPPOSITE = -np.eye(3)


def azimuth_zenith(dx: Any, dy: Any, dz: Any, *, invalid: Invalid = "raise") -> tuple[Any, Any]:
    """Give KM3NeT's azimuth and zenith of where particles come from.

    Parameters
    ----------
    dx, dy, dz : float or (n,) arrays
        Unit vectors along which they travel, in the detector's axes.
    invalid : {"raise", "nan"}
        What to do with rows that are no unit vectors.

    Returns
    -------
    azimuth, zenith : (n,) float64 arrays
        Radians; azimuth in [0, 2 pi) from grid East to grid North, zenith 0 for what
        comes from above.

    Raises
    ------
    KernelError
        Names the first row that is no unit vector.
    """
    azimuth, latitude = _angles(_OPPOSITE, dx, dy, dz, invalid)
    return azimuth, math.pi / 2 - latitude


def local_of(azimuth: Any, zenith: Any) -> tuple[Any, Any, Any]:
    """Give directions of travel from KM3NeT's azimuth and zenith: the inverse of `azimuth_zenith`.

    Parameters
    ----------
    azimuth, zenith : float or (n,) arrays
        Radians; astropy angles too.

    Returns
    -------
    dx, dy, dz : (n,) float64 arrays

    Raises
    ------
    KernelError
        Names the first row whose angles cannot be radians.
    """
    azimuth, zenith = angles(azimuth, zenith)
    shape, (azimuth, zenith) = columns_of(azimuth=azimuth, zenith=zenith)
    # NaN is no angle, but a row without one gives a row without direction
    check_angles(azimuth, zenith, "nan", ("azimuth", "zenith"))
    return _vectors(_OPPOSITE, azimuth, math.pi / 2 - zenith, shape)


def local_to_horizontal(
    dx: Any, dy: Any, dz: Any, site: Site | str, *, invalid: Invalid = "raise"
) -> tuple[Any, Any]:
    """Give true azimuth and altitude of where particles come from.

    The same as astropy's AltAz without refraction.

    Parameters
    ----------
    dx, dy, dz : float or (n,) arrays
        Unit vectors along which they travel, in the detector's axes.
    site : Site or str
    invalid : {"raise", "nan"}
        What to do with rows that are no unit vectors.

    Returns
    -------
    azimuth, altitude : (n,) float64 arrays
        Radians; azimuth in [0, 2 pi) from true North to East.
    """
    return _angles(_to_north_east_up(_site(site)), dx, dy, dz, invalid)


def horizontal_to_local(azimuth: Any, altitude: Any, site: Site | str) -> tuple[Any, Any, Any]:
    """Give directions of travel from true azimuth and altitude: the inverse of `local_to_horizontal`.

    Parameters
    ----------
    azimuth, altitude : float or (n,) arrays
        Radians; astropy angles too.
    site : Site or str

    Returns
    -------
    dx, dy, dz : (n,) float64 arrays

    Raises
    ------
    KernelError
        Names the first row whose angles cannot be radians.
    """
    azimuth, altitude = angles(azimuth, altitude)
    shape, (azimuth, altitude) = columns_of(azimuth=azimuth, altitude=altitude)
    check_angles(azimuth, altitude, "nan", ("azimuth", "altitude"))
    return _vectors(_to_north_east_up(_site(site)).T, azimuth, altitude, shape)


def _to_north_east_up(place: Site) -> Any:
    """Detector axes to (true North, true East, up), of the opposite direction."""
    s, c = math.sin(place.convergence), math.cos(place.convergence)
    return -np.array([[-s, c, 0.0], [c, s, 0.0], [0.0, 0.0, 1.0]])


def _angles(matrix: Any, dx: Any, dy: Any, dz: Any, invalid: Invalid) -> tuple[Any, Any]:
    dx, dy, dz = vectors(dx, dy, dz)
    shape, (x, y, z) = columns_of(dx=dx, dy=dy, dz=dz)
    (m,) = on_device_of(x, np.ascontiguousarray(matrix).ravel())
    (longitude, latitude), fault = _kernels.vectors_to_angles(x, y, z, m)
    check_directions(fault, invalid, "direction", x, y, z)
    return longitude.reshape(shape), latitude.reshape(shape)


def _vectors(matrix: Any, longitude: Any, latitude: Any, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    (m,) = on_device_of(longitude, np.ascontiguousarray(matrix).ravel())
    (x, y, z), _ = _kernels.angles_to_vectors(longitude, latitude, m)
    return x.reshape(shape), y.reshape(shape), z.reshape(shape)
