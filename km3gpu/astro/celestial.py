"""Axes of the sky: rotations between ICRS and galactic coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.astro.arguments import angles, check_angles, columns_of, on_device_of
from km3gpu.errors import UnknownNameError
from km3gpu.kernels import sky as _kernels

__all__ = ["FRAMES", "frame_matrix", "turned"]

FRAMES: dict[str, Any] = {
    "icrs": np.eye(3),
    # astropy's: the IAU 1958 pole in FK5 J2000, and FK5 in ICRS.  ERFA's icrs2g (the
    # Hipparcos catalogue's matrix) is turned by 25 mas against it
    "galactic": np.array(
        [
            [-0.05487565771259163, -0.8734370519556159, -0.48383507361671546],
            [0.4941094371927268, -0.44482972122329517, 0.7469821839866676],
            [-0.8676661375596576, -0.19807633727300059, 0.45598381368730156],
        ]
    ),
}
"""Rotations from ICRS to the axes in which positions can be given: (3, 3) each."""


def frame_matrix(name: str) -> Any:
    """Give the rotation from ICRS to a frame by name, (3, 3)."""
    try:
        return FRAMES[name]
    except KeyError:
        raise UnknownNameError.of("frame", str(name), FRAMES) from None


def turned(position: tuple[Any, Any], frame: str, *, of: str = "icrs") -> tuple[Any, Any]:
    """Turn positions from one frame of `FRAMES` to another.

    Parameters
    ----------
    position : tuple of two (n,) arrays
        Longitude and latitude [rad]; NaN stays NaN.
    frame, of : {"icrs", "galactic"}
        Axes of the result, and of what is given.

    Returns
    -------
    longitude, latitude : (n,) float64 arrays
        Radians.

    Raises
    ------
    UnknownNameError
        No such frame.
    KernelError
        Names the first row whose angles cannot be radians.
    """
    matrix = frame_matrix(frame) @ frame_matrix(of).T
    lon, lat = angles(*position)
    shape, (lon, lat) = columns_of(longitude=lon, latitude=lat)
    check_angles(lon, lat, "nan")
    there, one = on_device_of(lon, matrix.ravel(), np.eye(3).ravel())
    (x, y, z), _ = _kernels.angles_to_vectors(lon, lat, there)
    (lon, lat), _ = _kernels.vectors_to_angles(x, y, z, one)
    return lon.reshape(shape), lat.reshape(shape)
