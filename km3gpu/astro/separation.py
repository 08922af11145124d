"""Angles between places on the sky, and the neighbourhood of the Sun and the Moon."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.arguments import angles, check_angles, check_units, columns_of, vectors
from km3gpu.astro.bodies import body_to_local
from km3gpu.astro.sites import Site
from km3gpu.errors import ConfigError, FormatError

__all__ = ["body_separation", "offsets", "separation", "shadow", "unit_vectors"]


def unit_vectors(position: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Give x, y, z of positions.

    Parameters
    ----------
    position : tuple of two or three arrays
        Longitude and latitude [rad] (astropy angles too), or x, y, z already.

    Returns
    -------
    x, y, z : arrays
        Of the shape that the given ones broadcast to.

    Raises
    ------
    FormatError
        Neither two nor three columns.
    KernelError
        Names the first row whose angles cannot be radians, or that is no unit vector; NaN is
        let through.
    """
    if len(position) == 3:
        shape, columns = columns_of(**dict(zip("xyz", vectors(*position), strict=True)))
        check_units(*columns)
    elif len(position) == 2:
        lon, lat = angles(*position)
        shape, (lon, lat) = columns_of(longitude=lon, latitude=lat)
        check_angles(lon, lat, "nan")
        xp = _backend.namespace(lon)
        columns = [xp.cos(lat) * xp.cos(lon), xp.cos(lat) * xp.sin(lon), xp.sin(lat)]
    else:
        raise FormatError(
            f"a position of {len(position)} columns",
            remedy="give (longitude, latitude) in radians or (x, y, z) of unit vectors",
        )
    x, y, z = (c.reshape(shape) for c in columns)
    return x, y, z


def separation(first: tuple[Any, ...], second: tuple[Any, ...]) -> Any:
    """Give the angle between places, exact for any angle from 0 to pi.

    Parameters
    ----------
    first, second : tuple of two or three arrays
        Longitude and latitude [rad], or x, y, z of unit vectors.  They broadcast against
        each other: ``(ra[:, None], dec[:, None])`` with ``(ras, decs)`` gives a matrix.

    Returns
    -------
    float64 array
        Radians; NaN where a position is NaN.

    Raises
    ------
    KernelError
        Names the first row that is no place on the sky.
    """
    (ax, ay, az), (bx, by, bz) = unit_vectors(first), unit_vectors(second)
    xp = _backend.namespace(ax)
    apart = (ax - bx) ** 2 + (ay - by) ** 2 + (az - bz) ** 2
    together = (ax + bx) ** 2 + (ay + by) ** 2 + (az + bz) ** 2
    return 2.0 * xp.arctan2(xp.sqrt(apart), xp.sqrt(together))


def offsets(position: tuple[Any, ...], centre: tuple[Any, ...]) -> tuple[Any, Any]:
    """Give how far places lie from a centre, along longitude and latitude.

    Parameters
    ----------
    position, centre : tuple of two or three arrays
        As for `separation`.

    Returns
    -------
    east, north : float64 arrays
        Radians on the great circle through both, split by its direction at the centre:
        ``hypot(east, north)`` is the separation.
    """
    (px, py, pz), (cx, cy, cz) = unit_vectors(position), unit_vectors(centre)
    xp = _backend.namespace(px)
    level = xp.sqrt(cx * cx + cy * cy)
    level = xp.where(level > 0, level, 1.0)
    e = (py * cx - px * cy) / level
    n = pz * level - cz * (px * cx + py * cy) / level
    r = xp.sqrt(e * e + n * n)
    angle = xp.arctan2(r, px * cx + py * cy + pz * cz)
    scale = angle / xp.where(r > 0, r, 1.0)
    return e * scale, n * scale


def body_separation(body: str, time_ns: Any, dx: Any, dy: Any, dz: Any, site: Site | str) -> Any:
    """Give the angle between where events come from and the Sun or the Moon.

    Parameters
    ----------
    body : {"sun", "moon"}
    time_ns : (n,) int64 array
        UTC ns since 1970.
    dx, dy, dz : (n,) arrays
        Unit vectors along which the particles travel, in the detector's axes.
    site : Site or str

    Returns
    -------
    (n,) float64 array
        Radians; NaN where a direction is NaN.
    """
    return separation((dx, dy, dz), body_to_local(body, time_ns, site))


def shadow(
    body: str, time_ns: Any, dx: Any, dy: Any, dz: Any, site: Site | str, radius: float
) -> tuple[Any, Any, Any]:
    """Select the events around the Sun or the Moon, where its shadow in the muons is.

    Parameters
    ----------
    body : {"sun", "moon"}
    time_ns, dx, dy, dz, site
        As for `body_separation`.
    radius : float
        How far from the centre, radians.

    Returns
    -------
    mask : (n,) bool array
        Events within `radius`.
    right, up : (n_selected,) float64 arrays
        Where they come from as seen from the detector, off the body's centre: along the
        horizon (towards grid North from grid East) and upwards, radians.

    Raises
    ------
    ConfigError
        The radius is none.
    """
    if not 0.0 < radius <= np.pi:
        raise ConfigError(f"a radius of {radius!r} is no angle in radians", remedy="give one from 0 to pi")
    bx, by, bz = body_to_local(body, time_ns, site)
    mask = separation((dx, dy, dz), (bx, by, bz)) <= radius
    _, (px, py, pz, bx, by, bz) = columns_of(dx=dx, dy=dy, dz=dz, bx=bx, by=by, bz=bz)
    mask = mask.reshape(-1)
    seen = (-px[mask], -py[mask], -pz[mask])
    right, up = offsets(seen, (-bx[mask], -by[mask], -bz[mask]))
    return mask, right, up
