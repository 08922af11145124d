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

    As ``get_body`` does it but for the bending of the Sun's light around the Sun.
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


def get_body_says(body, t, site):
    """Direction of travel from astropy's own, by its AltAz."""
    where = location(site)
    seen = get_body(body, to_time(t), where).transform_to(AltAz(obstime=to_time(t), location=where))
    return np.array(astro.horizontal_to_local(seen.az, seen.alt, site))


@pytest.mark.parametrize("body", ["sun", "moon"])
@pytest.mark.parametrize("name", ["arca", "orca", "antares"])
def test_that_of_get_body(body, name):
    t, _ = random_events(N, 22, "2015-01-01", "2027-10-01")
    ours = np.array(astro.body_to_local(body, t, name, deflection=True))
    assert separation_mas(ours, get_body_says(body, t, astro.site(name))).max() < 1.0


def test_the_suns_light_is_not_bent_by_the_sun():
    t, _ = random_events(N, 23, *YEARS)
    plain, bent = (np.array(astro.body_to_local("sun", t, "arca", deflection=d)) for d in (False, True))
    off = separation_mas(plain, bent)
    # 4 mas times the tangent of half the angle between the Sun's motion and its direction
    time = to_time(t)
    position, velocity = get_body_barycentric_posvel("sun", time)
    to_sun = (position - get_body_barycentric("earth", time)).xyz.to_value(u.au)
    motion = velocity.xyz.value
    cosine = (to_sun * motion).sum(0) / np.linalg.norm(to_sun, axis=0) / np.linalg.norm(motion, axis=0)
    expected = 4.07 / np.linalg.norm(to_sun, axis=0) * np.sqrt((1 - cosine) / (1 + cosine))
    np.testing.assert_allclose(off, expected, rtol=0.02, atol=0.01)
    moon = (np.array(astro.body_to_local("moon", t, "arca", deflection=d)) for d in (False, True))
    assert separation_mas(*moon).max() < 0.5


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
