"""UTM against PROJ 9 (pyproj 3.7.2, `Proj(proj="utm", ellps="WGS84")`)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.astro import utm
from km3gpu.errors import GeometryError

ARCSEC = math.pi / 648_000.0

PROJ = [
    # zone, latitude [deg], longitude [deg], easting [m], northing [m], convergence [deg]
    (33, 36.2, 15.9, 580910.5676650541, 4006507.0778130656, 0.5315739465880321),
    (33, 0.05, 12.1, 177163.92827189784, 5533.636719440384, -0.0025329344264626353),
    (33, 79.9, 17.95, 557729.8083603589, 8871887.807833476, 2.904363316255002),
    (32, 42.8, 6.02, 256310.19659198975, 4742913.346658427, -2.02572903439791),
    (31, -42.8, 0.5, 295564.3753173471, 5258363.097207285, 1.6991900635258748),
    (60, 10.0, 179.9, 817955.4276942052, 1106810.6571218483, 0.5040054195177491),
    (1, -5.0, -179.8, 189485.26752973732, 9446674.026523788, 0.24423295020257726),
    (33, 60.0, 15.0, 500000.0, 6651411.190362714, 0.0),
]


@pytest.mark.parametrize(("zone", "lat", "lon", "easting", "northing", "convergence"), PROJ)
def test_agrees_with_proj(zone, lat, lon, easting, northing, convergence):
    e, n, c = utm.from_geodetic(math.radians(lat), math.radians(lon), zone)
    assert e == pytest.approx(easting, abs=1e-6)
    assert n == pytest.approx(northing, abs=1e-6)
    assert c == pytest.approx(math.radians(convergence), abs=1e-6 * ARCSEC)
    where = utm.to_geodetic(easting, northing, f"{zone}{'S' if lat < 0 else 'N'}")
    assert where[0] == pytest.approx(math.radians(lat), abs=1e-8 * ARCSEC)
    assert where[1] == pytest.approx(math.radians(lon), abs=1e-8 * ARCSEC)
    assert utm.zone_of(math.radians(lon)) == zone


@settings(max_examples=100, deadline=None)
@given(st.floats(-1.4, 1.4), st.floats(-3.1, 3.1))
def test_there_and_back(latitude, longitude):
    e, n, _ = utm.from_geodetic(latitude, longitude)
    zone = f"{utm.zone_of(longitude)}{'S' if latitude < 0 else 'N'}"
    lat, lon = utm.to_geodetic(e, n, zone)
    assert lat == pytest.approx(latitude, abs=1e-14)
    assert lon == pytest.approx(longitude, abs=1e-13)


def test_convergence_is_the_direction_of_grid_north():
    # a step along grid North, seen in true coordinates
    lat, lon = utm.to_geodetic(256_500.0, 4_743_000.0, "32N")
    _, _, convergence = utm.from_geodetic(lat, lon, 32)
    a, b = (utm.to_geodetic(256_500.0, 4_743_000.0 + s, "32N") for s in (-500.0, 500.0))
    e2, s2 = utm.ECCENTRICITY_SQUARED, math.sin(lat) ** 2
    meridian = (1 - e2) / (1 - e2 * s2) ** 1.5
    parallel = math.cos(lat) / math.sqrt(1 - e2 * s2)
    angle = math.atan2((b[1] - a[1]) * parallel, (b[0] - a[0]) * meridian)
    assert angle == pytest.approx(convergence, abs=2e-3 * ARCSEC)
    assert math.degrees(convergence) == pytest.approx(-2.0242092, abs=1e-6)


@pytest.mark.parametrize("zone", ["0N", "61N", "33X", "N33", "", "33 T"])
def test_what_is_no_zone(zone):
    with pytest.raises(GeometryError, match="is no UTM zone"):
        utm.parse_zone(zone)


def test_zones_as_files_write_them():
    assert utm.parse_zone("33N") == utm.parse_zone("33") == utm.parse_zone(33) == (33, False)
    assert utm.parse_zone(" 19s ") == (19, True)


def test_swapped_coordinates_are_refused():
    with pytest.raises(GeometryError, match="check their order and unit"):
        utm.to_geodetic(4_016_800.0, 587_600.0, "33N")
