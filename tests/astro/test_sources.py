"""Source lists: the bundled one, and files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.table import Table

from km3gpu.astro.separation import separation
from km3gpu.astro.sources import SourceList, bundled, source
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, UnknownNameError

LIST = """# two blazars
name, RA, Dec, z
TXS 0506+056, 77.358185, 5.693148, 0.3365
Mrk 421, 166.113808, 38.208833, 0.031
"""


def write(path, text):
    path.write_text(text)
    return path


def test_bundled():
    every = bundled()
    assert len(every) == len(set(every.names)) >= 15
    crab = source("crab")
    assert (math.degrees(crab.ra), math.degrees(crab.dec)) == pytest.approx((83.6331, 22.0145), abs=1e-3)
    assert source("sgr a").name == "Sgr A*"
    assert next(s.name for s in every) == "Sirius"
    with pytest.raises(UnknownNameError, match="no source 'crap'; there is: Crab"):
        source("crap")


# name, position [deg] from another source, and how far apart the two may be [arcsec]
ELSEWHERE = [
    # PyEphem 4.2, from Hipparcos 1997
    ("Sirius", 101.28715455, -16.71611569, 0.02),
    ("Canopus", 95.98795770, -52.69566045, 0.02),
    ("Arcturus", 213.91530015, 19.18241038, 0.02),
    ("Antares", 247.35192045, -26.43200250, 0.02),
    # the catalogue of VERITAS's results
    ("TXS 0506+056", 77.358186, 5.693148, 0.01),
    ("Mrk 501", 253.4675695, 39.760169139, 0.01),
    ("PKS 1424+240", 216.751632458, 23.800010444, 0.01),
    # gamma-cat's measurement, and the centre of the shell in the H.E.S.S. Galactic plane survey
    ("Vela X", 128.750, -45.600, 2.0),
    ("RX J1713.7-3946", 258.355, -39.771, 120.0),
    # target lists of other experiments
    ("Mrk 421", 166.113808, 38.20883287, 0.01),
    ("3C 454.3", 343.490616, 16.148211, 0.01),
    ("NGC 1068", 40.669622, -0.013294, 0.01),
    ("M 87", 187.7059308, 12.3911233, 0.01),
    ("Cen A", 201.36506279, -43.01911258, 0.01),
    ("Cyg X-1", 299.590316, 35.201606, 0.02),
    ("M 31", 10.6847083, 41.26875, 0.01),
    # km3astro's
    ("Sgr A*", 266.41683708, -29.00781056, 0.001),
    # radio position of the pulsar in it
    ("Crab", 83.633212, 22.01446, 1.0),
]


@pytest.mark.parametrize(("name", "ra", "dec", "apart"), ELSEWHERE)
def test_positions_as_others_have_them(name, ra, dec, apart):
    found = source(name)
    assert (
        math.degrees(separation((found.ra, found.dec), (math.radians(ra), math.radians(dec)))) < apart / 3600
    )


def test_bundled_sources_say_where_they_are_from():
    assert all(bundled().columns["reference"])


def test_csv(tmp_path):
    found = SourceList.open(write(tmp_path / "list.csv", LIST))
    assert found.names == ("TXS 0506+056", "Mrk 421")
    assert math.degrees(found["mrk421"].dec) == pytest.approx(38.208833)
    assert found.columns == {"z": ("0.3365", "0.031")}
    radians = SourceList.open(write(tmp_path / "rad.csv", "ra,dec\n1.5,-0.5\n"), unit="rad")
    assert (radians[0].name, radians[0].ra, radians[0].dec) == ("source 0", 1.5, -0.5)
    hours = SourceList.open(write(tmp_path / "h.csv", "ra,dec\n12,-30\n"), unit="hourangle")
    assert (hours.ra[0], hours.dec[0]) == pytest.approx((math.pi, -math.pi / 6))


def test_fits(tmp_path):
    table = Table({"Source_Name": ["a", "b"], "RAJ2000": [10.0, 350.0], "DEJ2000": [-5.0, 89.0]})
    table["RAJ2000"].unit = table["DEJ2000"].unit = "deg"
    table.write(tmp_path / "list.fits")
    found = SourceList.open(tmp_path / "list.fits")
    assert found.names == ("a", "b")
    np.testing.assert_allclose(np.degrees(found.ra), [10.0, 350.0])
    table["RAJ2000"].unit = table["DEJ2000"].unit = "rad"
    table["RAJ2000"], table["DEJ2000"] = table["RAJ2000"] / 100, table["DEJ2000"] / 100
    table.write(tmp_path / "rad.fits")
    np.testing.assert_allclose(SourceList.open(tmp_path / "rad.fits").dec, [-0.05, 0.89])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,alpha,dec\nx,1,2\n", r"no column for the right ascension \(there is: name, alpha, dec\)"),
        ("name,ra,dec\nx,1,2\ny,one,2\n", "ra of row 1 is 'one', no number"),
        ("name,ra,dec\nx,1,2\ny,1,nan\n", "dec of row 1 is 'nan', no number"),
        ("name,ra,dec\nx,1,2\ny,10,95\n", "source 'y' of row 1 is at ra"),
        ("name,ra,dec\nx,1\n", "row 0 has not as many values"),
        ("name,ra,dec\nx,1,2,3\n", "row 0 has not as many values"),
        ("", r"no column for the right ascension \(there is: none\)"),
    ],
)
def test_bad_files(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        SourceList.open(write(tmp_path / "bad.csv", text))


def test_other_bad_arguments(tmp_path):
    with pytest.raises(InputNotFoundError, match="no file"):
        SourceList.open(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="no unit 'degrees'; there is: deg"):
        SourceList.open(write(tmp_path / "list.csv", LIST), unit="degrees")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="this is no text"):
        SourceList.open(tmp_path / "binary.csv")


def test_nearest_and_matches():
    rng = np.random.default_rng(0)
    every = bundled()
    ra, dec = rng.uniform(0, 2 * np.pi, 10_000), np.arcsin(rng.uniform(-1, 1, 10_000))
    matrix = separation((ra[:, None], dec[:, None]), (every.ra, every.dec))
    index, angle = every.nearest(ra, dec)
    np.testing.assert_array_equal(index, matrix.argmin(axis=1))
    np.testing.assert_allclose(angle, matrix.min(axis=1), atol=1e-14)
    for radius in (0.0, 0.05, np.linspace(0.0, 0.5, 10_000)):
        found = every.match(ra, dec, radius)
        event, which = np.nonzero(matrix <= np.broadcast_to(radius, 10_000)[:, None])
        np.testing.assert_array_equal(found.event, event)
        np.testing.assert_array_equal(found.source, which)
        np.testing.assert_allclose(found.separation, matrix[event, which], atol=1e-14)
        assert len(found) == len(event)


def test_events_without_a_position_and_no_events():
    every = bundled()
    index, angle = every.nearest([np.nan, every.ra[3]], [0.1, every.dec[3]])
    assert index.tolist() == [-1, 3]
    assert np.isnan(angle[0])
    assert len(every.match([np.nan], [0.0], 3.0)) == 0
    assert len(every.match([], [], 1.0)) == 0
    with pytest.raises(ConfigError, match="is no angle in radians"):
        every.match([1.0], [0.0], 5.0)
    with pytest.raises(ConfigError, match="an empty list"):
        SourceList((), np.empty(0), np.empty(0)).nearest([1.0], [0.0])
