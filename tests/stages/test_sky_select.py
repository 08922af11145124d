"""Events by where on the sky they come from."""

from __future__ import annotations

import json

import numpy as np
import pytest

import km3gpu as k3
from km3gpu import astro
from km3gpu.astro.separation import separation
from km3gpu.astro.sources import bundled
from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, UnknownNameError
from km3gpu.stages import Healpix, SkySelect, healpix, make, sky_select
from km3gpu.stages.best_track import best_track
from km3gpu.table import Table

START = "2021-09-14T11:16:25"


@pytest.fixture(scope="module")
def located(offline, offline_detector) -> Chunk:
    return k3.locate(best_track(k3.date(offline, START)), offline_detector)


@pytest.fixture(scope="module")
def many() -> Chunk:
    """10,000 events, one hit each for the even ones, every tenth without a track."""
    n = 10_000
    rng = np.random.default_rng(0)
    d = rng.normal(size=(3, n))
    d /= np.linalg.norm(d, axis=0)
    d[:, ::10] = np.nan
    t = 1_650_000_000 * 10**9 + rng.integers(0, 86_400 * 10**9, n)
    ra, dec = astro.local_to_icrs(t, *d, "orca", invalid="nan")
    columns = {"ra": ra, "dec": dec, "zenith": np.pi - np.arccos(d[2]), "track_time_ns": t}
    columns |= {f"track_dir_{c}": v for c, v in zip("xyz", d, strict=True)}
    offsets = np.concatenate([[0], np.cumsum(np.arange(n) % 2 == 0)])
    hits = Table("hits", {"tot": np.arange(offsets[-1])}, offsets)
    source = Origin("random", "offline", "E", 0, n)
    return Chunk(source, {"events": Table("events", columns), "hits": hits})


def test_a_range_of_zenith_angles_keeps_whole_events(located):
    up = sky_select(located, zenith_deg=(90.0, 180.0))
    zenith = located.events.flat("zenith")
    index = np.flatnonzero(zenith >= np.pi / 2)
    assert 0 < len(index) < len(zenith)
    assert up.n_events == len(index)
    np.testing.assert_array_equal(up.events.flat("zenith"), zenith[index])
    assert set(up.tables) == set(located.tables)
    for name in ("hits", "tracks"):
        np.testing.assert_array_equal(up.tables[name].counts, located.tables[name].counts[index])
    assert up.id != located.id


def test_dropping_is_the_rest(located):
    kept = sky_select(located, declination_deg=(-90.0, 0.0))
    dropped = sky_select(located, declination_deg=(-90.0, 0.0), mode="drop")
    assert kept.n_events + dropped.n_events == located.n_events
    assert np.isnan(dropped.events.flat("dec")).sum() == np.isnan(located.events.flat("dec")).sum()


