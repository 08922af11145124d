"""Events between frames, by the names of km3astro.

``phi`` and ``theta`` are where a neutrino travels to, ``azimuth`` and ``zenith`` where
it comes from; radians by default.
"""

from __future__ import annotations

import numbers
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import ICRS, AltAz, Angle, SkyCoord
from astropy.time import Time

from km3gpu.astro.frames import site_at
from km3gpu.compat.km3astro.bodies import Moon, Sun, gc_in_local, local_frame, moon_local, sun_local
from km3gpu.compat.km3astro.frame import UTM, ParticleFrame, convergence_angle, get_location
from km3gpu.compat.km3astro.random import random_azimuth, random_date
from km3gpu.errors import ConfigError, KernelError, UnknownNameError
from km3gpu.extras import require

__all__ = [
    "Event",
    "Moon",
    "Sun",
    "build_event",
    "convergence_angle",
    "gc_in_local",
    "get_location",
    "local_event",
    "local_frame",
    "moon_local",
    "neutrino_to_source_direction",
    "source_to_neutrino_direction",
    "sun_local",
    "transform_to",
    "transform_to_new_frame",
]

_FRAMES = ("ParticleFrame", "UTM", "altaz", "equatorial", "galactic")
_NEEDED = {
    "ParticleFrame": "date, time, theta, phi, unit, detector",
    "UTM": "date, time, azimuth, zenith, unit, detector",
    "equatorial": "date, time, ra, dec",
    "galactic": "date, time, l, b",
}
_COLUMNS = {
    "ParticleFrame": ("theta", "phi"),
    "UTM": ("azimuth", "zenith"),
    "equatorial": ("RA-J2000", "DEC-J2000"),
    "galactic": ("gal_lon", "gal_lat"),
}
_DUMMY = 100 * u.m  # km3astro gives directions this distance; it means nothing


def neutrino_to_source_direction(phi: Any, theta: Any, radian: bool = True) -> tuple[Any, Any]:
    """Give azimuth and zenith of where a neutrino comes from.

    Parameters
    ----------
    phi, theta : float or (n,) arrays
        Where it travels to.
    radian : bool
        Take and give radians, else degrees.

    Returns
    -------
    azimuth, zenith : (n,) float64 arrays

    Raises
    ------
    KernelError
        Angles beyond a full turn; the first row is named.
    """
    half = np.pi if radian else 180.0
    phi, theta = (np.atleast_1d(np.asarray(a, np.float64)) for a in (phi, theta))
    bad = np.broadcast_arrays((phi > 2 * half) | (theta > half))[0].ravel()
    if bad.any():
        row = int(bad.argmax())
        values = [float(a.ravel()[min(row, a.size - 1)]) for a in (phi, theta)]
        raise KernelError(
            f"phi {values[0]!r}, theta {values[1]!r} of row {row} are no angles in "
            + ("radians" if radian else "degrees"),
            remedy="radian=False takes degrees",
        )
    return (phi + half) % (2 * half), half - theta


def source_to_neutrino_direction(azimuth: Any, zenith: Any, radian: bool = True) -> tuple[Any, Any]:
    """Give phi and theta of where a neutrino travels to: the inverse of `neutrino_to_source_direction`."""
    half = np.pi if radian else 180.0
    azimuth, zenith = (np.atleast_1d(np.asarray(a, np.float64)) for a in (azimuth, zenith))
    return (azimuth - half) % (2 * half), half - zenith


def local_event(
    theta: Any, phi: Any, time: Any, location: str, radian: bool = True, **kwargs: Any
) -> SkyCoord:
    """Give where neutrinos come from, as a `SkyCoord` in the horizontal frame of the detector.

    Parameters
    ----------
    theta, phi : float or (n,) arrays
        Where they travel to.
    time : astropy or numpy time
    location : str
        ``"arca"``, ``"orca"`` or ``"antares"``.
    radian : bool
        The angles are in radians, else in degrees.
    **kwargs
        For `SkyCoord`.
    """
    azimuth, zenith = neutrino_to_source_direction(phi, theta, radian)
    if not radian:
        azimuth, zenith = np.radians(azimuth), np.radians(zenith)
    site = site_at(get_location(location))
    true_azimuth = (np.pi / 2 - azimuth + site.convergence) % (2 * np.pi)
    frame = local_frame(time, location)
    return SkyCoord(alt=(np.pi / 2 - zenith) * u.rad, az=true_azimuth * u.rad, frame=frame, **kwargs)


class Event:
    """Zenith, azimuth, time and location of events.

    Parameters
    ----------
    zenith, azimuth : (n,) arrays
    time : times
    location : str
    """

    def __init__(self, zenith: Any, azimuth: Any, time: Any, location: str) -> None:
        self.zenith, self.azimuth, self.time, self.location = zenith, azimuth, time, location

    @classmethod
    def from_zenith(cls, zenith: Any, **initargs: Any) -> Event:
        """Make events of these zenith angles at random azimuths and times."""
        zenith = np.atleast_1d(zenith)
        return cls(zenith, random_azimuth(len(zenith)), random_date(len(zenith)), **initargs)


