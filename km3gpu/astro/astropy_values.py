"""Sites and times as astropy's locations and times, and back."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Attribute, EarthLocation
from astropy.time import Time

from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.astro.times import DAY_NS
from km3gpu.errors import FormatError

__all__ = ["LocationAttribute", "astropy_time", "earth_location", "site_at"]


def earth_location(place: Site | str) -> EarthLocation:
    """Give a site as astropy's location.

    Parameters
    ----------
    place : Site or str
    """
    return EarthLocation.from_geocentric(*_site(place).ecef, unit=u.m)


def site_at(location: Any) -> Site:
    """Give astropy's location as a site, with axes along the UTM grid of its standard zone.

    Parameters
    ----------
    location : EarthLocation, Site or str

    Raises
    ------
    FormatError
        It is more than one location, or none.
    """
    if isinstance(location, (Site, str)):
        return _site(location)
    if not isinstance(location, EarthLocation) or not location.isscalar:
        raise FormatError(
            f"{location!r} is not the location of a detector",
            remedy="give one EarthLocation, a Site, or 'arca', 'orca', 'antares'",
        )
    for known in map(_site, ("arca", "orca", "antares")):
        # exactly that one: latitude and longitude from ECEF have lost a digit
        if np.allclose(known.ecef, [c.to_value(u.m) for c in location.geocentric], rtol=0, atol=1e-6):
            return known
    geodetic = location.geodetic
    return Site.from_geodetic(
        geodetic.lat.rad, geodetic.lon.wrap_at(180 * u.deg).rad, geodetic.height.to_value(u.m)
    )


class LocationAttribute(Attribute):  # type: ignore[misc]
    """A location; sites and their names will do."""

    def convert_input(self, value: Any) -> tuple[Any, bool]:
        """Give the location, and whether it was something else before."""
        if value is None or isinstance(value, EarthLocation):
            return value, False
        if isinstance(value, (Site, str)):
            return earth_location(value), True
        if hasattr(value, "represent_as"):  # what astropy hands over between frames
            itrs = value.cartesian.xyz
            return EarthLocation.from_geocentric(*itrs), True
        raise FormatError(f"{value!r} is not the location of a detector")


def astropy_time(time_ns: Any) -> Time:
    """Give UTC ns since 1970 as astropy's Time, to the nanosecond."""
    # days and the rest apart: a float64 of seconds is only good to 0.2 us, and days with a
    # leap second must not be stretched
    days, rest = np.divmod(time_ns, DAY_NS)
    return Time(2_440_587.5 + days, 0.0, format="jd", scale="utc") + rest * u.ns
