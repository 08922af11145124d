"""The Sun, the Moon and the Galactic centre, by the names of km3astro."""

from __future__ import annotations

from typing import Any

import astropy.units as u
from astropy.coordinates import AltAz, SkyCoord, get_body, get_sun
from astropy.time import Time

from km3gpu.astro.bodies import body_to_local
from km3gpu.astro.frames import site_at
from km3gpu.astro.horizontal import local_to_horizontal
from km3gpu.astro.times import utc_ns
from km3gpu.compat.km3astro.frame import get_location
from km3gpu.compat.km3astro.sources import GALACTIC_CENTER
from km3gpu.compat.km3astro.time import np_to_astrotime

__all__ = ["Moon", "Sun", "gc_in_local", "local_frame", "moon_local", "sun_local"]


def Sun(time: Any) -> SkyCoord:
    """Give the Sun as seen from the Earth's centre, at an astropy or numpy time."""
    return get_sun(_time(time))


def Moon(time: Any) -> SkyCoord:
    """Give the Moon as seen from the Earth's centre, at an astropy or numpy time."""
    return get_body("moon", _time(time))


def local_frame(time: Any, location: str) -> AltAz:
    """Give the horizontal frame of a detector."""
    return AltAz(obstime=_time(time), location=get_location(location))


def sun_local(time: Any, loc: str) -> SkyCoord:
    """Give the Sun as the detector sees it (topocentric)."""
    return _body_local("sun", time, loc)


def moon_local(time: Any, loc: str) -> SkyCoord:
    """Give the Moon as the detector sees it (topocentric)."""
    return _body_local("moon", time, loc)


def gc_in_local(time: Any, loc: str) -> SkyCoord:
    """Give the Galactic centre as the detector sees it."""
    return GALACTIC_CENTER.transform_to(local_frame(time, loc))


def _time(time: Any) -> Time:
    return time if isinstance(time, Time) else np_to_astrotime(time)


def _body_local(body: str, time: Any, location: str) -> SkyCoord:
    frame = local_frame(time, location)
    site = site_at(frame.location)
    dx, dy, dz = body_to_local(body, utc_ns(frame.obstime), site)
    azimuth, altitude = local_to_horizontal(dx, dy, dz, site)
    return SkyCoord(az=azimuth * u.rad, alt=altitude * u.rad, frame=frame)
