"""Locations and frames, by the names of km3astro."""

from __future__ import annotations

import math
from typing import Any

from astropy.coordinates import Angle, EarthLocation, FunctionTransform, frame_transform_graph

from km3gpu.astro import utm
from km3gpu.astro.frames import LocalFrame, LocationAttribute, TrackFrame, earth_location
from km3gpu.astro.sites import SITES
from km3gpu.errors import UnknownNameError

__all__ = [
    "LOCATIONS",
    "UTM",
    "ParticleFrame",
    "convergence_angle",
    "get_location",
    "longitude_of_central_meridian",
    "utm_zone",
]

LOCATIONS = {name: earth_location(name) for name in SITES}


def get_location(location: str) -> EarthLocation:
    """Give the location of a detector: ``"arca"``, ``"orca"`` or ``"antares"``.

    Raises
    ------
    UnknownNameError
        No such detector (a KeyError, as in km3astro).
    """
    try:
        return LOCATIONS[location.lower()]
    except (KeyError, AttributeError):
        raise UnknownNameError.of("location", str(location), LOCATIONS) from None


def convergence_angle(lat: float, lon: float) -> float:
    """Give the meridian convergence on the UTM grid [rad], exactly.

    km3astro subtracts the higher terms, which ought to be added; its own number is
    `km3gpu.astro.aanet.convergence`.  As there, latitudes beyond those of UTM (80 degrees
    South to 84 degrees North) have one too.

    Parameters
    ----------
    lat, lon : float
        Radians.
    """
    return utm.from_geodetic(float(lat), float(lon))[2]


def utm_zone(lat: float) -> int:
    """Give the UTM zone of a longitude [rad] (which km3astro calls `lat`)."""
    return utm.zone_of(lat)


def longitude_of_central_meridian(utmzone: int) -> float:
    """Give the longitude of the middle of a UTM zone [rad]."""
    return utm.central_meridian(utmzone)


class ParticleFrame(TrackFrame):
    """Where neutrinos travel to: phi and theta."""

    name = "particleframe"
    location = LocationAttribute(default=get_location("arca"))


class UTM(LocalFrame):
    """Where neutrinos come from: azimuth (from grid East to grid North) and zenith."""

    name = "utm"
    location = LocationAttribute(default=get_location("arca"))

    @property
    def alt_utm(self) -> Angle:
        """Altitude."""
        return Angle(math.pi / 2 - self.zenith.rad, "rad")


def _as(native: type, coord: Any) -> Any:
    return native(coord.data, obstime=coord.obstime, location=coord.location)


def _leave(native: type) -> Any:
    def transform(coord: Any, frame: Any) -> Any:
        here = _as(native, coord)
        return here if frame.obstime is None or frame.location is None else here.transform_to(frame)

    return transform


def _enter(native: type) -> Any:
    def transform(coord: Any, frame: Any) -> Any:
        there = coord.transform_to(_as_empty(native, frame))
        return frame.realize_frame(there.data)

    return transform


def _move(native: type) -> Any:
    def transform(coord: Any, frame: Any) -> Any:
        return frame.realize_frame(_as(native, coord).transform_to(_as_empty(native, frame)).data)

    return transform


def _as_empty(native: type, frame: Any) -> Any:
    return native(obstime=frame.obstime, location=frame.location)


for _old, _new in ((UTM, LocalFrame), (ParticleFrame, TrackFrame)):
    for _from, _to, _make in ((_old, _new, _leave), (_new, _old, _enter), (_old, _old, _move)):
        frame_transform_graph.add_transform(_from, _to, FunctionTransform(_make(_new), _from, _to))
