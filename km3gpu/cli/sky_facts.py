"""What the commands of ``km3gpu sky`` say, as plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from km3gpu import astro
from km3gpu.astro.separation import body_separation, separation
from km3gpu.astro.sources import Source, SourceList, bundled
from km3gpu.astro.tables import FIRST_NS, LAST_NS, table_for
from km3gpu.astro.times import to_datetime64
from km3gpu.astro.visibility import Livetime, visibility
from km3gpu.errors import ConfigError, FormatError

__all__ = ["event", "site_of", "source", "sources_of", "time_of", "visibility_of"]


def site_of(site: str | None, detector: str | None) -> astro.Site:
    """Give the site that the options name.

    Raises
    ------
    ConfigError
        Neither or both of them are given, or the detector has no UTM reference.
    """
    if (site is None) == (detector is None):
        raise ConfigError(
            "nothing, or more than one thing, says where the detector is",
            remedy="give --site arca, or --detector FILE",
        )
    if site is not None:
        return astro.site(site)
    from km3gpu.stages.locate import Locate

    return Locate(detector=detector).where()


def time_of(text: str | None) -> int:
    """Read a time, UTC; now where there is none.

    Raises
    ------
    FormatError
        It is no time, or before 1972 or after 2099.
    """
    if text is None:
        return int(np.datetime64("now", "ns").astype(np.int64))
    try:
        stamp: Any = np.datetime64(text.strip().removesuffix("Z"), "ns")
    except ValueError:
        stamp = None
    if stamp is not None and not np.isnat(stamp):
        ns = int(stamp.astype(np.int64))
        if FIRST_NS <= ns < LAST_NS:
            return ns
        raise FormatError(
            f"{text!r} is not within 1972 to 2099", remedy="UTC has its present form since 1972"
        )
    raise FormatError(f"{text!r} is no time", remedy="write 2022-10-25T12:00:00 (UTC)")


def sources_of(names: list[str], path: str | None) -> SourceList:
    """Give the sources named, of a file or of those that km3gpu brings; all for no names."""
    every = bundled() if path is None else SourceList.open(path)
    if not names:
        return every
    found = [every[n] for n in names]
    return SourceList(
        tuple(s.name for s in found), np.array([s.ra for s in found]), np.array([s.dec for s in found])
    )


def event(time_ns: int, direction: tuple[Any, Any, Any], site: astro.Site) -> dict[str, Any]:
    """Say where on the sky an event comes from, and what is near it (degrees)."""
    dx, dy, dz = direction
    ra, dec = astro.local_to_icrs(time_ns, dx, dy, dz, site)
    name, near = _nearest(float(ra), float(dec))
    azimuth, zenith = astro.azimuth_zenith(dx, dy, dz)
    true_azimuth, altitude = astro.local_to_horizontal(dx, dy, dz, site)
    return {
        "time": f"{to_datetime64(time_ns)}Z",
        "site": _site(site),
        "azimuth": _degrees(azimuth),
        "zenith": _degrees(zenith),
        "true_azimuth": _degrees(true_azimuth),
        "altitude": _degrees(altitude),
        **_position(float(ra), float(dec)),
        "sun": _degrees(body_separation("sun", time_ns, dx, dy, dz, site)),
        "moon": _degrees(body_separation("moon", time_ns, dx, dy, dz, site)),
        "nearest_source": name,
        "nearest_separation": near,
        **_record(time_ns),
    }


def source(
    which: Source, time_ns: int, site: astro.Site, zenith: tuple[float, float], livetime: Livetime | None
) -> dict[str, Any]:
    """Say where a source stands in a detector, and how long it is in view (degrees)."""
    d = astro.icrs_to_local(time_ns, which.ra, which.dec, site)
    azimuth, angle = astro.azimuth_zenith(*d)
    true_azimuth, altitude = astro.local_to_horizontal(d[0], d[1], d[2], site)
    return {
        "name": which.name,
        **_position(which.ra, which.dec),
        "time": f"{to_datetime64(time_ns)}Z",
        "site": _site(site),
        "azimuth": _degrees(azimuth),
        "zenith": _degrees(angle),
        "true_azimuth": _degrees(true_azimuth),
        "altitude": _degrees(altitude),
        "in_view": bool(zenith[0] <= float(angle) <= zenith[1]),
        **visibility_of(which, site, zenith, livetime),
        "sun": _degrees(body_separation("sun", time_ns, *d, site)),
        "moon": _degrees(body_separation("moon", time_ns, *d, site)),
        **_record(time_ns),
    }


def visibility_of(
    which: Source, site: astro.Site, zenith: tuple[float, float], livetime: Livetime | None
) -> dict[str, Any]:
    """Say how long a source is in view."""
    found = {"visible_fraction": float(visibility(which.dec, site, zenith))}
    if livetime is not None:
        seconds = float(livetime.in_view(which.ra, which.dec, site, zenith))
        found |= {"visible_seconds": seconds, "livetime_fraction": seconds / livetime.total}
    return found


def _position(ra: float, dec: float) -> dict[str, Any]:
    longitude, latitude = astro.turned((ra, dec), "galactic")
    return {
        "ra": math.degrees(ra),
        "dec": math.degrees(dec),
        "l": _degrees(longitude),
        "b": _degrees(latitude),
    }


def _nearest(ra: float, dec: float) -> tuple[str, float]:
    every = bundled()
    angle = separation((ra, dec), (every.ra, every.dec))
    best = int(np.argmin(angle))
    return every.names[best], math.degrees(float(angle[best]))


def _site(site: astro.Site) -> dict[str, Any]:
    return {
        "name": site.name,
        "latitude": math.degrees(site.latitude),
        "longitude": math.degrees(site.longitude),
        "utm": [site.easting, site.northing, site.z, site.zone],
        "convergence": math.degrees(site.convergence),
    }


def _record(time_ns: int) -> dict[str, Any]:
    record = table_for(np.array([time_ns])).record(time_ns, time_ns)
    kind = "outside" if record["degraded"] else ("predicted" if record["days_predicted"] else "measured")
    return {"earth_orientation": kind, "iers": record["iers"]}


def _degrees(angle: Any) -> float:
    return math.degrees(float(angle))