def test_hits_stay_with_their_events(many):
    south = sky_select(many, declination_deg=(-90.0, 0.0))
    index = np.flatnonzero(many.events.flat("dec") <= 0)
    assert south.hits.n_events == len(index)
    np.testing.assert_array_equal(south.hits.flat("tot"), index[index % 2 == 0] // 2)


def test_near_sources(many):
    marked = sky_select(many, sources=("Crab", "Sgr A*"), radius_deg=8.0, mode="mark").events
    ra, dec = many.events.flat("ra"), many.events.flat("dec")
    crab, gc = (bundled()[n] for n in ("Crab", "Sgr A*"))
    near = [separation((ra, dec), (s.ra, s.dec)) for s in (crab, gc)]
    expected = np.fmin(*near) <= np.radians(8.0)
    np.testing.assert_array_equal(marked.flat("selected"), expected)
    assert expected.sum() > 20
    source = marked.flat("source")
    assert source.dtype == np.int32
    assert (source[::10] == -1).all()
    good = source >= 0
    np.testing.assert_array_equal(source[good], np.argmin(near, axis=0)[good])
    np.testing.assert_allclose(marked.flat("source_separation")[good], np.min(near, axis=0)[good])


def test_sources_of_a_file_shape_the_result(many, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("name,ra,dec\nCrab,83.63308333,22.0145\n")
    stage = SkySelect(sources=str(path), radius_deg=5.0)
    by_name = SkySelect(sources="Crab", radius_deg=5.0)
    assert stage(many).n_events == by_name(many).n_events > 0
    assert stage.inputs() == (str(path),)
    before = stage.fingerprint()
    path.write_text("name,ra,dec\nCrab,84.0,22.0145\n")
    assert stage.fingerprint() != before
    with pytest.raises(InputNotFoundError):
        SkySelect(sources=str(tmp_path / "none.csv"), radius_deg=5.0)


def test_the_sun(many):
    near = sky_select(many, body="sun", radius_deg=10.0, site="orca").events
    sun = np.array(astro.body_to_local("sun", many.events.flat("track_time_ns"), "orca"))
    d = np.array([many.events.flat(f"track_dir_{c}") for c in "xyz"])
    expected = np.flatnonzero((sun * d).sum(axis=0) >= np.cos(np.radians(10.0)))
    assert len(expected) > 20
    np.testing.assert_array_equal(near.flat("track_time_ns"), many.events.flat("track_time_ns")[expected])


def test_the_earth_orientation_shapes_where_the_sun_is():
    stage = SkySelect(body="sun", radius_deg=10.0, site="orca")
    assert json.loads(stage.fingerprint())["iers"]["digest"].startswith("sha256:")
    assert "iers" not in SkySelect(zenith_deg=(90.0, 180.0)).fingerprint()


def test_all_conditions_together(many):
    band = sky_select(many, galactic_latitude_deg=(-5.0, 5.0), zenith_deg=(90.0, 180.0)).events
    b = astro.turned((band.flat("ra"), band.flat("dec")), "galactic")[1]
    assert len(band) > 100
    assert np.abs(b).max() <= np.radians(5.0)
    assert band.flat("zenith").min() >= np.pi / 2


def test_healpix(many, located):
    events = healpix(many, nside=16, order="ring").events
    ra, dec = events.flat("ra"), events.flat("dec")
    expected = astro.healpix.pixels(ra, dec, 16, invalid="nan")
    np.testing.assert_array_equal(events.flat("healpix"), expected)
    assert (expected[::10] == -1).all()
    galactic = healpix(many, nside=16, frame="galactic").events.flat("healpix")
    lon, lat = astro.turned((ra, dec), "galactic")
    np.testing.assert_array_equal(galactic, astro.healpix.pixels(lon, lat, 16, nested=True, invalid="nan"))
    assert make("healpix", nside=32) == Healpix(nside=32)
    assert (healpix(located).events.flat("healpix") >= 0).sum() > 20


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({}, ConfigError, "sky_select has no condition"),
        ({"sources": "Crab"}, ConfigError, "need a radius"),
        ({"radius_deg": 3.0}, ConfigError, "a radius one of them"),
        ({"sources": "Crab", "radius_deg": 200.0}, ConfigError, "give 0 to 180 degrees"),
        ({"sources": "Crap", "radius_deg": 2.0}, UnknownNameError, "there is: Crab"),
        ({"body": "mars", "radius_deg": 2.0, "site": "arca"}, UnknownNameError, "no body 'mars'"),
        ({"body": "sun", "radius_deg": 2.0}, ConfigError, "body needs a site or a detector"),
        ({"zenith_deg": (0.0, 90.0), "site": "arca"}, ConfigError, "nothing else does"),
        ({"zenith_deg": (0.0, 900.0)}, ConfigError, "from 0 to 180"),
        ({"declination_deg": (10.0, -10.0)}, ConfigError, "two degrees that rise"),
        ({"zenith_deg": (0.0, 90.0), "mode": "cut"}, ConfigError, "take 'keep', 'drop' or 'mark'"),
    ],
)
def test_conditions_that_do_not_go_together(parameters, error, message):
    with pytest.raises(error, match=message):
        SkySelect(**parameters)


def test_from_a_plan():
    stage = make("sky_select", zenith_deg=[90.0, 180.0], sources=["Crab", "M 87"], radius_deg=3.0)
    assert stage == SkySelect(zenith_deg=(90.0, 180.0), sources=("Crab", "M 87"), radius_deg=3.0)
    assert hash(stage)
    assert stage.reads("offline") == {"events": ("ra", "dec", "zenith")}
    assert stage.writes("offline") == {"events": ("source", "source_separation")}
    with pytest.raises(ConfigError, match=r"nside = 12\.5 is no whole number"):
        make("healpix", nside=12.5)
    for parameters, message in (({"order": "spiral"}, "no pixel order"), ({"nside": 12}, "no HEALPix map")):
        with pytest.raises(ValueError, match=message):
            make("healpix", **parameters)


def test_events_without_a_position(daq, offline):
    for chunk in (daq, offline):
        for stage in (Healpix(), SkySelect(declination_deg=(0.0, 90.0))):
            with pytest.raises(FormatError, match="the events have no position on the sky"):
                stage(chunk)
