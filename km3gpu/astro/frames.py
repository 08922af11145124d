"""Frames of a detector for astropy: `SkyCoord` in, `SkyCoord` out.

Importing this module registers them with astropy.  They go to ICRS and back by the
bulk kernels, and from there to every other frame of astropy; from one detector or
time to another always through the sky.

>>> from astropy.coordinates import SkyCoord
>>> from km3gpu.astro.frames import LocalFrame
>>> here = LocalFrame(obstime="2022-10-25T12:00:00", location="orca")
>>> crab = SkyCoord("05h34m31.9s +22d00m52s").transform_to(here)
>>> round(float(crab.zenith.deg), 2)
103.51
"""

from __future__ import annotations

from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from astropy.coordinates import (
    ICRS,
    AltAz,
    BaseCoordinateFrame,
    CartesianRepresentation,
    EarthLocation,
    FunctionTransform,
    PhysicsSphericalRepresentation,
    RepresentationMapping,
    SkyCoord,
    TimeAttribute,
    UnitSphericalRepresentation,
    frame_transform_graph,
)

from km3gpu.astro import transform as _transform
from km3gpu.astro.astropy_values import LocationAttribute, astropy_time, earth_location, site_at
from km3gpu.astro.horizontal import horizontal_to_local, local_to_horizontal
from km3gpu.astro.sites import Site
from km3gpu.astro.times import utc_ns
from km3gpu.errors import FormatError

__all__ = [
    "LocalFrame",
    "LocationAttribute",
    "TrackFrame",
    "astropy_time",
    "earth_location",
    "local_direction",
    "site_at",
    "sky_coord",
]


class LocalFrame(BaseCoordinateFrame):  # type: ignore[misc]
    """Where things are as a detector sees them: azimuth and zenith.

    Parameters
    ----------
    azimuth : angle
        From grid East (the detector's x) to grid North (y).
    zenith : angle
        0 above, 180 degrees below.
    obstime : Time
    location : EarthLocation, Site or str
    """

    name = "km3netlocal"
    default_representation = PhysicsSphericalRepresentation
    frame_specific_representation_info: ClassVar[dict[Any, Any]] = {
        PhysicsSphericalRepresentation: [
            RepresentationMapping("phi", "azimuth"),
            RepresentationMapping("theta", "zenith"),
        ]
    }
    obstime = TimeAttribute(default=None)
    location = LocationAttribute(default=None)
    _angles = ("azimuth", "zenith")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _with_distance(self._angles, kwargs)
        super().__init__(*args, **kwargs)


class TrackFrame(BaseCoordinateFrame):  # type: ignore[misc]
    """Where particles travel to in a detector: phi and theta.

    Parameters
    ----------
    phi : angle
        From the detector's x to its y.
    theta : angle
        From its z: 0 for what travels up.
    obstime : Time
    location : EarthLocation, Site or str
    """

    name = "km3nettrack"
    default_representation = PhysicsSphericalRepresentation
    obstime = TimeAttribute(default=None)
    location = LocationAttribute(default=None)
    _angles = ("phi", "theta")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _with_distance(self._angles, kwargs)
        super().__init__(*args, **kwargs)


def _with_distance(names: tuple[str, str], kwargs: dict[str, Any]) -> None:
    # astropy's physicists' sphere always has a radius; directions have none
    if all(kwargs.get(n) is not None for n in names) and "r" not in kwargs:
        shape = np.broadcast_shapes(*(np.shape(getattr(kwargs[n], "value", kwargs[n])) for n in names))
        kwargs["r"] = np.ones(shape) * u.one


def sky_coord(
    time: Any, dx: Any, dy: Any, dz: Any, site: Site | str | EarthLocation, frame: str = "icrs"
) -> SkyCoord:
    """Give where events come from as a `SkyCoord`, with their ``obstime``.

    Parameters
    ----------
    time : Time, datetime64 or (n,) int64 array
        int64 is UTC ns since 1970.
    dx, dy, dz : (n,) arrays
        Unit vectors along which the particles travel, in the detector's axes.
    site : Site, str or EarthLocation
    frame : {"icrs", "galactic"}

    Returns
    -------
    SkyCoord
        It keeps ``obstime`` and ``location``, which astropy carries along.
    """
    ns = utc_ns(time)
    place = site_at(site)
    longitude, latitude = _transform.local_to_sky(ns, dx, dy, dz, place, frame=frame)
    return SkyCoord(
        longitude * u.rad,
        latitude * u.rad,
        frame=frame,
        obstime=astropy_time(ns),
        location=earth_location(place),
    )


