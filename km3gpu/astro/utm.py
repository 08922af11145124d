"""Universal Transverse Mercator on WGS84, exactly: position and meridian convergence.

Krueger's series to the sixth power of the third flattening (C. F. F. Karney,
"Transverse Mercator with an accuracy of a few nanometers", J. Geodesy 85 (2011)
475, equations 7 to 36): nanometres within a zone.
"""

from __future__ import annotations

import math
import re

from km3gpu.errors import GeometryError

__all__ = [
    "ECCENTRICITY_SQUARED",
    "SEMI_MAJOR_AXIS",
    "central_meridian",
    "from_geodetic",
    "geocentric",
    "parse_zone",
    "to_geodetic",
    "zone_of",
]

SEMI_MAJOR_AXIS = 6378137.0
"""WGS84 equatorial radius [m]."""
_FLATTENING = 1.0 / 298.257223563
ECCENTRICITY_SQUARED = _FLATTENING * (2.0 - _FLATTENING)
"""WGS84 first eccentricity squared."""
_E = math.sqrt(ECCENTRICITY_SQUARED)
_SCALE = 0.9996
_FALSE_EASTING = 500_000.0
_FALSE_NORTHING_SOUTH = 10_000_000.0

_N = _FLATTENING / (2.0 - _FLATTENING)
_RADIUS = SEMI_MAJOR_AXIS / (1.0 + _N) * (1.0 + _N**2 / 4 + _N**4 / 64 + _N**6 / 256)

_ALPHA = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16 + 41 * _N**4 / 180 - 127 * _N**5 / 288 + 7891 * _N**6 / 37800,
    13 * _N**2 / 48 - 3 * _N**3 / 5 + 557 * _N**4 / 1440 + 281 * _N**5 / 630 - 1983433 * _N**6 / 1935360,
    61 * _N**3 / 240 - 103 * _N**4 / 140 + 15061 * _N**5 / 26880 + 167603 * _N**6 / 181440,
    49561 * _N**4 / 161280 - 179 * _N**5 / 168 + 6601661 * _N**6 / 7257600,
    34729 * _N**5 / 80640 - 3418889 * _N**6 / 1995840,
    212378941 * _N**6 / 319334400,
)
_BETA = (
    _N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96 - _N**4 / 360 - 81 * _N**5 / 512 + 96199 * _N**6 / 604800,
    _N**2 / 48 + _N**3 / 15 - 437 * _N**4 / 1440 + 46 * _N**5 / 105 - 1118711 * _N**6 / 3870720,
    17 * _N**3 / 480 - 37 * _N**4 / 840 - 209 * _N**5 / 4480 + 5569 * _N**6 / 90720,
    4397 * _N**4 / 161280 - 11 * _N**5 / 504 - 830251 * _N**6 / 7257600,
    4583 * _N**5 / 161280 - 108847 * _N**6 / 3991680,
    20648693 * _N**6 / 638668800,
)


def parse_zone(zone: str | int) -> tuple[int, bool]:
    """Read a UTM zone as detector files write it.

    Parameters
    ----------
    zone : str or int
        ``"32N"``, ``"33S"`` (the letter is the hemisphere, not an MGRS band), or a
        bare number for the northern hemisphere.

    Returns
    -------
    number : int
        1 to 60.
    south : bool
        The southern hemisphere.

    Raises
    ------
    GeometryError
        It is no UTM zone.
    """
    match = re.fullmatch(r"\s*(\d{1,2})\s*([NnSs]?)\s*", str(zone))
    if match is None or not 1 <= int(match[1]) <= 60:
        raise GeometryError(
            f"{zone!r} is no UTM zone", remedy="give a number from 1 to 60 and N or S, as in '32N'"
        )
    return int(match[1]), match[2].upper() == "S"


def zone_of(longitude: float) -> int:
    """Give the number of the standard zone of a longitude [rad], 1 to 60."""
    return math.floor((math.degrees(longitude) + 180.0) % 360.0 / 6.0) + 1


def central_meridian(zone: int) -> float:
    """Longitude of the middle of a zone [rad]."""
    return math.radians(6.0 * zone - 183.0)


