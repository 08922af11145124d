"""Angles on the sky."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord, angular_separation

from km3gpu import astro
from km3gpu.astro.separation import body_separation, offsets, separation, shadow
from km3gpu.astro.sources import bundled
from km3gpu.errors import ConfigError, FormatError, KernelError

from .conftest import random_events


def positions(n, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 2 * np.pi, n), np.arcsin(rng.uniform(-1, 1, n))


def test_as_astropys():
    a, b = positions(500, 1), positions(500, 2)
    np.testing.assert_allclose(separation(a, b), angular_separation(*a, *b), rtol=0, atol=1e-15)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-6, 1.0, np.pi - 1e-9, np.pi])
def test_small_and_large_angles(angle):
    # along the meridian, over the pole where it goes that far
    there = (0.3, 0.2 + angle) if 0.2 + angle < np.pi / 2 else (0.3 + np.pi, np.pi - 0.2 - angle)
    assert separation((0.3, 0.2), there) == pytest.approx(angle, abs=1e-15, rel=1e-4)


def test_a_matrix_of_angles():
    a, b = positions(5, 3), positions(7, 4)
    matrix = separation((a[0][:, None], a[1][:, None]), b)
    assert matrix.shape == (5, 7)
    assert matrix[2, 3] == separation((a[0][2], a[1][2]), (b[0][3], b[1][3]))


def test_offsets_are_astropys():
    centre, near = (1.0, 0.5), (1.0 + np.linspace(-0.02, 0.02, 9), 0.5 + np.linspace(0.01, -0.03, 9))
    east, north = offsets(near, centre)
    c, p = (SkyCoord(*q, unit="rad") for q in (centre, near))
    np.testing.assert_allclose(np.hypot(east, north), c.separation(p).rad, atol=1e-15)
    angle = np.arctan2(east, north)
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * c.position_angle(p).rad), atol=1e-12)
    assert offsets(centre, centre) == pytest.approx((0.0, 0.0), abs=1e-15)


def test_what_is_no_position():
    with pytest.raises(FormatError, match="a position of 1 columns"):
        separation((1.0,), (1.0, 2.0))


def test_the_neighbourhood_of_the_sun():
    t, d = random_events(4000, 7, "2021-01-01", "2021-12-31")
    sun = np.array(astro.body_to_local("sun", t, "orca"))
    d[:, :1000] = sun[:, :1000] + 0.02 * d[:, :1000]
    d /= np.linalg.norm(d, axis=0)
    angle = body_separation("sun", t, *d, "orca")
    np.testing.assert_allclose(angle, np.arccos((d * sun).sum(0)), atol=1e-8)
    mask, right, up = shadow("sun", t, *d, "orca", np.radians(5.0))
    assert mask[:1000].all()
    assert mask.sum() < 1100
    np.testing.assert_array_equal(mask, angle <= np.radians(5.0))
    np.testing.assert_allclose(np.hypot(right, up), angle[mask], atol=1e-14)
    # up is up: what comes from above the Sun travels more steeply down
    higher = np.arcsin(-d[2][mask]) - np.arcsin(-sun[2][mask])
    assert np.corrcoef(up, higher)[0, 1] > 0.999
    with pytest.raises(ConfigError, match=r"a radius of 10.0 is no angle in radians"):
        shadow("sun", t, *d, "orca", 10.0)


def test_what_is_no_place_on_the_sky():
    here = (np.zeros(3), np.zeros(3))
    degrees = (np.array([1.0, np.nan, 83.6]), np.array([0.2, 0.2, 0.4]))
    with pytest.raises(KernelError, match=r"longitude 83.6, latitude 0.4 of row 2 cannot be in radians"):
        separation(degrees, here)
    with pytest.raises(KernelError, match=r"of row 2 cannot be in radians"):
        bundled().nearest(*degrees)
    with pytest.raises(KernelError, match=r"of row 2 cannot be in radians"):
        bundled().match(*degrees, 0.1)
    vectors = (np.array([1.0, np.nan, 1.1]), np.zeros(3), np.zeros(3))
    with pytest.raises(KernelError, match=r"of row 2 is no unit vector \(its length is 1.1\)"):
        separation(vectors, (1.0, 0.0, 0.0))
    assert np.isnan(separation((np.nan, 0.0), (1.0, 0.0)))
