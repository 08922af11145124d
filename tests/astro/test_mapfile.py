"""HEALPix maps in FITS files."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from km3gpu.astro.mapfile import read_map, write_map
from km3gpu.errors import FormatError, InputNotFoundError, OutputExistsError


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_there_and_back(tmp_path, nested, frame):
    path = tmp_path / "map.fits"
    counts, weights = np.arange(192), np.linspace(0, 1, 192)
    columns = {"COUNTS": counts, "WEIGHTS": weights}
    write_map(path, columns, nested=nested, frame=frame, facts={"site": "orca ✓"})
    found = read_map(path)
    assert (found.nside, found.nested, found.frame) == (4, nested, frame)
    np.testing.assert_array_equal(found.columns["COUNTS"], counts)
    np.testing.assert_array_equal(found.columns["WEIGHTS"], weights)
    header = fits.getheader(path, 1)
    assert (header["PIXTYPE"], header["INDXSCHM"], header["LASTPIX"]) == ("HEALPIX", "IMPLICIT", 191)
    assert "site: orca" in str(header["HISTORY"])
    assert [p.name for p in tmp_path.iterdir()] == ["map.fits"]


def test_healpys_rows_of_1024(tmp_path):
    values = np.arange(3072, dtype=">f4").reshape(3, 1024)
    table = fits.BinTableHDU.from_columns([fits.Column(name="T", format="1024E", array=values)])
    table.header.update(PIXTYPE="HEALPIX", ORDERING="NESTED", NSIDE=16, COORDSYS="G")
    table.writeto(tmp_path / "healpy.fits")
    found = read_map(tmp_path / "healpy.fits")
    np.testing.assert_array_equal(found.columns["T"], np.arange(3072))
    assert (found.nside, found.nested, found.frame) == (16, True, "galactic")


def test_what_is_there_stays(tmp_path):
    path = tmp_path / "map.fits"
    write_map(path, {"A": np.zeros(12)})
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="exists"):
        write_map(path, {"A": np.ones(12)})
    assert path.read_bytes() == before
    write_map(path, {"A": np.ones(12)}, overwrite=True)
    assert read_map(path).columns["A"].sum() == 12


def test_what_is_no_map(tmp_path):
    for columns in ({"A": np.zeros(13)}, {"A": np.zeros(12), "B": np.zeros(48)}, {}):
        with pytest.raises(FormatError, match="no HEALPix maps of one resolution"):
            write_map(tmp_path / "x.fits", columns)
    Table({"a": [1]}).write(tmp_path / "table.fits")
    with pytest.raises(FormatError, match="no HEALPix map in the file"):
        read_map(tmp_path / "table.fits")
    (tmp_path / "text.fits").write_text("hello")
    with pytest.raises(FormatError, match="this is no FITS file"):
        read_map(tmp_path / "text.fits")
    with pytest.raises(InputNotFoundError):
        read_map(tmp_path / "none.fits")
    write_map(tmp_path / "part.fits", {"A": np.zeros(12)})
    with fits.open(tmp_path / "part.fits", mode="update") as hdus:
        hdus[1].header["NSIDE"] = 2
    with pytest.raises(FormatError, match="does not cover the whole sky"):
        read_map(tmp_path / "part.fits")
