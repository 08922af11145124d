"""The facade of km3astro: its scripts run, and agree with astropy and the benchmark files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import astropy.units as u
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import AltAz, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

from km3gpu.astro import aanet
from km3gpu.compat import km3astro
from km3gpu.compat.km3astro import constants, sources
from km3gpu.compat.km3astro import coord as kc
from km3gpu.compat.km3astro import frame as kf
from km3gpu.compat.km3astro import plot as kp
from km3gpu.compat.km3astro import random as kr
from km3gpu.compat.km3astro import time as kt
from km3gpu.compat.km3astro import toolbox as ktb
from km3gpu.errors import ConfigError, FormatError, KernelError, UnknownNameError

NOON = Time("2022-10-25T12:00:00")
ARCSEC = 1 / 3600


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        mpl.rc_context({"backend": "agg"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module="astropy")
        warnings.filterwarnings("ignore", module="erfa")
        yield
        plt.close("all")


def test_the_seed_example(tmp_path):
    np.random.seed(7)  # noqa: NPY002 - as scripts do
    time = kr.random_date(500)
    frame = kc.local_frame(time, location="orca")
    sun = kc.Sun(time).transform_to(frame)
    zenith, azimuth = 90 - sun.alt.deg, sun.az.deg
    figure, axes = plt.subplots()
    bins = axes.hexbin(azimuth, zenith, gridsize=20)
    figure.savefig(tmp_path / "sun.png")
    assert bins.get_array().sum() == 500
    assert 19 < zenith.min() < 30  # at latitude 42.8
    assert zenith.max() > 120
    np.random.seed(7)  # noqa: NPY002 - as scripts do
    np.testing.assert_array_equal(kr.random_date(500), time)


def test_sun_and_moon_of_the_detector():
    time = NOON + np.linspace(0, 30, 20) * u.day
    for body, local in (("sun", kc.sun_local), ("moon", kc.moon_local)):
        where = kf.get_location("arca")
        expected = get_body(body, time, where).transform_to(AltAz(obstime=time, location=where))
        off = local(time, "arca").separation(expected).arcsec
        assert np.median(off) < 0.02
        assert off.max() < 2.0
    assert kc.Moon(NOON).separation(get_body("moon", NOON)).arcsec < 1e-6
    assert kc.sun_local(np.datetime64("2022-10-25T12:00:00"), "orca").alt.deg > 0
    galactic = kc.gc_in_local(NOON, "arca")
    assert galactic.icrs.separation(sources.GALACTIC_CENTER).mas < 1.0


@pytest.mark.parametrize("radian", [True, False])
def test_local_events(radian):
    turn = 1.0 if radian else 180 / np.pi
    event = kc.local_event(1.1 * turn, 0.4 * turn, NOON, "orca", radian=radian)
    site = kf.get_location("orca")
    expected = np.pi / 2 - (0.4 + np.pi) + kf.convergence_angle(site.lat.rad, site.lon.rad)
    assert event.az.rad[0] == pytest.approx(expected % (2 * np.pi))
    assert event.alt.rad[0] == pytest.approx(1.1 - np.pi / 2)
    azimuth, zenith = kc.neutrino_to_source_direction(0.4 * turn, 1.1 * turn, radian)
    back = kc.source_to_neutrino_direction(azimuth, zenith, radian)
    np.testing.assert_allclose(np.ravel(back), [0.4 * turn, 1.1 * turn])
    with pytest.raises(KernelError, match="of row 1 are no angles in"):
        kc.neutrino_to_source_direction([1.0, 400.0], [1.0, 1.0], radian)


def test_the_convergence_is_the_exact_one():
    site = kf.get_location("orca")
    exact = kf.convergence_angle(site.lat.rad, site.lon.rad)
    assert np.degrees(exact) == pytest.approx(-2.024209239891613, abs=1e-8)
    theirs = aanet.convergence(site.lat.rad, site.lon.rad)
    assert np.degrees(theirs) == pytest.approx(-2.0222259317, abs=1e-8)
    assert kf.utm_zone(site.lon.rad) == 32
    assert np.degrees(kf.longitude_of_central_meridian(32)) == pytest.approx(9.0)
    # km3astro's own test; it has no convergence beyond 84 degrees only by name
    assert kf.convergence_angle(1.5, 1.3) == pytest.approx(-0.00897440033130838, abs=5e-8)


def test_from_detector_to_detector():
    event = kc.build_event("UTM", "2022-10-25", "12:00:00", 33.28, 100.0, "deg", "arca")
    there = kc.transform_to(event, "UTM", "orca")
    assert there.location == kf.get_location("orca")
    assert abs(there.azimuth.deg - 33.28) > 1
    assert there.icrs.separation(event.icrs).mas < 1
    horizontal = kc.transform_to(event, "altaz", "orca")
    expected = event.icrs.transform_to(AltAz(obstime=NOON, location=kf.get_location("orca")))
    assert horizontal.separation(expected).mas < 1
    same = kc.transform_to(event, "UTM", "arca")
    assert (same.azimuth.deg, same.zenith.deg) == pytest.approx((33.28, 100.0))
    assert same.alt_utm.deg == pytest.approx(-10.0)


@pytest.mark.parametrize("frame", ["ParticleFrame", "UTM", "altaz", "equatorial", "galactic"])
def test_every_frame_and_back(frame):
    event = kc.build_event("ParticleFrame", "2022-10-25", "12:00:00", 97.0, 23.0, "deg", "orca")
    there = kc.transform_to(event, frame, "orca")
    back = kc.transform_to(there, "ParticleFrame", "orca")
    assert back.separation(event).mas < 1
    assert (back.theta.deg, back.phi.deg) == pytest.approx((97.0, 23.0), abs=1e-6)


def test_text_and_numbers():
    text = kc.build_event("equatorial", "2022-10-25", "12:00:00", "06:45:08.9", "-16:42:58")
    assert (text.ra.deg, text.dec.deg) == pytest.approx((101.287083, -16.716111), abs=1e-6)
    galactic = kc.build_event("galactic", "2022-10-25", "12:00:00", 10.0, -20.0)
    assert (galactic.l.deg, galactic.b.deg) == pytest.approx((10.0, -20.0))
    with pytest.raises(UnknownNameError, match="no frame 'utm'; there is: UTM"):
        kc.build_event("utm")
    with pytest.raises(ConfigError, match="give date, time, theta, phi, unit, detector"):
        kc.build_event("ParticleFrame", "2022-10-25", "12:00:00", 1.0)
    with pytest.raises(KeyError, match="no location 'atlantis'"):
        kf.get_location("atlantis")
    with pytest.raises(UnknownNameError, match="no frame 'fk5'"):
        kc.transform_to(text, "fk5")


@pytest.mark.parametrize("detector", ["arca", "orca", "antares"])
def test_the_benchmark_tables(data, detector):
    name = {"arca": "ARCA", "orca": "ORCA"}.get(detector, detector)
    table = ktb.reader_from_file(data / "astro" / f"{name}_coordinate_systems_benchmark.csv")
    for frame in ("ParticleFrame", "UTM"):
        found = kc.transform_to_new_frame(table, frame, "equatorial", detector, detector)
        expected = kc.transform_to_new_frame(table, "equatorial", "equatorial")["SkyCoord_base"]
        off = [a.separation(b).deg for a, b in zip(found["SkyCoord_new"], expected, strict=True)]
        assert max(off) < 45 * ARCSEC
    particle = kc.transform_to_new_frame(table, "UTM", "ParticleFrame", detector, detector)["SkyCoord_new"]
    assert [c.theta.deg for c in particle] == pytest.approx(table["theta"].to_list(), abs=1e-6)
    with pytest.raises(UnknownNameError, match="no column 'RA-J2000'"):
        kc.transform_to_new_frame(table.drop(columns="RA-J2000"), "equatorial", "UTM")


def test_files_of_coordinates(data, tmp_path):
    source = data / "astro" / "ORCA_coordinate_systems_benchmark.csv"
    made = ktb.transform_file(
        source, "ParticleFrame", "galactic", "orca", "orca", str(tmp_path / "g.csv"), True
    )
    assert list(made.columns) == ["date", "time", "gal_lon", "gal_lat"]
    again = pd.read_csv(tmp_path / "g.csv")
    pd.testing.assert_frame_equal(again, made)
    table = ktb.build_skycoord_list(ktb.reader_from_file(source), "UTM", "orca")
    mixed = pd.DataFrame({"SkyCoord_new": [table["SkyCoord_base"][0], sources.SIRIUS]})
    with pytest.raises(ConfigError, match="of the frames icrs, utm make no table"):
        ktb.Skycoord_breaker(mixed)


def test_shorthands(capsys):
    at = ("2022-10-25", "12:00:00", "orca")
    utm = ktb.eq_to_utm(83.6331, 22.0145, *at)
    azimuth, zenith = ktb.get_az_zenith(utm)
    phi, theta = ktb.get_phi_theta(ktb.eq_to_loc(83.6331, 22.0145, *at))
    assert (phi + 180) % 360 == pytest.approx(azimuth)
    assert theta == pytest.approx(180 - zenith)
    ra, dec = ktb.get_ra_dec(ktb.loc_to_eq(phi, theta, *at))
    assert (ra, dec) == pytest.approx((83.6331, 22.0145), abs=1e-6)
    assert ktb.get_az_zenith(ktb.loc_to_utm(phi, theta, *at), unit="rad")[1] == pytest.approx(
        np.radians(zenith)
    )
    lon, lat = ktb.get_l_b(ktb.loc_to_gal(phi, theta, *at))
    expected = SkyCoord(83.6331 * u.deg, 22.0145 * u.deg).galactic
    assert (lon, lat) == pytest.approx((expected.l.deg, expected.b.deg), abs=1e-5)
    assert ktb.get_l_b(ktb.eq_to_gal(83.6331, 22.0145, *at[:2])) == pytest.approx((lon, lat), abs=1e-5)
    hours, _ = ktb.get_ra_dec(sources.SIRIUS, unit="hourangle")
    assert hours.startswith("6h45m08.9")
    alt, _ = ktb.get_alt_az(kc.transform_to(utm, "altaz", "orca"))
    assert alt == pytest.approx(90 - zenith)
    for function in (ktb.print_eq_to_utm, ktb.print_eq_to_loc):
        function(83.6331, 22.0145, *at)
    ktb.print_eq_to_gal(83.6331, 22.0145, *at[:2])
    for function in (ktb.print_loc_to_eq, ktb.print_loc_to_utm, ktb.print_loc_to_gal):
        function(phi, theta, *at)
    ktb.print_Skycoord(utm)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{azimuth} {zenith}"
    assert len(lines) >= 7
    assert (ktb.get_frame_name(utm), ktb.get_obstime(utm).isot) == ("utm", "2022-10-25T12:00:00.000")
    assert ktb.split_date_time(NOON).to_list() == ["2022-10-25", "12:00:00.000"]
    with pytest.raises(FormatError, match="give galactic"):
        ktb.get_l_b(utm)
    with pytest.raises(ConfigError, match="take 'deg' or 'rad'"):
        ktb.get_l_b(sources.SIRIUS.galactic, unit="gon")


def test_random_numbers_and_times():
    assert kr.random_azimuth(3).shape == (3,)
    assert 0 <= kr.random_zenith(100, unit="deg").min() <= kr.random_zenith(100, unit="deg").max() <= 180
    steps = kr.equidistant_from_interval("2022-01-01", "2022-01-02", np.timedelta64(6, "h"))
    assert steps.astype(str).tolist()[-1] == "2022-01-01T18"
    assert kr.random_date(5, year=2020, astropy_time=True).jyear.min() >= 2020
    with pytest.raises(UnknownNameError, match="no unit 'gon'"):
        kr.random_azimuth(3, unit="gon")
    stamp = np.datetime64("2022-10-25T12:00:00.123456789")
    assert abs((kt.np_to_astrotime(stamp)[0] - Time("2022-10-25T12:00:00.123456789")).to_value(u.ns)) < 0.01
    leap = kt.np_to_astrotime(np.datetime64("2016-12-31T12:00:00"))
    assert abs((leap[0] - Time("2016-12-31T12:00:00")).to_value(u.s)) < 1e-9
    assert kt.np_to_datetime(stamp)[0].isoformat() == "2022-10-25T12:00:00.123456"
    assert abs((kt.now() - Time.now()).to_value(u.s)) < 60
    event = kc.Event.from_zenith([0.1, 0.2], location="orca")
    assert (event.location, len(event.azimuth), len(event.time)) == ("orca", 2, 2)


def test_constants_and_sources():
    assert (constants.orca_utm_zone, constants.arca_height) == ("32N", -3450)
    assert constants.orca_latitude == pytest.approx(42.80083964385227)
    assert sources.RX_J1713.ra.hour == pytest.approx(17.2258, abs=1e-3)  # km3astro has 17h17m
    assert sources.SIRIUS.separation(SkyCoord("06 45 08.9 -16 42 58", unit=(u.hourangle, u.deg))).arcsec < 1
    assert km3astro.coord is kc
    with pytest.raises(AttributeError, match="no attribute 'cord'"):
        km3astro.cord  # noqa: B018


def test_maps(tmp_path, data):
    visible = kp.get_visibility_map("equatorial", "antares")
    assert visible.shape == (196_608,)
    assert visible[0] == 1.0  # the pole of the sky is always up
    assert kp.get_visibility_map("galactic", "orca").mean() == pytest.approx(0.5, abs=1e-3)
    figure = kp.skymap_alert(
        80.0, 15.0, "2022-06-15T03:03:03", 10.0, "galactic", "orca", str(tmp_path / "a.png")
    )
    said = {t.get_text() for t in figure.legends[0].get_texts()}
    assert {"alert", "error radius"} <= said
    assert (tmp_path / "a.png").stat().st_size > 10_000
    table = ktb.reader_from_file(data / "astro" / "antares_coordinate_systems_benchmark.csv")
    table["Alert_type"] = np.where(np.arange(len(table)) % 2, "GRB", "Neutrino")
    figure = kp.skymap_list(table, frame_input="equatorial")
    assert {"GRB", "Neutrino"} <= {t.get_text() for t in figure.legends[0].get_texts()}
    axes = kp.plot_equatorial(sources.SIRIUS)
    assert axes.lines[0].get_xdata()[0] == pytest.approx(sources.SIRIUS.ra.rad)
    event = kc.build_event("UTM", "2022-10-25", "12:00:00", 190.0, 20.0, "deg", "orca")
    assert kp.get_coord_from_skycoord(event, "UTM", "orca") == pytest.approx(np.radians([-170.0, 70.0]))
    assert (kp.get_alert_color("GRB"), kp.get_alert_marker("?")) == ("tab:blue", ".")


def test_a_probability_map(tmp_path):
    from km3gpu.astro import healpix
    from km3gpu.astro.mapfile import write_map
    from km3gpu.astro.separation import separation

    ra, dec = healpix.centres(32)
    write_map(tmp_path / "gw.fits", {"PROB": np.exp(-0.5 * (separation((ra, dec), (1.0, 0.5)) / 0.1) ** 2)})
    figure = kp.skymap_hpx(str(tmp_path / "gw.fits"), "2022-06-15T03:03:03", detector="arca")
    assert {"50 % region", "90 % region"} <= {t.get_text() for t in figure.legends[0].get_texts()}
    url = (tmp_path / "gw.fits").as_uri()
    assert kp.skymap_hpx(url, "2022-06-15T03:03:03").axes
    kinds = kp.skymap_list(frame_input="UTM").axes[0].collections
    assert len(kinds) >= 1  # km3net-testdata's own table
    for call in (kp.skymap_hpx, kp.skymap_alert):
        with pytest.raises(ConfigError, match="needs"):
            call()
    for call in (kp.skymap_hpx, kp.skymap_list, kp.skymap_alert):
        with pytest.raises(ConfigError, match="has no argument alt_cut"):
            call(alt_cut=5.7)
    with pytest.raises(UnknownNameError, match="no frame 'fk5'"):
        kp.get_visibility_map("fk5", "orca")
