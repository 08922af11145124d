"""Directions to the sky and back, against astropy."""

from __future__ import annotations

import pickle
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import ICRS, AltAz, Galactic, SkyCoord, get_sun
from astropy.time import Time

from km3gpu import astro
from km3gpu.errors import FormatError, KernelError, UnknownNameError

from .conftest import horizontal, location, random_events, separation_mas, to_time

T = 1_600_000_000 * 10**9


@pytest.mark.parametrize(("name", "n"), [("arca", 40_000), ("orca", 30_000), ("antares", 30_000)])
def test_within_a_milliarcsecond_of_astropy(name, n):
    site = astro.site(name)
    t, d = random_events(n, seed=n)
    with warnings.catch_warnings():
        warnings.simplefilter("error", astro.DegradedSkyWarning)
        ours = np.array(astro.local_to_icrs(t, *d, site, vectors=True))
    theirs = horizontal(t, d, site).transform_to(ICRS())
    far = get_sun(to_time(t)).separation(SkyCoord(theirs)).deg > 2.0
    off = separation_mas(ours, theirs.cartesian.xyz.value)
    assert far.mean() > 0.999
    assert off[far].max() < 1.0
    assert np.median(off) < 0.02


@pytest.mark.parametrize("day", ["2015-06-30", "2016-12-31"])
def test_days_with_a_leap_second(day):
    start = int(np.datetime64(day, "ns").astype(np.int64))
    t = start + np.random.default_rng(7).integers(0, 86_400, 500) * 10**9
    d = random_events(500, seed=7)[1]
    site = astro.site("orca")
    when = Time(t.view("M8[ns]").astype("M8[s]").astype(str), format="isot", scale="utc")
    azimuth, altitude = astro.local_to_horizontal(*d, site)
    theirs = AltAz(az=azimuth * u.rad, alt=altitude * u.rad, obstime=when, location=location(site))
    ours = np.array(astro.local_to_icrs(t, *d, site, vectors=True))
    off = separation_mas(ours, theirs.transform_to(ICRS()).cartesian.xyz.value)
    assert np.quantile(off, 0.99) < 0.1
    np.testing.assert_array_equal(astro.local_to_icrs(when, *d, site, vectors=True), ours)


def test_round_trip():
    t, d = random_events(20_000, seed=5)
    site = astro.site("orca")
    ra, dec = astro.local_to_icrs(t, *d, site)
    back = np.array(astro.icrs_to_local(t, ra, dec, site))
    sun = get_sun(to_time(t[::20]))
    far = sun.separation(SkyCoord(ra[::20], dec[::20], unit="rad")).deg > 2.0
    off = separation_mas(back, d)
    assert off[::20][far].max() < 1e-2
    assert np.median(off) < 1e-3


def test_beyond_the_tables_as_astropy_does():
    site = astro.site("arca")
    t, d = random_events(3000, seed=9, first="2028-01-01", last="2035-12-31")
    with pytest.warns(astro.DegradedSkyWarning, match="outside of the IERS tables"):
        ours = np.array(astro.local_to_icrs(t, *d, site, vectors=True))
    theirs = horizontal(t, d, site).transform_to(ICRS())
    far = get_sun(to_time(t)).separation(SkyCoord(theirs)).deg > 2.0
    assert separation_mas(ours, theirs.cartesian.xyz.value)[far].max() < 1.0


def test_galactic_as_astropy():
    site = astro.site("arca")
    t, d = random_events(2000, seed=3)
    ours = np.array(astro.local_to_sky(t, *d, site, frame="galactic", vectors=True))
    theirs = horizontal(t, d, site).transform_to(Galactic())
    off = separation_mas(ours, theirs.cartesian.xyz.value)
    assert np.median(off) < 0.02
    lon, lat = astro.local_to_sky(t, *d, site, frame="galactic")
    back = np.array(astro.sky_to_local(t, (lon, lat), site, frame="galactic"))
    assert np.median(separation_mas(back, d)) < 1e-3


def test_deflection_can_be_left_out():
    t, d = random_events(2000, seed=4)
    bent = np.array(astro.local_to_icrs(t, *d, "arca", vectors=True))
    plain = np.array(astro.local_to_icrs(t, *d, "arca", vectors=True, deflection=False))
    off = separation_mas(bent, plain)
    assert 2.0 < np.median(off) < 8.0  # 4 mas at right angles to the Sun


def test_vectors_and_angles_are_the_same_place():
    t, d = random_events(500, seed=6)
    ra, dec = astro.local_to_icrs(t, *d, "arca")
    x, y, z = astro.local_to_icrs(t, *d, "arca", vectors=True)
    np.testing.assert_allclose(x, np.cos(dec) * np.cos(ra), atol=1e-15)
    np.testing.assert_allclose(z, np.sin(dec), atol=1e-15)
    assert (ra >= 0).all()
    assert (ra < 2 * np.pi).all()
    back = astro.sky_to_local(t, (x, y, z), "arca")
    np.testing.assert_allclose(back, astro.icrs_to_local(t, ra, dec, "arca"), atol=1e-15)


def test_scalars_and_broadcasting():
    ra, dec = astro.local_to_icrs(T, 0.0, 0.0, -1.0, "orca")
    assert ra.shape == dec.shape == ()
    # straight up is at the declination of the latitude, to the vertical's aberration
    assert float(dec) == pytest.approx(astro.site("orca").latitude, abs=3e-3)
    times = T + np.arange(4) * 10**9
    ra4, _ = astro.local_to_icrs(times, 0.0, 0.0, -1.0, "orca")
    assert ra4.shape == (4,)
    assert ra4[0] == ra
    x, y, _ = astro.icrs_to_local(times[:, None], np.array([0.1, 0.2, 0.3]), 0.5, "arca")
    assert x.shape == y.shape == (4, 3)
    assert astro.local_to_icrs(np.empty(0, np.int64), *np.empty((3, 0)), "arca")[0].shape == (0,)