def build_event(Cframe: str, *args: Any) -> SkyCoord:
    """Build one event, or events from arrays of the same length.

    Parameters
    ----------
    Cframe : {"ParticleFrame", "UTM", "equatorial", "galactic"}
    *args
        date ("2022-10-25"), time ("12:00:00"), then: theta, phi, unit, detector; azimuth,
        zenith, unit, detector; ra, dec; or l, b.  Numbers in `unit` or degrees; text is
        sexagesimal, hours for the first angle and degrees for the second.

    Raises
    ------
    UnknownNameError
        No such frame or detector.
    ConfigError
        Arguments are missing (a ValueError; km3astro raised TypeError).
    """
    if Cframe not in _NEEDED:
        raise UnknownNameError.of("frame", str(Cframe), _NEEDED)
    needed = _NEEDED[Cframe]
    if len(args) < needed.count(",") + 1:
        raise ConfigError(f"{len(args)} arguments are not enough for {Cframe}", remedy=f"give {needed}")
    date, clock = (np.atleast_1d(np.asarray(a, str)) for a in args[:2])
    stamps = np.char.add(np.char.add(date, "T"), clock)
    when = Time(stamps if np.ndim(args[0]) else str(stamps[0]))
    if Cframe in ("ParticleFrame", "UTM"):
        unit = u.deg if args[4] == "deg" else u.rad
        first, second = (np.asarray(a, np.float64) * unit for a in args[2:4])
        where = {"obstime": when, "location": get_location(args[5]), "r": np.ones(first.shape) * _DUMMY}
        if Cframe == "UTM":
            return SkyCoord(frame=UTM, azimuth=first, zenith=second, **where)
        return SkyCoord(frame=ParticleFrame, theta=first, phi=second, **where)
    first, second = _angle(args[2], u.hourangle), _angle(args[3], u.deg)
    if Cframe == "galactic":
        return SkyCoord(frame="galactic", l=first, b=second, obstime=when)
    return SkyCoord(frame=ICRS, ra=first, dec=second, obstime=when)


def transform_to(Skycoord: SkyCoord, frame_to: str, detector_to: str = "antares") -> SkyCoord:
    """Transform events to another frame, of any detector: through the sky.

    Parameters
    ----------
    Skycoord : SkyCoord
        With ``obstime``.
    frame_to : {"ParticleFrame", "UTM", "altaz", "equatorial", "galactic"}
    detector_to : str
        Of the first three.

    Raises
    ------
    UnknownNameError
        No such frame or detector.
    """
    where = {"obstime": Skycoord.obstime, "location": get_location(detector_to)}
    frames: dict[str, Any] = {
        "ParticleFrame": lambda: ParticleFrame(**where),
        "UTM": lambda: UTM(**where),
        "altaz": lambda: AltAz(**where),
        "equatorial": lambda: ICRS,
        "galactic": lambda: "galactic",
    }
    if frame_to not in frames:
        raise UnknownNameError.of("frame", str(frame_to), _FRAMES)
    return Skycoord.transform_to(frames[frame_to]())


def transform_to_new_frame(
    table: Any, frame: str, frame_to: str, detector: str = "antares", detector_to: str = "antares"
) -> Any:
    """Transform a table of events, all at once.

    Parameters
    ----------
    table : pandas.DataFrame
        ``date, time`` and ``theta, phi``; ``azimuth, zenith``; ``RA-J2000, DEC-J2000``; or
        ``gal_lon, gal_lat``; numbers in degrees.
    frame, frame_to : str
        As for `build_event` and `transform_to`.
    detector, detector_to : str
        Of the two frames.

    Returns
    -------
    pandas.DataFrame
        A `SkyCoord` per row in ``SkyCoord_base`` and ``SkyCoord_new``.

    Raises
    ------
    UnknownNameError
        No such frame or detector, or the table lacks a column.
    """
    pandas = require("pandas", "astro")
    base = events_of(table, frame, detector)
    new = transform_to(base, frame_to, detector_to)
    return pandas.DataFrame({"SkyCoord_base": list(base), "SkyCoord_new": list(new)}, index=table.index)


def events_of(table: Any, frame: str, detector: str = "antares") -> SkyCoord:
    """Build the events of a table; see `transform_to_new_frame`."""
    if frame not in _COLUMNS:
        raise UnknownNameError.of("frame", str(frame), _COLUMNS)
    names = ("date", "time", *_COLUMNS[frame])
    for name in names:
        if name not in table:
            raise UnknownNameError.of("column", name, map(str, table), where="the table of events")
    columns = [table[name].to_list() for name in names]
    return build_event(frame, *columns, "deg", detector)


def _angle(value: Any, unit_of_text: Any) -> Angle:
    first = np.asarray(value).ravel()[0] if np.size(value) else 0.0
    if isinstance(first, str):
        return Angle(value, unit=unit_of_text)
    if isinstance(first, numbers.Number):
        return Angle(np.asarray(value, np.float64), unit=u.deg)
    return Angle(value)
