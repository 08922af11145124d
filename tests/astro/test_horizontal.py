"""The detector's azimuth and zenith, and the true ones."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
import pytest

from km3gpu import astro
from km3gpu.errors import FormatError, KernelError

from .conftest import horizontal, random_events

T = 1_600_000_000 * 10**9


def test_azimuth_and_zenith_are_where_it_comes_from():
    # what travels down and to grid West comes from above and grid East
    azimuth, zenith = astro.azimuth_zenith(-0.6, 0.0, -0.8)
    assert float(azimuth) == pytest.approx(0.0)
    assert float(zenith) == pytest.approx(math.acos(0.8))
    azimuth, zenith = astro.azimuth_zenith(0.0, -1.0, 0.0)
    assert (float(azimuth), float(zenith)) == pytest.approx((math.pi / 2, math.pi / 2))
    assert float(astro.azimuth_zenith(0.0, 0.0, 1.0)[1]) == pytest.approx(math.pi)  # upgoing


def test_as_astropys_altaz():
    for name in ("arca", "orca"):
        site = astro.site(name)
        t, d = random_events(2000, seed=31)
        azimuth, altitude = astro.local_to_horizontal(*d, site)
        expected = horizontal(t, d, site)
        np.testing.assert_allclose(altitude, expected.alt.rad, atol=2e-8)  # arcsin near the zenith
        turn = (azimuth - expected.az.rad + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(turn * np.cos(altitude)).max() < 1e-12
        np.testing.assert_allclose(astro.horizontal_to_local(azimuth, altitude, site), d, atol=1e-14)


def test_there_and_back():
    _, d = random_events(500, seed=32)
    azimuth, zenith = astro.azimuth_zenith(*d)
    assert ((azimuth >= 0) & (azimuth < 2 * np.pi) & (zenith >= 0) & (zenith <= np.pi)).all()
    np.testing.assert_allclose(astro.local_of(azimuth, zenith), d, atol=1e-14)


def test_quantities():
    d = astro.local_of(30 * u.deg, 60 * u.deg)
    np.testing.assert_allclose(d, astro.local_of(math.pi / 6, math.pi / 3))
    there = astro.icrs_to_local(T, 5 * u.hourangle, -3 * u.deg, "arca")
    np.testing.assert_allclose(there, astro.icrs_to_local(T, math.radians(75), math.radians(-3), "arca"))
    with pytest.raises(FormatError, match="a quantity in m is not an angle"):
        astro.icrs_to_local(T, 5 * u.m, 0.0, "arca")
    with pytest.raises(FormatError, match="a quantity in km is not a pure number"):
        astro.local_to_icrs(T, 0.0, 0.0, 1.0 * u.km, "arca")


def test_bad_rows():
    with pytest.raises(KernelError, match=r"of row 1 is no unit vector \(its length is 2\)"):
        astro.azimuth_zenith(0.0, 0.0, [1.0, 2.0])
    with pytest.raises(KernelError, match="of row 0 cannot be in radians"):
        astro.local_of(180.0, 45.0)
    with pytest.raises(KernelError, match="of row 2 cannot be in radians"):
        astro.horizontal_to_local([0.0, 1.0, 90.0], 0.0, "arca")