def test_numpy_datetimes():
    a = astro.local_to_icrs(np.datetime64(T, "ns"), 0.0, 0.0, -1.0, "arca")
    assert a == astro.local_to_icrs(T, 0.0, 0.0, -1.0, "arca")


def test_strided_read_only_and_float32_input():
    t, d = random_events(50, seed=8)
    rows = np.ascontiguousarray(d.T)
    rows.flags.writeable = False
    a = astro.local_to_icrs(t, rows[:, 0], rows[:, 1], rows[:, 2], "arca")
    np.testing.assert_array_equal(a, astro.local_to_icrs(t, *d, "arca"))
    single = astro.local_to_icrs(t, *d.astype(np.float32), "arca")
    np.testing.assert_allclose(single[1], a[1], atol=2e-7)


def test_rows_without_a_direction():
    t, d = random_events(10, seed=1)
    d[:, 3] = np.nan
    with pytest.raises(KernelError, match=r"row 3 is no unit vector"):
        astro.local_to_icrs(t, *d, "arca")
    ra, dec = astro.local_to_icrs(t, *d, "arca", invalid="nan")
    assert np.flatnonzero(np.isnan(ra)).tolist() == np.flatnonzero(np.isnan(dec)).tolist() == [3]


def bad(**change):
    arguments = {"time_ns": np.full(3, T), "dx": np.zeros(3), "dy": np.zeros(3), "dz": -np.ones(3)}
    return {**arguments, "site": "arca", **change}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"dz": np.array([-1.0, -2.0, np.nan])},
            KernelError,
            r"of row 1 is no unit vector \(its length is 2\)",
        ),
        ({"time_ns": np.array([T, T, 1_600_000_000])}, KernelError, r"of row 2 is not within 1972 to 2099"),
        ({"time_ns": np.array([T, -(10**18), T])}, KernelError, r"of row 1 is not within 1972"),
        ({"time_ns": np.array([T, T, 5 * 10**18])}, KernelError, r"of row 2 is not within 1972 to 2099"),
        ({"time_ns": np.full(3, T / 1e9)}, FormatError, "time_ns is float64, not int64"),
        ({"time_ns": ["now", "then", "never"]}, FormatError, "time_ns is <U5, not int64"),
        ({"dx": np.zeros(4)}, FormatError, "give arrays of one length"),
        ({"dx": "east"}, FormatError, "dx is no column of numbers"),
        ({"site": "atlantis"}, UnknownNameError, "no site 'atlantis'; there is:"),
    ],
)
def test_bad_events(change, error, message):
    with pytest.raises(error, match=message):
        astro.local_to_icrs(**bad(**change))


def test_degrees_are_refused():
    with pytest.raises(KernelError, match=r"dec 22.0145 of row 1 cannot be in radians"):
        astro.icrs_to_local(T, np.array([1.0, 83.6331]), np.array([0.2, 22.0145]), "arca")
    with pytest.raises(KernelError, match="of row 0 cannot be"):
        astro.icrs_to_local(T, np.nan, 0.0, "arca")
    assert np.isnan(astro.icrs_to_local(T, np.nan, 0.0, "arca", invalid="nan")).all()


def test_unknown_frame_and_way():
    with pytest.raises(UnknownNameError, match="no frame 'galactik'; there is: galactic"):
        astro.local_to_sky(T, 0.0, 0.0, -1.0, "arca", frame="galactik")
    with pytest.raises(ValueError, match="take 'raise' or 'nan'"):
        astro.local_to_icrs(T, 0.0, 0.0, -1.0, "arca", invalid="ignore")


def test_any_order_of_the_times_gives_the_same():
    t, d = random_events(300, seed=12)
    order = np.argsort(t)
    a = np.array(astro.local_to_icrs(t, *d, "arca"))
    b = np.array(astro.local_to_icrs(t[order], *d[:, order], "arca"))
    np.testing.assert_array_equal(a[:, order], b)


def test_sites_travel_to_other_processes():
    site = pickle.loads(pickle.dumps(astro.site("orca")))
    assert astro.local_to_icrs(T, 0.0, 0.0, -1.0, site) == astro.local_to_icrs(T, 0.0, 0.0, -1.0, "orca")


def test_float32_is_good_to_a_twentieth_of_an_arcsecond():
    t, d = random_events(20_000, seed=41)
    exact = np.array(astro.local_to_icrs(t, *d, "orca", vectors=True))
    mixed = np.array(astro.local_to_icrs(t, *d, "orca", vectors=True, dtype="float32"))
    assert mixed.dtype == np.float32
    assert np.quantile(separation_mas(exact, mixed.astype(float)), 0.99) < 50.0
    ra, dec = astro.local_to_icrs(t, *d, "orca", dtype=np.float32)
    assert ra.dtype == dec.dtype == np.float64
    angles = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    assert np.quantile(separation_mas(exact, angles), 0.99) < 50.0
    back = np.array(astro.icrs_to_local(t, *astro.local_to_icrs(t, *d, "orca"), "orca", dtype="f4"))
    assert back.dtype == np.float32
    assert np.quantile(separation_mas(d, back.astype(float)), 0.99) < 50.0


def test_types_that_are_none():
    with pytest.raises(ValueError, match="directions cannot be int32"):
        astro.local_to_icrs(T, 0, 0, 1, "arca", dtype="i4")
