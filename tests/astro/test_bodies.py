"""Sun and Moon against astropy."""

from __future__ import annotations

import astropy.units as u
import erfa
import numpy as np
import pytest
from astropy.coordinates import AltAz, get_body, get_body_barycentric, get_body_barycentric_posvel
from astropy.coordinates.builtin_frames.utils import get_polar_motion

from km3gpu import astro
from km3gpu.errors import KernelError, UnknownNameError

from .conftest import location, random_events, separation_mas, to_time

N = 600
YEARS = ("2019-01-01", "2021-12-31")


def as_seen(body, time_ns, site):
    """Topocentric direction with light time and aberration, in the detector's axes, from astropy and ERFA.

    As ``get_body`` does it but for light bending: astropy bends the light of the Sun
    around the Sun, from a difference of two nearly equal vectors, and so moves its centre
    by up to 1.5 arcsec at random.
    """
    time, place = to_time(time_ns), location(site)
    position, velocity = place.get_gcrs_posvel(time)
    here = (get_body_barycentric("earth", time) + position).xyz.to_value(u.m).T
    beta = (get_body_barycentric_posvel("earth", time)[1] + velocity).xyz.to_value(
        u.m / u.s
    ).T / 299_792_458.0
    away = np.zeros(len(time))
    for _ in range(4):
        p = get_body_barycentric(body, time - away * u.s).xyz.to_value(u.m).T - here
        away = np.linalg.norm(p, axis=1) / 299_792_458.0
    p /= np.linalg.norm(p, axis=1)[:, None]
    w, k = np.sqrt(1 - (beta**2).sum(1))[:, None], (p * beta).sum(1)[:, None]
    p = (w * p + (1 + k / (1 + w)) * beta) / (1 + k)
    xp, yp = get_polar_motion(time)
    to_earth = erfa.c2t06a(time.tt.jd1, time.tt.jd2, time.ut1.jd1, time.ut1.jd2, xp, yp)
    return (np.einsum("nij,nj->ni", to_earth, p) @ site.matrix).T, away * 299_792_458.0


@pytest.mark.parametrize("body", ["sun", "moon"])
@pytest.mark.parametrize("name", ["arca", "orca"])
def test_as_seen_from_the_site(body, name):
    t, _ = random_events(N, 21, *YEARS)
    site = astro.site(name)
    *ours, distance = astro.body_to_local(body, t, site, distance=True)
    expected, far = as_seen(body, t, site)
    assert separation_mas(-np.array(ours), expected).max() < 0.5
    np.testing.assert_allclose(distance, far, rtol=1e-8)


def test_moon_is_that_of_get_body():
    t, _ = random_events(N, 22, *YEARS)
    site = astro.site("orca")
    where = location(site)
    theirs = get_body("moon", to_time(t), where).transform_to(AltAz(obstime=to_time(t), location=where))
    azimuth, altitude = astro.local_to_horizontal(*astro.body_to_local("moon", t, site), site)
    ours = np.array(
        [np.cos(altitude) * np.cos(azimuth), np.cos(altitude) * np.sin(azimuth), np.sin(altitude)]
    )
    az, alt = theirs.az.rad, theirs.alt.rad
    expected = np.array([np.cos(alt) * np.cos(az), np.cos(alt) * np.sin(az), np.sin(alt)])
    assert separation_mas(ours, expected).max() < 1.0


def test_sun_is_that_of_get_body_but_for_its_noise():
    t, _ = random_events(N, 23, *YEARS)
    site = astro.site("arca")
    where = location(site)
    theirs = get_body("sun", to_time(t), where).transform_to(AltAz(obstime=to_time(t), location=where))
    dx, dy, dz = astro.horizontal_to_local(theirs.az, theirs.alt, site)
    off = separation_mas(np.array(astro.body_to_local("sun", t, site)), np.array([dx, dy, dz]))
    assert np.median(off) < 6.0
    assert off.max() < 2000.0


def test_parallax_is_there():
    t = np.array([1_600_000_000 * 10**9])
    a, b = (np.array(astro.body_to_local("moon", t, s)) for s in ("orca", "arca"))
    a, b = (astro.site(s).matrix @ v for s, v in (("orca", a), ("arca", b)))
    assert separation_mas(a, b)[0] > 100e3  # 1,000 km apart, 400,000 km away


def test_shapes_and_names():
    dx, dy, dz = astro.body_to_local("sun", np.datetime64("2022-06-21T12:00:00"), "arca")
    assert dx.shape == ()
    assert dz < -0.9  # high noon in Sicily: neutrinos from the Sun go down
    assert dx * dx + dy * dy + dz * dz == pytest.approx(1.0)
    with pytest.raises(UnknownNameError, match="no body 'mars'; there is: "):
        astro.body_to_local("mars", 10**18, "arca")
    with pytest.raises(KernelError, match="of row 1 is not within 1972"):
        astro.body_to_local("moon", [10**18, 5], "arca")
