"""``km3gpu sky``: what it says agrees with the library, and errors are one line."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from km3gpu import astro
from km3gpu.astro.mapfile import read_map
from km3gpu.astro.sources import source
from km3gpu.astro.visibility import visibility

TIME = "2022-10-25T12:00:00"
NS = int(np.datetime64(TIME, "ns").astype(np.int64))


def said(found):
    assert found.code == 0, found.err
    return json.loads(found.out)


def test_an_event(km3gpu):
    found = said(
        km3gpu("sky", "event", "--azimuth", 30, "--zenith", 120, "--site", "orca", "--time", TIME, "--json")
    )
    d = astro.local_of(math.radians(30), math.radians(120))
    ra, dec = astro.local_to_icrs(NS, *d, "orca")
    assert (found["ra"], found["dec"]) == pytest.approx(np.degrees([ra, dec]))
    assert found["altitude"] == pytest.approx(-30.0)
    assert found["earth_orientation"] == "measured"
    same = said(
        km3gpu("sky", "event", "--phi", 210, "--theta", 60, "--site", "orca", "--time", TIME, "--json")
    )
    assert same["ra"] == pytest.approx(found["ra"])
    text = km3gpu("sky", "event", "--azimuth", 30, "--zenith", 120, "--site", "orca", "--time", TIME).out
    assert f"{found['ra']:.6f}" in text
    assert "nearest source" in text


def test_the_site_of_a_detector_file(km3gpu, data):
    detx = data / "detx" / "KM3NeT_-00000001_20171212.detx"
    arguments = ("sky", "event", "--azimuth", 30, "--zenith", 120, "--time", TIME, "--json")
    assert said(km3gpu(*arguments, "--detector", detx))["site"]["name"] == "arca"
    assert "no UTM reference" in km3gpu(*arguments, "--detector", data / "detx" / "detx_v1.detx").error()


def test_sources(km3gpu, tmp_path):
    arguments = ("sky", "source", "crab", "--site", "arca", "--time", TIME)
    (crab,) = said(km3gpu(*arguments, "--json"))
    here = source("Crab")
    d = astro.icrs_to_local(NS, here.ra, here.dec, "arca")
    azimuth, zenith = np.degrees(astro.azimuth_zenith(*d))
    assert (crab["azimuth"], crab["zenith"]) == pytest.approx((azimuth, zenith))
    assert crab["in_view"] == (zenith > 90)
    assert crab["visible_fraction"] == pytest.approx(float(visibility(here.dec, "arca")))
    assert "Crab" in km3gpu(*arguments).out
    every = km3gpu("sky", "source").out
    assert "Sgr A*" in every
    assert said(km3gpu("sky", "source", "--json"))[0]["name"] == "Sirius"
    mine = tmp_path / "mine.csv"
    mine.write_text("name,ra,dec\nHere,10,20\n")
    picture = tmp_path / "curves.png"
    plotted = km3gpu("sky", "source", "--sources", mine, "--site", "orca", "--time", TIME, "--plot", picture)
    assert plotted.code == 0
    assert "Here" in plotted.out
    assert picture.stat().st_size > 10_000


def test_visibility(km3gpu, tmp_path):
    runs = tmp_path / "runs.csv"
    runs.write_text("start,stop\n2022-01-01,2022-01-03\n")
    found = said(km3gpu("sky", "visibility", "crab", "m87", "--site", "orca", "--runs", runs, "--json"))
    assert [r["name"] for r in found] == ["Crab", "M 87"]
    assert found[0]["visible_seconds"] == pytest.approx(2 * 86_400 * found[0]["livetime_fraction"])
    assert found[0]["livetime_fraction"] == pytest.approx(found[0]["visible_fraction"], abs=0.01)
    assert "of the livetime" in km3gpu("sky", "visibility", "crab", "--site", "orca", "--runs", runs).out
    path, picture = tmp_path / "v.fits", tmp_path / "v.png"
    wrote = km3gpu("sky", "visibility", "--site", "orca", "--nside", 16, "--map", path, "--plot", picture)
    assert wrote.code == 0
    found = read_map(path)
    assert (found.nside, found.nested, found.frame) == (16, False, "icrs")
    assert found.columns["VISIBILITY"].mean() == pytest.approx(0.5, abs=0.01)
    assert picture.stat().st_size > 10_000


def test_map_of_events(km3gpu, data, tmp_path):
    file = data / "offline" / "km3net_offline.root"
    picture, path = tmp_path / "sky.png", tmp_path / "counts.fits"
    more = ("--site", "orca", "--time", TIME, "--source", "crab", "-o", picture, "--map", path)
    drawn = km3gpu("sky", "map", file, *more)
    assert drawn.code == 0, drawn.err
    assert drawn.out.split() == [str(picture), str(path)]
    assert picture.stat().st_size > 10_000
    counts = read_map(path).columns["COUNTS"]
    assert counts.sum() > 0
    assert km3gpu("sky", "map", file, "--nside", 8, "--frame", "galactic", *more).code == 0
    assert read_map(path).frame == "galactic"
    assert read_map(path).columns["COUNTS"].sum() == counts.sum()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("event", "--azimuth", 3, "--zenith", 9), 1, "give --site arca, or --detector FILE"),
        (("event", "--azimuth", 3, "--site", "arca"), 2, "give --azimuth and --zenith, or --phi and --theta"),
        (
            ("event", "--azimuth", 3, "--zenith", 190, "--site", "arca"),
            2,
            "--zenith 190 is not from 0 to 180",
        ),
        (("event", "--azimuth", 3, "--zenith", 9, "--site", "orka"), 1, "no site 'orka'; there is: orca"),
        (
            ("event", "--azimuth", 3, "--zenith", 9, "--site", "arca", "--time", "noon"),
            1,
            "'noon' is no time",
        ),
        (
            ("event", "--azimuth", 3, "--zenith", 9, "--site", "arca", "--time", "1960-01-01"),
            1,
            "is not within 1972",
        ),
        (("source", "crap", "--site", "arca"), 1, "no source 'crap'; there is: Crab"),
        (("source", "crab", "--site", "arca", "--detector", "x"), 1, "more than one thing"),
        (("visibility", "--site", "arca", "--runs", "none.csv"), 1, "no run list 'none.csv'"),
        (("visibility", "--site", "arca", "--zenith-range", 90, 20), 2, "90 20 does not rise"),
        (("visibility", "--site", "arca", "--map", "x.fits", "--nside", 0), 1, "no HEALPix map has nside 0"),
        (("map", "nowhere.root", "--site", "arca"), 1, "nowhere.root"),
        (
            ("map", "testdata:online/muon_cc_daqevents.root", "--site", "arca"),
            1,
            "neither positions nor tracks",
        ),
        (("map", "testdata:offline/km3net_offline.root"), 1, "the events are not located yet"),
        (("map", "testdata:offline/numucc.root", "--site", "arca"), 1, "carry no date"),
        (("map", "testdata:offline/km3net_offline.root", "--frame", "fk9"), 1, "no frame 'fk9'"),
        (("event", "--azimuth", "nan", "--zenith", 9, "--site", "arca"), 2, "--azimuth nan is no angle"),
        (
            ("event", "--azimuth", 1, "--zenith", 9, "--site", "arca", "--time", "1969-07-20"),
            1,
            "'1969-07-20' is not within 1972 to 2099",
        ),
        (("visibility", "Crab", "--site", "arca", "--plot", "no/x.png"), 1, "no directory for 'no/x.png'"),
        (("visibility", "Crab", "--site", "arca", "--plot", "x.gif2"), 1, "'x.gif2' is no name of a picture"),
        (("visibility", "Crab", "--site", "arca", "--map", "no/x.fits"), 1, "no directory for 'no/x.fits'"),
    ],
)
def test_errors(km3gpu, arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = km3gpu("sky", *arguments)
    assert found.code == code
    assert message in found.error()
    assert not list(tmp_path.iterdir())


def test_a_warning_is_one_line():
    command = [sys.executable, "-m", "km3gpu", "sky", "event", "--azimuth", "10", "--zenith", "100"]
    done = subprocess.run(
        [*command, "--site", "arca", "--time", "2060-01-01"], capture_output=True, text=True, check=True
    )
    assert "Earth orientation       outside" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("km3gpu: warning: 1 of the days from 2060-01-01 to 2060-01-01 are outside")
