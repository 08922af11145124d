"""The detector's frames in astropy's transform graph."""

from __future__ import annotations

import doctest

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import FK5, AltAz, EarthLocation, Galactic, SkyCoord
from astropy.time import Time

from km3gpu import astro
from km3gpu.astro import frames
from km3gpu.astro.frames import LocalFrame, TrackFrame, earth_location, local_direction, site_at, sky_coord
from km3gpu.errors import FormatError, UnknownNameError

from .conftest import random_events, to_time

CRAB = SkyCoord("05h34m31.94s +22d00m52.2s")
NOON = Time("2022-10-25T12:00:00")


def altaz(time, name):
    return AltAz(obstime=time, location=earth_location(name))


@pytest.mark.parametrize("name", ["arca", "orca"])
def test_a_source_in_the_detector(name):
    time = NOON + np.linspace(0, 1, 7) * u.day
    local = CRAB.transform_to(LocalFrame(obstime=time, location=name))
    expected = CRAB.transform_to(altaz(time, name))
    assert np.abs(local.zenith.deg - (90 - expected.alt.deg)).max() * 3.6e6 < 1.0
    assert local.transform_to(altaz(time, name)).separation(expected).mas.max() < 1.0
    assert local.icrs.separation(CRAB).mas.max() < 0.01
    again = expected.transform_to(LocalFrame(obstime=time, location=name))
    assert again.separation(local).mas.max() < 1.0


def test_azimuth_is_counted_from_grid_east():
    t, d = random_events(20, 1, "2021-01-01", "2021-12-31")
    local = sky_coord(t, *d, "orca").transform_to(LocalFrame(obstime=to_time(t), location="orca"))
    azimuth, zenith = astro.azimuth_zenith(*d)
    np.testing.assert_allclose(local.azimuth.rad, azimuth, atol=1e-9)
    np.testing.assert_allclose(local.zenith.rad, zenith, atol=1e-9)
    track = local.transform_to(TrackFrame(obstime=to_time(t), location="orca"))
    np.testing.assert_allclose(track.theta.rad, np.arccos(d[2]), atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * track.phi.rad), np.exp(1j * np.arctan2(d[1], d[0])), atol=1e-8)


def test_from_detector_to_detector_through_the_sky():
    at_arca = SkyCoord(
        azimuth=33.28 * u.deg, zenith=100 * u.deg, frame=LocalFrame(obstime=NOON, location="arca")
    )
    at_orca = at_arca.transform_to(LocalFrame(obstime=NOON, location="orca"))
    assert abs(at_orca.azimuth - at_arca.azimuth) > 1 * u.deg
    expected = at_arca.icrs.transform_to(altaz(NOON, "orca"))
    assert at_orca.transform_to(altaz(NOON, "orca")).separation(expected).mas < 1.0
    assert at_arca.transform_to(altaz(NOON, "orca")).separation(expected).mas < 1.0
    assert at_orca.icrs.separation(at_arca.icrs).mas < 1.0
    track = at_arca.transform_to(TrackFrame(obstime=NOON, location="orca"))
    assert (track.phi - at_orca.azimuth).wrap_at(360 * u.deg).deg == pytest.approx(180.0)
    assert track.icrs.separation(at_arca.icrs).mas < 1.0


def test_from_time_to_time_through_the_sky():
    here = SkyCoord(azimuth=10 * u.deg, zenith=50 * u.deg, frame=LocalFrame(obstime=NOON, location="arca"))
    later = here.transform_to(LocalFrame(obstime=NOON + 6 * u.hour, location="arca"))
    assert abs(later.zenith - here.zenith) > 1 * u.deg
    assert later.icrs.separation(here.icrs).mas < 1.0
    same = here.transform_to(LocalFrame(obstime=NOON, location="arca"))
    assert (same.azimuth, same.zenith) == (here.azimuth, here.zenith)
    track = TrackFrame(phi=1 * u.deg, theta=2 * u.deg, obstime=NOON, location="arca")
    assert track.transform_to(TrackFrame(obstime=NOON, location="arca")).phi == 1 * u.deg
    moved = track.transform_to(TrackFrame(obstime=NOON, location="orca"))
    assert SkyCoord(moved).icrs.separation(SkyCoord(track).icrs).mas < 1.0


def test_to_every_other_frame():
    here = SkyCoord(azimuth=10 * u.deg, zenith=50 * u.deg, frame=LocalFrame(obstime=NOON, location="arca"))
    for frame in (Galactic(), FK5()):
        assert here.transform_to(frame).icrs.separation(here.icrs).mas < 1.0
    assert SkyCoord(here.galactic).transform_to("km3netlocal").zenith.deg == pytest.approx(50.0)


def test_scalars_arrays_and_units():
    one = LocalFrame(azimuth=1 * u.rad, zenith=0.5 * u.rad, obstime=NOON, location="arca")
    many = LocalFrame(azimuth=[1, 1] * u.rad, zenith=0.5 * u.rad, obstime=NOON, location=astro.site("arca"))
    assert one.shape == ()
    assert many.shape == (2,)
    assert SkyCoord(many).icrs[1].separation(SkyCoord(one).icrs).mas < 1e-3
    degrees = {"azimuth": np.degrees(1.0) * u.deg, "zenith": np.degrees(0.5) * u.deg}
    other = LocalFrame(**degrees, obstime=NOON, location=earth_location("arca"))
    assert other.transform_to(one).azimuth.rad == pytest.approx(1.0)


def test_events_to_skycoord_and_back():
    t, d = random_events(50, 3, "2021-01-01", "2021-12-31")
    coord = sky_coord(to_time(t), *d, "orca", frame="galactic")
    assert coord.frame.name == "galactic"
    assert np.abs((coord.obstime - to_time(t)).to_value(u.ns)).max() < 100
    np.testing.assert_allclose(local_direction(coord, t, earth_location("orca")), d, atol=1e-9)
    np.testing.assert_allclose(local_direction(coord.fk5, to_time(t), "orca"), d, atol=1e-9)


def test_locations_and_sites():
    assert site_at(earth_location("orca")) is astro.site("orca")
    own = astro.Site.from_utm(256_500.0, 4_743_000.0, -2425.0, "32N")
    found = site_at(earth_location(own))
    assert (found.easting, found.northing, found.z) == pytest.approx(
        (256_500.0, 4_743_000.0, -2425.0), abs=1e-5
    )
    assert found.convergence == pytest.approx(own.convergence, abs=1e-12)
    both = EarthLocation.from_geodetic([1, 2], [3, 4])
    for what in (both, 7):
        with pytest.raises(FormatError, match="is not the location of a detector"):
            site_at(what)
    with pytest.raises(UnknownNameError, match="no site 'atlantis'"):
        LocalFrame(obstime=NOON, location="atlantis")


@pytest.mark.parametrize("missing", ["obstime", "location"])
def test_frames_that_do_not_know_where_they_look(missing):
    attributes = {"obstime": NOON, "location": "arca"}
    del attributes[missing]
    here = LocalFrame(azimuth=1 * u.rad, zenith=0.5 * u.rad, **attributes)
    with pytest.raises(FormatError, match=f"a LocalFrame without {missing} does not know"):
        SkyCoord(here).transform_to("icrs")
    with pytest.raises(FormatError, match=f"a LocalFrame without {missing} does not know"):
        CRAB.transform_to(LocalFrame(**attributes))


@pytest.mark.parametrize("module", [astro, frames])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted > 2
    assert found.failed == 0
