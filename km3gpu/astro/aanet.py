"""The conventions of aanet 2.7.1, to compare with files that it made.

Not the sky: its positions are off by 17 arcsec in the mean and up to 40.  What it
does, as found from the positions in its own files (all are reproduced to 0.05
arcsec):

- the site is 2.4 arcsec too far South and 1.4 arcsec too far West: constants added
  after the inverse UTM projection;
- the meridian convergence has the terms above the first order subtracted instead of
  added (7 arcsec at ORCA; Jpp and km3astro have the same);
- mean sidereal time with UTC taken for UT1: no UT1 - UTC, no equation of the
  equinoxes, no polar motion;
- no aberration and no light bending;
- to J2000 by precession and nutation, although the sidereal time never put the
  nutation's equation of the equinoxes in;
- Galactic coordinates from J2000 by the FK5 matrix.

It is plain NumPy and ERFA: some 10,000 events a second, and no GPU.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import erfa
import numpy as np

from km3gpu.astro import utm
from km3gpu.astro.sites import Site, axes
from km3gpu.astro.times import DAY_NS
from km3gpu.errors import BackendError
from km3gpu.kernels.launch import NONE
from km3gpu.kernels.scalar.fault import fault
from km3gpu.kernels.scalar.sky import NOT_UNIT, UNIT_TOLERANCE

__all__ = ["convergence", "local_to_sky", "site_of", "sky_to_local"]

_LATITUDE_OFFSET = math.radians(-0.000662869669)
_LONGITUDE_OFFSET = math.radians(-0.000386806058)

_FK5_TO_GALACTIC = np.array(
    [
        [-0.054875539726, -0.873437108010, -0.483834985808],
        [0.494109453312, -0.444829589425, 0.746982251810],
        [-0.867666135858, -0.198076386122, 0.455983795705],
    ]
)
"""Murray, Astron. Astrophys. 218 (1989) 325: the IAU 1958 system in J2000."""


def convergence(latitude: float, longitude: float) -> float:
    """Give the meridian convergence as km3astro, Jpp and aanet compute it [rad].

    Redfearn's series, with the terms of third and higher order subtracted; they
    ought to be added.

    Parameters
    ----------
    latitude, longitude : float
        Radians.
    """
    sine, cosine, t2 = math.sin(latitude), math.cos(latitude), math.tan(latitude) ** 2
    omega = longitude - utm.central_meridian(utm.zone_of(longitude))
    e2 = 0.0066943800
    psi = (1.0 - e2 * sine**2) / (1.0 - e2)
    third = sine * omega**3 / 3.0 * cosine**2 * (2.0 * psi**2 - psi)
    fifth = psi**4 * (11 - 24 * t2) - psi**3 * (11 - 36 * t2) + 2 * psi**2 * (1 - 7 * t2) + psi * t2
    fifth *= sine * omega**5 / 15.0 * cosine**4
    seventh = sine * omega**7 / 315.0 * cosine**6 * (17 - 26 * t2 + 2 * t2**2)
    return sine * omega - third - fifth - seventh


@functools.lru_cache(maxsize=64)
def site_of(place: Site) -> tuple[float, float, float]:
    """Give latitude, longitude and meridian convergence that aanet takes for a site [rad]."""
    latitude = place.latitude + _LATITUDE_OFFSET
    longitude = place.longitude + _LONGITUDE_OFFSET
    return latitude, longitude, convergence(latitude, longitude)


def local_to_sky(
    time_ns: Any, direction: Any, place: Site, frame: str = "icrs", vectors: bool = False
) -> tuple[tuple[Any, ...], int]:
    """Turn travel directions into sky positions as aanet does.

    Parameters
    ----------
    time_ns : (n,) int64 array
    direction : three (n,) arrays
        x, y, z of unit vectors.
    place : Site
    frame : {"icrs", "galactic", "of date"}
        ``"icrs"`` is what aanet calls J2000, ``"of date"`` what it gives without.
    vectors : bool
        Give x, y, z instead of longitude and latitude [rad].

    Returns
    -------
    columns : tuple of (n,) float64 arrays
    fault : int
        The first row whose direction is no unit vector, or `launch.NONE`.
    """
    d, worst = _unit(time_ns, direction)
    v = np.einsum("nij,nj->ni", _to_date(time_ns, place), -d)
    if frame != "of date":
        v = np.einsum("nji,nj->ni", _precession_nutation(time_ns), v)
    if frame == "galactic":
        v = v @ _FK5_TO_GALACTIC.T
    if vectors:
        return tuple(np.ascontiguousarray(v.T)), worst
    longitude = np.arctan2(v[:, 1], v[:, 0]) % (2.0 * np.pi)
    return (longitude, np.arctan2(v[:, 2], np.hypot(v[:, 0], v[:, 1]))), worst


def sky_to_local(
    time_ns: Any, position: Any, place: Site, frame: str = "icrs"
) -> tuple[tuple[Any, Any, Any], int]:
    """Turn sky positions into travel directions as aanet does: the inverse of `local_to_sky`."""
    if len(position) == 2:
        longitude, latitude = position
        position = (
            np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
        )  # fmt: skip
    v, worst = _unit(time_ns, position)
    if frame == "galactic":
        v = v @ _FK5_TO_GALACTIC
    if frame != "of date":
        v = np.einsum("nij,nj->ni", _precession_nutation(time_ns), v)
    d = -np.einsum("nji,nj->ni", _to_date(time_ns, place), v)
    return (d[:, 0].copy(), d[:, 1].copy(), d[:, 2].copy()), worst


def _unit(time_ns: Any, columns: Any) -> tuple[Any, int]:
    if not isinstance(time_ns, np.ndarray):
        raise BackendError("aanet's conventions are for the CPU", remedy="give numpy arrays")
    v = np.column_stack(columns).astype(np.float64)
    bad = np.flatnonzero(~(np.abs((v * v).sum(axis=1) - 1.0) <= UNIT_TOLERANCE))
    v[bad] = np.nan
    return v, NONE if len(bad) == 0 else int(fault(int(bad[0]), NOT_UNIT))


def _julian(time_ns: Any) -> tuple[Any, Any]:
    day = time_ns // DAY_NS
    return 2_440_587.5 + day, (time_ns - day * DAY_NS) / DAY_NS


def _to_date(time_ns: Any, place: Site) -> Any:
    """Detector axes to mean sidereal time: (n, 3, 3)."""
    latitude, longitude, angle = site_of(place)
    theta = erfa.gmst82(*_julian(time_ns)) + longitude
    c, s, zero, one = np.cos(theta), np.sin(theta), np.zeros(len(theta)), np.ones(len(theta))
    spin = np.moveaxis(np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]]), -1, 0)
    return spin @ axes(latitude, 0.0, angle)


def _precession_nutation(time_ns: Any) -> Any:
    """J2000 to the true equator and equinox of date: (n, 3, 3).

    IAU 2006/2000A without the frame bias is the closest to SLALIB's of the ones
    that ERFA has.
    """
    _, _, _, _, precession, _, nutation, _ = erfa.pn06a(*_julian(time_ns))
    return nutation @ precession
