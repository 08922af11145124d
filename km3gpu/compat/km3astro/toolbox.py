"""Shorthands between frames, by the names of km3astro; angles in degrees."""

from __future__ import annotations

import sys
from typing import Any

from astropy.coordinates import SkyCoord

from km3gpu.compat.km3astro.coord import build_event, events_of, transform_to, transform_to_new_frame
from km3gpu.errors import ConfigError, FormatError
from km3gpu.extras import require

__all__ = [
    "Skycoord_breaker",
    "build_skycoord_list",
    "eq_to_gal",
    "eq_to_loc",
    "eq_to_utm",
    "get_alt_az",
    "get_az_zenith",
    "get_frame_name",
    "get_l_b",
    "get_obstime",
    "get_phi_theta",
    "get_ra_dec",
    "global_transform",
    "loc_to_eq",
    "loc_to_gal",
    "loc_to_utm",
    "print_Skycoord",
    "print_eq_to_gal",
    "print_eq_to_loc",
    "print_eq_to_utm",
    "print_loc_to_eq",
    "print_loc_to_gal",
    "print_loc_to_utm",
    "reader_from_file",
    "split_date_time",
    "transform_file",
]

_ANGLES = {
    "utm": ("azimuth", "zenith"),
    "particleframe": ("phi", "theta"),
    "altaz": ("alt", "az"),
    "icrs": ("ra", "dec"),
    "fk5": ("ra", "dec"),
    "galactic": ("l", "b"),
}
_COLUMNS = {
    "galactic": ("gal_lon", "gal_lat"),
    "icrs": ("ra", "dec"),
    "utm": ("az", "ze"),
    "particleframe": ("phi", "theta"),
}


def get_az_zenith(SC: SkyCoord, detector: str = "antares", unit: str = "deg") -> tuple[Any, Any]:
    """Give azimuth and zenith of a coordinate in the frame UTM; `detector` has no part in it."""
    return _pair(SC, ("utm",), unit)


def get_phi_theta(SC: SkyCoord, detector: str = "antares", unit: str = "deg") -> tuple[Any, Any]:
    """Give phi and theta of a coordinate in the frame ParticleFrame; `detector` has no part in it."""
    return _pair(SC, ("particleframe",), unit)


def get_alt_az(SC: SkyCoord, unit: str = "deg") -> tuple[Any, Any]:
    """Give altitude and true azimuth of a horizontal coordinate."""
    return _pair(SC, ("altaz",), unit)


def get_ra_dec(SC: SkyCoord, unit: str = "deg") -> tuple[Any, Any]:
    """Give right ascension and declination; with ``unit="hourangle"`` the first as text, in hours."""
    if unit == "hourangle":
        _check_frame(SC, ("icrs", "fk5"))
        return SC.ra.to_string(unit="hourangle"), SC.dec
    return _pair(SC, ("icrs", "fk5"), unit)


def get_l_b(SC: SkyCoord, unit: str = "deg") -> tuple[Any, Any]:
    """Give galactic longitude and latitude."""
    return _pair(SC, ("galactic",), unit)


def global_transform(frame_from: str, frame_to: str, *args: Any) -> SkyCoord:
    """Build an event (see `coord.build_event`) and transform it.

    For the frames UTM and ParticleFrame the sixth argument is the detector.
    """
    detector = args[5] if len(args) > 5 else "orca"
    return transform_to(build_event(frame_from, *args), frame_to, detector)


def eq_to_utm(ra: Any, dec: Any, date: str, time: str, det: str) -> SkyCoord:
    """Turn right ascension and declination into azimuth and zenith of a detector."""
    return global_transform("equatorial", "UTM", date, time, ra, dec, "deg", det)


def eq_to_loc(ra: Any, dec: Any, date: str, time: str, det: str) -> SkyCoord:
    """Turn right ascension and declination into phi and theta of a detector."""
    return global_transform("equatorial", "ParticleFrame", date, time, ra, dec, "deg", det)


def eq_to_gal(ra: Any, dec: Any, date: str, time: str) -> SkyCoord:
    """Turn right ascension and declination into galactic coordinates."""
    return global_transform("equatorial", "galactic", date, time, ra, dec)


def loc_to_eq(phi: Any, theta: Any, date: str, time: str, det: str) -> SkyCoord:
    """Turn phi and theta of a detector into right ascension and declination."""
    return global_transform("ParticleFrame", "equatorial", date, time, theta, phi, "deg", det)


def loc_to_utm(phi: Any, theta: Any, date: str, time: str, det: str) -> SkyCoord:
    """Turn phi and theta of a detector into azimuth and zenith of it."""
    return global_transform("ParticleFrame", "UTM", date, time, theta, phi, "deg", det)


def loc_to_gal(phi: Any, theta: Any, date: str, time: str, det: str) -> SkyCoord:
    """Turn phi and theta of a detector into galactic coordinates."""
    return global_transform("ParticleFrame", "galactic", date, time, theta, phi, "deg", det)


def print_eq_to_utm(ra: Any, dec: Any, date: str, time: str, det: str) -> None:
    """Print azimuth and zenith; see `eq_to_utm`."""
    _print(get_az_zenith(eq_to_utm(ra, dec, date, time, det)))