def local_direction(coord: Any, time: Any, site: Site | str | EarthLocation) -> tuple[Any, Any, Any]:
    """Give the directions in which particles from a place on the sky travel in a detector.

    Parameters
    ----------
    coord : SkyCoord or frame
        Anything that goes to ICRS.
    time : Time, datetime64 or int64 array
        int64 is UTC ns since 1970.
    site : Site, str or EarthLocation

    Returns
    -------
    dx, dy, dz : (n,) float64 arrays
    """
    icrs = coord.transform_to(ICRS())
    return _transform.icrs_to_local(utc_ns(time), icrs.ra.rad, icrs.dec.rad, site_at(site))


def _of(frame: Any) -> tuple[Any, Site]:
    if frame.obstime is None or frame.location is None:
        missing = "obstime" if frame.obstime is None else "location"
        raise FormatError(
            f"a {type(frame).__name__} without {missing} does not know where it looks",
            remedy=f"make it with {missing}=...",
        )
    return utc_ns(frame.obstime), site_at(frame.location)


def _vector(coord: Any) -> Any:
    xyz = coord.cartesian.xyz
    return (xyz / np.sqrt((xyz**2).sum(axis=0))).to_value(u.one)


def _sphere(x: Any, y: Any, z: Any) -> Any:
    return CartesianRepresentation(x, y, z, unit=u.one).represent_as(PhysicsSphericalRepresentation)


def _same(a: Any, b: Any) -> bool:
    if a.obstime is None or b.obstime is None or a.location is None or b.location is None:
        return False
    try:
        return bool(np.all(a.obstime == b.obstime)) and bool(np.all(a.location == b.location))
    except ValueError:  # times of shapes that do not go together
        return False


def _local_to_icrs(coord: Any, frame: Any) -> Any:
    time_ns, place = _of(coord)
    dx, dy, dz = -_vector(coord)
    ra, dec = _transform.local_to_icrs(time_ns, dx, dy, dz, place)
    return frame.realize_frame(UnitSphericalRepresentation(ra * u.rad, dec * u.rad))


def _icrs_to_local(coord: Any, frame: Any) -> Any:
    time_ns, place = _of(frame)
    dx, dy, dz = _transform.icrs_to_local(time_ns, coord.ra.rad, coord.dec.rad, place)
    return frame.realize_frame(_sphere(-dx, -dy, -dz))


def _local_to_local(coord: Any, frame: Any) -> Any:
    if _same(coord, frame):
        return frame.realize_frame(coord.data)
    return coord.transform_to(ICRS()).transform_to(frame)


def _track_to_local(coord: Any, frame: Any) -> Any:
    here = LocalFrame(_sphere(*-_vector(coord)), obstime=coord.obstime, location=coord.location)
    return here.transform_to(frame)


def _local_to_track(coord: Any, frame: Any) -> Any:
    there = coord.transform_to(LocalFrame(obstime=frame.obstime, location=frame.location))
    return frame.realize_frame(_sphere(*-_vector(there)))


def _track_to_track(coord: Any, frame: Any) -> Any:
    if _same(coord, frame):
        return frame.realize_frame(coord.data)
    return coord.transform_to(ICRS()).transform_to(frame)


def _local_to_altaz(coord: Any, frame: Any) -> Any:
    if frame.obstime is None or not _same(coord, frame):
        return coord.transform_to(ICRS()).transform_to(frame)
    dx, dy, dz = -_vector(coord)
    azimuth, altitude = local_to_horizontal(dx, dy, dz, site_at(coord.location))
    return frame.realize_frame(UnitSphericalRepresentation(azimuth * u.rad, altitude * u.rad))


def _altaz_to_local(coord: Any, frame: Any) -> Any:
    if not _same(coord, frame):
        return coord.transform_to(ICRS()).transform_to(frame)
    dx, dy, dz = horizontal_to_local(coord.az.rad, coord.alt.rad, site_at(frame.location))
    return frame.realize_frame(_sphere(-dx, -dy, -dz))


for _function, _from, _to in (
    (_local_to_icrs, LocalFrame, ICRS),
    (_icrs_to_local, ICRS, LocalFrame),
    (_local_to_local, LocalFrame, LocalFrame),
    (_track_to_local, TrackFrame, LocalFrame),
    (_local_to_track, LocalFrame, TrackFrame),
    (_track_to_track, TrackFrame, TrackFrame),
    (_local_to_altaz, LocalFrame, AltAz),
    (_altaz_to_local, AltAz, LocalFrame),
):
    frame_transform_graph.add_transform(_from, _to, FunctionTransform(_function, _from, _to))
