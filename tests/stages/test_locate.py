from __future__ import annotations

import json
from pathlib import Path

import astropy.units as u
import astropy_iers_data
import numpy as np
import pytest
from astropy.coordinates import ICRS, AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

import km3gpu as k3
from km3gpu import astro
from km3gpu.astro.eop import earth_orientation
from km3gpu.errors import CalibrationError, UnknownNameError
from km3gpu.stages.best_track import best_track
from km3gpu.stages.locate import Locate

START = "2021-09-14T11:16:25"


@pytest.fixture(scope="module")
def located(offline, offline_detector):
    return k3.locate(best_track(k3.date(offline, START)), offline_detector).events


def test_ra_and_dec_agree_with_astropy(located):
    row = np.flatnonzero(located.flat("best_track") >= 0)
    assert len(row) > 20
    ns = located.flat("track_time_ns")[row]
    time = Time(ns // 10**9, (ns % 10**9) * 1e-9, format="unix")
    # ARCA's reference point, UTM 33N 587600 4016800, and its meridian
    # convergence, both from PROJ
    place = EarthLocation.from_geodetic(15.975552397716397 * u.deg, 36.29220052151269 * u.deg, -3450 * u.m)
    gamma = np.deg2rad(0.5774695748)
    azimuth = (np.pi / 2 - located.flat("azimuth")[row] + gamma) % (2 * np.pi)
    altitude = np.pi / 2 - located.flat("zenith")[row]
    with iers.conf.set_temp("auto_download", False):
        there = SkyCoord(
            AltAz(az=azimuth * u.rad, alt=altitude * u.rad, obstime=time, location=place)
        ).transform_to(ICRS())
    ours = SkyCoord(located.flat("ra")[row] * u.rad, located.flat("dec")[row] * u.rad)
    assert ours.separation(there).to_value(u.mas).max() < 1


def test_zenith_and_azimuth_are_where_it_comes_from(located):
    row = np.flatnonzero(located.flat("best_track") >= 0)
    zenith, azimuth = (located.flat(c)[row] for c in ("zenith", "azimuth"))
    back = -np.stack([located.flat(f"track_dir_{c}")[row] for c in "xyz"])
    there = np.stack([np.sin(zenith) * np.cos(azimuth), np.sin(zenith) * np.sin(azimuth), np.cos(zenith)])
    np.testing.assert_allclose(there, back, atol=1e-12)


def test_events_without_track_have_no_place(located):
    none = located.flat("best_track") < 0
    for name in ("ra", "dec", "zenith", "azimuth"):
        assert np.isnan(located.flat(name)[none]).all()


def test_a_site_can_be_named(offline, located):
    named = k3.locate(best_track(k3.date(offline, START)), "arca").events
    np.testing.assert_allclose(named.flat("ra"), located.flat("ra"), atol=1e-12)
    with pytest.raises(UnknownNameError, match="arca"):
        k3.locate(best_track(k3.date(offline, START)), "arcca")


def test_daq_events_are_left_alone(daq):
    assert k3.locate(daq, "arca").events.columns == daq.events.columns


def test_simulated_events_without_a_date_are_refused(offline):
    with pytest.raises(CalibrationError, match="carry no date"):
        k3.locate(best_track(offline), "arca")


def test_earth_orientation_is_in_the_record(tmp_path):
    said = json.loads(Locate(site="arca").fingerprint())["iers"]
    assert said == earth_orientation().record()
    assert said["version"] == f"astropy-iers-data {astropy_iers_data.__version__}"
    own = tmp_path / "finals2000A.all"
    lines = Path(astropy_iers_data.IERS_A_FILE).read_bytes().splitlines(keepends=True)
    own.write_bytes(b"".join(lines[:-300]))
    stage = Locate(site="arca", iers=str(own))
    assert stage.inputs() == (str(own),)
    assert json.loads(stage.fingerprint())["iers"] == earth_orientation(str(own)).record() != said


def test_events_at_predicted_days_are_counted(offline):
    def counters(start):
        located = k3.locate(best_track(k3.date(offline, start)), "arca").counters
        return [located[f"locate/{name}"] for name in ("located", "predicted", "outside_tables")]

    n, *nothing = counters(START)
    assert n > 20
    assert nothing == [0, 0]
    last = earth_orientation().last_mjd - 40_587
    assert counters(str(np.datetime64(last - 20, "D"))) == [n, n, 0]
    with pytest.warns(astro.DegradedSkyWarning):
        assert counters(str(np.datetime64(last + 20, "D"))) == [n, 0, n]