def to_geodetic(easting: float, northing: float, zone: str | int) -> tuple[float, float]:
    """Turn UTM coordinates into geodetic ones.

    Parameters
    ----------
    easting, northing : float
        Metres.
    zone : str or int
        See `parse_zone`.

    Returns
    -------
    latitude, longitude : float
        WGS84, radians.

    Raises
    ------
    GeometryError
        The zone is none, or the point lies outside of any UTM zone.
    """
    number, south = parse_zone(zone)
    if not (100_000.0 <= easting <= 900_000.0 and 0.0 <= northing <= 10_000_000.0):
        raise GeometryError(
            f"easting {easting} m, northing {northing} m is no point of UTM zone {zone}",
            remedy="easting is 100 km to 900 km, northing 0 to 10,000 km; check their order and unit",
        )
    xi = (northing - (_FALSE_NORTHING_SOUTH if south else 0.0)) / (_SCALE * _RADIUS)
    eta = (easting - _FALSE_EASTING) / (_SCALE * _RADIUS)
    x, y = xi, eta
    for j, b in enumerate(_BETA, 1):
        x -= b * math.sin(2 * j * xi) * math.cosh(2 * j * eta)
        y -= b * math.cos(2 * j * xi) * math.sinh(2 * j * eta)
    conformal = math.sin(x) / math.hypot(math.sinh(y), math.cos(x))
    t = conformal
    for _ in range(5):  # Newton, Karney equations 19 to 21; three are enough
        root = math.sqrt(1.0 + t * t)
        s = math.sinh(_E * math.atanh(_E * t / root))
        value = t * math.sqrt(1.0 + s * s) - s * root
        slope = (1.0 - ECCENTRICITY_SQUARED) * root
        t += (
            (conformal - value)
            / math.sqrt(1.0 + value * value)
            * (1.0 + (1.0 - ECCENTRICITY_SQUARED) * t * t)
            / slope
        )
    return math.atan(t), central_meridian(number) + math.atan2(math.sinh(y), math.cos(x))


def from_geodetic(
    latitude: float, longitude: float, zone: int | None = None, south: bool | None = None
) -> tuple[float, float, float]:
    """Turn geodetic coordinates into UTM, with the meridian convergence.

    Parameters
    ----------
    latitude, longitude : float
        WGS84, radians.
    zone : int, optional
        The longitude's own zone by default.
    south : bool, optional
        Count northings as in the southern hemisphere; by default where the latitude
        is negative.

    Returns
    -------
    easting, northing : float
        Metres.
    convergence : float
        Angle from true North to grid North, positive towards the East, radians:
        positive East of the central meridian in the northern hemisphere.
    """
    number = zone_of(longitude) if zone is None else zone
    south = latitude < 0.0 if south is None else south
    sine = math.sin(latitude)
    t = math.sinh(math.atanh(sine) - _E * math.atanh(_E * sine))
    d = math.remainder(longitude - central_meridian(number), 2.0 * math.pi)
    xi = math.atan2(t, math.cos(d))
    eta = math.asinh(math.sin(d) / math.hypot(t, math.cos(d)))
    x, y, p, q = xi, eta, 1.0, 0.0
    for j, a in enumerate(_ALPHA, 1):
        sin, cos = math.sin(2 * j * xi), math.cos(2 * j * xi)
        sinh, cosh = math.sinh(2 * j * eta), math.cosh(2 * j * eta)
        x += a * sin * cosh
        y += a * cos * sinh
        p += 2 * j * a * cos * cosh
        q += 2 * j * a * sin * sinh
    convergence = math.atan2(t * math.sin(d), math.sqrt(1.0 + t * t) * math.cos(d)) + math.atan2(q, p)
    easting = _FALSE_EASTING + _SCALE * _RADIUS * y
    northing = _SCALE * _RADIUS * x + (_FALSE_NORTHING_SOUTH if south else 0.0)
    return easting, northing, convergence


def geocentric(latitude: float, longitude: float, height: float) -> tuple[float, float, float]:
    """Turn geodetic coordinates into geocentric ones (ECEF).

    Parameters
    ----------
    latitude, longitude : float
        WGS84, radians.
    height : float
        Above the ellipsoid, metres.

    Returns
    -------
    x, y, z : float
        Metres.
    """
    sine, cosine = math.sin(latitude), math.cos(latitude)
    normal = SEMI_MAJOR_AXIS / math.sqrt(1.0 - ECCENTRICITY_SQUARED * sine * sine)
    return (
        (normal + height) * cosine * math.cos(longitude),
        (normal + height) * cosine * math.sin(longitude),
        (normal * (1.0 - ECCENTRICITY_SQUARED) + height) * sine,
    )