def print_eq_to_loc(ra: Any, dec: Any, date: str, time: str, det: str) -> None:
    """Print phi and theta; see `eq_to_loc`."""
    _print(get_phi_theta(eq_to_loc(ra, dec, date, time, det)))


def print_eq_to_gal(ra: Any, dec: Any, date: str, time: str) -> None:
    """Print l and b; see `eq_to_gal`."""
    _print(get_l_b(eq_to_gal(ra, dec, date, time)))


def print_loc_to_eq(phi: Any, theta: Any, date: str, time: str, det: str) -> None:
    """Print right ascension and declination; see `loc_to_eq`."""
    _print(get_ra_dec(loc_to_eq(phi, theta, date, time, det)))


def print_loc_to_utm(phi: Any, theta: Any, date: str, time: str, det: str) -> None:
    """Print azimuth and zenith; see `loc_to_utm`."""
    _print(get_az_zenith(loc_to_utm(phi, theta, date, time, det)))


def print_loc_to_gal(phi: Any, theta: Any, date: str, time: str, det: str) -> None:
    """Print l and b; see `loc_to_gal`."""
    _print(get_l_b(loc_to_gal(phi, theta, date, time, det)))


def print_Skycoord(SkyCoord: Any) -> None:
    """Print a coordinate."""
    sys.stdout.write(f"{SkyCoord}\n")


def reader_from_file(file: Any) -> Any:
    """Read a CSV file with comments (``#``) into a pandas DataFrame."""
    return require("pandas", "astro").read_csv(file, comment="#")


def get_frame_name(SC: SkyCoord) -> str:
    """Give the name of a coordinate's frame."""
    return str(SC.frame.name)


def get_obstime(SC: SkyCoord) -> Any:
    """Give the time of a coordinate."""
    return SC.obstime


def split_date_time(dt: Any) -> Any:
    """Give date and time of an astropy Time as a pandas Series of two texts."""
    return require("pandas", "astro").Series(dt.fits.split("T", 1))


def Skycoord_breaker(data_SC: Any) -> Any:
    """Take coordinates apart into a table of date, time and two angles [deg].

    Parameters
    ----------
    data_SC : pandas.DataFrame, or a list of one Series
        With the coordinates in ``SkyCoord_new``, all of one frame.

    Raises
    ------
    ConfigError
        They are of several frames, or of one that has no table.
    """
    pandas = require("pandas", "astro")
    if isinstance(data_SC, pandas.DataFrame):
        coords = list(data_SC["SkyCoord_new"] if "SkyCoord_new" in data_SC else data_SC.loc["SkyCoord_new"])
    else:
        coords = list(data_SC[0])
    frames = sorted({get_frame_name(c) for c in coords})
    if len(frames) != 1 or frames[0] not in _COLUMNS:
        raise ConfigError(
            f"coordinates of the frames {', '.join(frames) or 'none'} make no table",
            remedy=f"give one of {', '.join(_COLUMNS)}",
        )
    stamps = [get_obstime(c).fits.split("T", 1) for c in coords]
    first, second = _ANGLES[frames[0]]
    angles = [(getattr(c, first).deg, getattr(c, second).deg) for c in coords]
    columns = ("date", "time", *_COLUMNS[frames[0]])
    return pandas.DataFrame([(*s, *a) for s, a in zip(stamps, angles, strict=True)], columns=columns)


def transform_file(
    file0: Any,
    frame_from: str,
    frame_to: str,
    detector_from: str = "orca",
    detector_to: str = "orca",
    name: str = "",
    return_data: bool = False,
) -> Any:
    """Transform the coordinates of a CSV file and write them to another.

    Parameters
    ----------
    file0 : path
        Columns as for `coord.transform_to_new_frame`.
    frame_from, frame_to : str
    detector_from, detector_to : str
    name : str
        Path of the output; ``data<frame_to>.csv`` by default.
    return_data : bool
        Give the table too.
    """
    table = transform_to_new_frame(reader_from_file(file0), frame_from, frame_to, detector_from, detector_to)
    data = Skycoord_breaker(table)
    data.to_csv(name or f"data{frame_to}.csv", index=False)
    return data if return_data else None


def build_skycoord_list(table: Any, frame: str, detector: str = "antares") -> Any:
    """Build the events of a table; a DataFrame with a `SkyCoord` per row in ``SkyCoord_base``."""
    pandas = require("pandas", "astro")
    return pandas.DataFrame({"SkyCoord_base": list(events_of(table, frame, detector))}, index=table.index)


def _pair(coord: SkyCoord, frames: tuple[str, ...], unit: str) -> tuple[Any, Any]:
    _check_frame(coord, frames)
    if unit not in ("deg", "rad"):
        raise ConfigError(f"unit {unit!r} is not known", remedy="take 'deg' or 'rad'")
    first, second = _ANGLES[frames[0]]
    return getattr(getattr(coord, first), unit), getattr(getattr(coord, second), unit)


def _check_frame(coord: SkyCoord, frames: tuple[str, ...]) -> None:
    if coord.frame.name not in frames:
        raise FormatError(
            f"a coordinate in the frame {coord.frame.name!r}", remedy=f"give {' or '.join(frames)}"
        )


def _print(values: tuple[Any, Any]) -> None:
    sys.stdout.write(f"{values[0]} {values[1]}\n")
