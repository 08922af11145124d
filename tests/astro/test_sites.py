"""Sites: their place on the Earth, their names, and what they are as values."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from km3gpu.astro import SITES, Site, site
from km3gpu.detector import Detector
from km3gpu.errors import GeometryError, UnknownNameError

# easting, northing -> latitude, longitude, convergence [deg] and ECEF [m], by PROJ 9
PROJ = {
    "arca": (36.2922005215, 15.9755523977, 0.5774695748531812, (4945424.5412, 1415794.2739, 3752331.7136)),
    "orca": (42.8008396446, 6.0222805795, -2.024209239891613, (4659367.0696, 491551.1890, 4309636.5893)),
    "antares": (42.7989166318, 6.1657005045, -1.9265559783836006, (4658222.5280, 503223.5859, 4309439.1402)),
}


@pytest.mark.parametrize("name", sorted(PROJ))
def test_place_on_the_earth(name):
    latitude, longitude, convergence, ecef = PROJ[name]
    s = site(name.upper())
    assert math.degrees(s.latitude) == pytest.approx(latitude, abs=1e-8)
    assert math.degrees(s.longitude) == pytest.approx(longitude, abs=1e-8)
    assert math.degrees(s.convergence) == pytest.approx(convergence, abs=1e-6 / 3600)
    np.testing.assert_allclose(s.ecef, ecef, rtol=0, atol=1e-3)


def test_axes_are_a_rotation_and_z_is_up():
    s = site("orca")
    np.testing.assert_allclose(s.matrix @ s.matrix.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(s.matrix) == pytest.approx(1.0)
    up = s.matrix @ [0.0, 0.0, 1.0]
    assert math.asin(up[2]) == pytest.approx(s.latitude)
    assert math.atan2(up[1], up[0]) == pytest.approx(s.longitude)
    # grid North lies West of true North there, so grid East points a little North
    assert (s.matrix @ [1.0, 0.0, 0.0])[2] > 0


def test_ground_moves_east_at_the_earths_rate():
    s = site("arca")
    velocity = np.array([*s.kernel_row[9:11], 0.0]) * 299_792_458.0
    radius = math.hypot(s.ecef[0], s.ecef[1])
    assert np.linalg.norm(velocity) == pytest.approx(2 * math.pi * radius / 86_164.1, rel=1e-6)
    assert velocity @ np.array(s.ecef) == pytest.approx(0.0, abs=1e-6)


def test_a_detectors_own_reference_point():
    s = Site.from_utm(256_500.0, 4_743_000.0, -2425.0, "32N")
    assert s.name == "orca"
    assert s != site("orca")
    assert s == Site("another name", 256_500, 4_743_000, -2425, " 32n ")
    assert Site.from_utm(500_000.0, 5_000_000.0, 0.0, "20S").name == "20S 500000 5000000 0"


def test_the_site_of_a_detector(data):
    arca = Detector.open(data / "detx" / "KM3NeT_-00000001_20171212.detx")
    assert site(arca).name == "arca"
    assert site(arca).easting == arca.utm.easting
    without = Detector.open(data / "detx" / "detx_v1.detx")
    with pytest.raises(GeometryError, match=r"no UTM reference \(in .*detx_v1.detx\); name the site"):
        site(without)


def test_from_geodetic_and_back():
    a = site("arca")
    b = Site.from_geodetic(a.latitude, a.longitude, a.z)
    assert (b.easting, b.northing) == pytest.approx((a.easting, a.northing), abs=1e-6)
    assert (b.zone, b.name) == ("33N", "arca")
    with pytest.raises(GeometryError, match="give radians"):
        Site.from_geodetic(36.3, 16.0)


def test_values_pickle_and_hash():
    for s in SITES.values():
        _ = s.kernel_row
        again = pickle.loads(pickle.dumps(s))
        assert again == s
        assert hash(again) == hash(s)
        assert again.latitude == s.latitude


def test_bad_sites():
    with pytest.raises(UnknownNameError, match="no site 'orka'; there is: orca"):
        site("orka")
    with pytest.raises(GeometryError, match="is not on this Earth"):
        Site("x", 256_500.0, 4_743_000.0, 4.7e6, "32N")
    with pytest.raises(GeometryError, match="is no UTM zone"):
        Site("x", 256_500.0, 4_743_000.0, 0.0, "orca")
