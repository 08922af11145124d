"""Where a detector stands, and how its axes lie on the Earth."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from km3gpu.astro import utm
from km3gpu.errors import GeometryError, UnknownNameError

__all__ = ["SITES", "Site", "axes", "site"]

_EARTH_RATE = 7.292115855306589e-5
"""Rotation of the Earth, radians per second of UT1 (IERS Conventions 2010, section 1)."""
_LIGHT = 299_792_458.0


@dataclass(frozen=True)
class Site:
    """A detector's reference point in UTM; its axes are grid East, grid North and up.

    Two sites with the same position are equal whatever they are called.

    Parameters
    ----------
    name : str
        For messages and provenance.
    easting, northing : float
        UTM coordinates on WGS84, metres.
    z : float
        Height, metres (negative under water).  It is taken as height above the
        ellipsoid; the geoid's 50 m change no direction by more than 1e-7 arcsec.
    zone : str
        UTM zone and hemisphere, ``"33N"``.

    Raises
    ------
    GeometryError
        The coordinates are no point of that UTM zone.
    """

    name: str = field(compare=False)
    easting: float
    northing: float
    z: float
    zone: str

    def __post_init__(self) -> None:
        number, south = utm.parse_zone(self.zone)
        object.__setattr__(self, "zone", f"{number}{'S' if south else 'N'}")
        for name in ("easting", "northing", "z"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not -12_000.0 <= self.z <= 100_000.0:
            raise GeometryError(f"height {self.z} m of site {self.name!r} is not on this Earth")
        utm.to_geodetic(self.easting, self.northing, self.zone)

    @classmethod
    def from_utm(cls, easting: float, northing: float, z: float, zone: str, name: str = "") -> Site:
        """Build a site from the UTM reference point that a detector file carries.

        Parameters
        ----------
        easting, northing, z : float
            Metres.
        zone : str
            ``"33N"``.
        name : str, optional
            By default that of the named site within 10 km, or the coordinates.
        """
        new = cls(name, easting, northing, z, zone)
        return new if name else cls(new._nearest_name(), easting, northing, z, zone)

    @classmethod
    def from_geodetic(cls, latitude: float, longitude: float, height: float = 0.0, name: str = "") -> Site:
        """Build a site from WGS84 latitude and longitude [rad] and height [m]."""
        if not (abs(latitude) <= math.radians(84.0) and abs(longitude) <= 2.0 * math.pi):
            raise GeometryError(
                f"latitude {latitude}, longitude {longitude} is no place that UTM covers",
                remedy="give radians, latitude at most 84 degrees from the equator",
            )
        east, north, _ = utm.from_geodetic(latitude, longitude)
        zone = f"{utm.zone_of(longitude)}{'S' if latitude < 0 else 'N'}"
        return cls.from_utm(east, north, height, zone, name)

    def _nearest_name(self) -> str:
        here = np.array(self.ecef)
        for known in SITES.values():
            if float(np.linalg.norm(here - np.array(known.ecef))) < 10_000.0:
                return known.name
        return f"{self.zone} {self.easting:.0f} {self.northing:.0f} {self.z:.0f}"

    @functools.cached_property
    def _geodetic(self) -> tuple[float, float, float]:
        latitude, longitude = utm.to_geodetic(self.easting, self.northing, self.zone)
        number, south = utm.parse_zone(self.zone)
        return latitude, longitude, utm.from_geodetic(latitude, longitude, number, south)[2]

    @property
    def latitude(self) -> float:
        """WGS84 latitude [rad]."""
        return self._geodetic[0]

    @property
    def longitude(self) -> float:
        """WGS84 longitude, East positive [rad]."""
        return self._geodetic[1]

    @property
    def convergence(self) -> float:
        """Meridian convergence [rad]: from true North to grid North, positive towards the East."""
        return self._geodetic[2]

    @functools.cached_property
    def ecef(self) -> tuple[float, float, float]:
        """Geocentric Earth-fixed position (ITRS x, y, z) [m]."""
        return utm.geocentric(self.latitude, self.longitude, self.z)

    @functools.cached_property
    def matrix(self) -> Any:
        """(3, 3) float64: detector axes (grid East, grid North, up) to ITRS, read-only."""
        return axes(self.latitude, self.longitude, self.convergence)

    @functools.cached_property
    def kernel_row(self) -> Any:
        """(14,) float64 for the sky kernels.

        The matrix, the ground's velocity / c along ITRS x and y, and the position in
        light-days.
        """
        x, y, z = self.ecef
        rate, day = _EARTH_RATE / _LIGHT, 86_400.0 * _LIGHT
        return np.array([*self.matrix.ravel(), -rate * y, rate * x, x / day, y / day, z / day])

    def __repr__(self) -> str:
        return (
            f"<Site {self.name}: UTM {self.easting:.1f} {self.northing:.1f} {self.z:.1f} {self.zone}, "
            f"lat {math.degrees(self.latitude):.6f}, lon {math.degrees(self.longitude):.6f} deg>"
        )


def axes(latitude: float, longitude: float, convergence: float) -> Any:
    """Give the (3, 3) matrix from axes along grid East, grid North and up to Earth-fixed axes.

    Parameters
    ----------
    latitude, longitude : float
        Geodetic, radians.
    convergence : float
        From true North to grid North, positive towards the East, radians.
    """
    sl, cl = math.sin(latitude), math.cos(latitude)
    so, co = math.sin(longitude), math.cos(longitude)
    sg, cg = math.sin(convergence), math.cos(convergence)
    true = np.array([[-so, -sl * co, cl * co], [co, -sl * so, cl * so], [0.0, cl, sl]])
    grid = np.array([[cg, sg, 0.0], [-sg, cg, 0.0], [0.0, 0.0, 1.0]])
    matrix = true @ grid
    matrix.flags.writeable = False
    return matrix


SITES: dict[str, Site] = {}
"""The named sites: their reference points as the detector files give them."""
SITES.update(
    arca=Site("arca", 587_600.0, 4_016_800.0, -3450.0, "33N"),
    orca=Site("orca", 256_500.0, 4_743_000.0, -2440.0, "32N"),
    antares=Site("antares", 268_221.6, 4_742_381.9, -2500.0, "32N"),
)


def site(name: Any) -> Site:
    """Look up a site.

    Parameters
    ----------
    name : str, Site or Detector
        ``"arca"``, ``"orca"`` or ``"antares"``, in any case; a Site is given back; a
        detector description gives the site of its own UTM reference.

    Raises
    ------
    UnknownNameError
        No site has that name.
    GeometryError
        The detector description has no UTM reference.
    """
    if isinstance(name, Site):
        return name
    if hasattr(name, "utm"):
        if name.utm is None:
            raise GeometryError(
                "the detector description has no UTM reference",
                where=getattr(name, "path", None),
                remedy="name the site: 'arca', say",
            )
        return Site.from_utm(name.utm.easting, name.utm.northing, name.utm.z, name.utm.zone)
    try:
        return SITES[str(name).lower()]
    except KeyError:
        raise UnknownNameError.of("site", str(name), SITES) from None
