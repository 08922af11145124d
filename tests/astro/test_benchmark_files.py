"""The astronomy benchmarks of km3net-testdata: aanet's, and those of ANTARES' astro.

None of them is the sky to better than some arcseconds; what they leave out (light
aberration, UT1 - UTC, the equation of the equinoxes, a site 74 m off; see
`km3gpu.astro.aanet`) is as large as the differences asserted here.  The exact path
is tested against astropy.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from km3gpu import astro
from km3gpu.astro import aanet

from .conftest import separation_mas

DETECTORS = ("ARCA", "ORCA", "antares")


def table(path: Path) -> dict[str, Any]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    return {k: np.array([r[k] for r in rows]) for k in rows[0]}


def when(t: dict[str, Any]) -> Any:
    return np.array([f"{d}T{c}" for d, c in zip(t["date"], t["time"], strict=True)], dtype="datetime64[ns]")


def unit(longitude: Any, latitude: Any) -> Any:
    lon, lat = (np.radians(np.asarray(a, float)) for a in (longitude, latitude))
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def travel(t: dict[str, Any]) -> Any:
    """Direction of travel, from azimuth and zenith of the source [deg]."""
    return -unit(t["azimuth"], 90.0 - t["zenith"].astype(float))


def arcsec(a: Any, b: Any) -> Any:
    return separation_mas(np.asarray(a), np.asarray(b)) / 1e3


@pytest.fixture(scope="module")
def rows(data: Path) -> dict[str, Any]:
    t = table(data / "astro" / "local2eq_aanet_2.7.1.csv")
    stamps = [
        f"{y:04}-{m:02}-{d:02}T{h:02}:{mi:02}:{s:02}"
        for y, m, d, h, mi, s in zip(
            *(t[k].astype(int) for k in ("year", "month", "day", "hour", "min", "sec")), strict=True
        )
    ]
    return t | {"when": np.array(stamps, dtype="datetime64[ns]"), "j2000": t["j2000"] == "True"}


def site_of(t: dict[str, Any]) -> astro.Site:
    easting, northing, z = (float(t[f"utm_{k}"][0]) for k in ("easting", "northing", "z"))
    return astro.Site("aanet's", easting, northing, z, t["utm_zone"][0])


def test_aanets_site(rows):
    found = aanet.site_of(site_of(rows))
    expected = [float(rows[k][0]) for k in ("det_latitude", "det_longitude", "meridian_convergence")]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)  # 2 mas


def test_all_rows_in_aanet_mode(rows):
    d = np.array([rows[f"d{k}"].astype(float) for k in "xyz"])
    j = rows["j2000"]
    assert (len(j), j.sum()) == (480, 240)
    truth = unit(*np.degrees([rows["eq_ra"].astype(float), rows["eq_dec"].astype(float)]))
    site = site_of(rows)
    ours = np.array(astro.local_to_icrs(rows["when"], *d, site, vectors=True, compat="aanet"))
    assert arcsec(ours[:, j], truth[:, j]).max() < 0.15
    of_date, _ = aanet.local_to_sky(astro.utc_ns(rows["when"]), d, site, "of date", vectors=True)
    assert arcsec(np.array(of_date)[:, ~j], truth[:, ~j]).max() < 0.01
    galactic = np.array(
        astro.local_to_sky(rows["when"], *d, site, frame="galactic", vectors=True, compat="aanet")
    )
    expected = unit(*np.degrees([rows["gal_lon"].astype(float), rows["gal_lat"].astype(float)]))
    assert arcsec(galactic[:, j], expected[:, j]).max() < 0.15


def test_aanet_mode_both_ways(rows):
    d = np.array([rows[f"d{k}"].astype(float) for k in "xyz"])
    for frame in ("icrs", "galactic"):
        lon, lat = astro.local_to_sky(rows["when"], *d, "orca", frame=frame, compat="aanet")
        back = astro.sky_to_local(rows["when"], (lon, lat), "orca", frame=frame, compat="aanet")
        np.testing.assert_allclose(back, d, rtol=0, atol=1e-9)  # the rounding of the FK5 matrix
    angles = astro.local_to_icrs(rows["when"], *d, "orca", compat="aanet")
    vectors = astro.local_to_icrs(rows["when"], *d, "orca", compat="aanet", vectors=True)
    np.testing.assert_allclose(unit(*np.degrees(angles)), vectors, rtol=0, atol=1e-14)


def test_aanet_is_not_the_sky(rows):
    d = np.array([rows[f"d{k}"].astype(float) for k in "xyz"])[:, rows["j2000"]]
    t = rows["when"][rows["j2000"]]
    exact = astro.local_to_icrs(t, *d, site_of(rows), vectors=True)
    off = arcsec(exact, astro.local_to_icrs(t, *d, site_of(rows), vectors=True, compat="aanet"))
    assert off.mean() == pytest.approx(17.0, abs=1.0)
    assert off.max() == pytest.approx(38.0, abs=2.0)


def test_aanet_mode_names_bad_rows():
    with pytest.raises(ValueError, match="of row 1 is no unit vector"):
        astro.local_to_icrs(10**18, [0.0, 0.0], 0.0, [1.0, 2.0], "arca", compat="aanet")
    ra, dec = astro.local_to_icrs(10**18, [0.0, 0.0], 0.0, [1.0, 2.0], "arca", compat="aanet", invalid="nan")
    assert np.isnan(ra).tolist() == np.isnan(dec).tolist() == [False, True]
    with pytest.raises(ValueError, match="take 'aanet', or leave it out"):
        astro.local_to_icrs(10**18, 0.0, 0.0, 1.0, "arca", compat="astro")


@pytest.mark.parametrize("detector", DETECTORS)
def test_coordinate_systems(data, detector):
    t = table(data / "astro" / f"{detector}_coordinate_systems_benchmark.csv")
    d = travel(t)
    np.testing.assert_allclose(unit(t["phi"], 90.0 - t["theta"].astype(float)), d, atol=1e-12)
    ours = astro.local_to_icrs(when(t), *d, detector, vectors=True)
    off = arcsec(ours, unit(t["RA-J2000"], t["DEC-J2000"]))
    assert off.mean() < 17.0
    assert off.max() < 38.0
    galactic = astro.local_to_sky(when(t), *d, detector, frame="galactic", vectors=True)
    assert arcsec(galactic, unit(t["gal_lon"], t["gal_lat"])).max() < 38.0
    if detector != "antares":  # these two are aanet's own
        for frame, lon, lat in (("icrs", "RA-J2000", "DEC-J2000"), ("of date", "RA", "DEC")):
            again, _ = aanet.local_to_sky(astro.utc_ns(when(t)), d, astro.site(detector), frame, vectors=True)
            assert arcsec(again, unit(t[lon], t[lat])).max() < 0.15


def test_the_typo_in_the_antares_file(data):
    t = table(data / "astro" / "antares_coordinate_systems_benchmark.csv")
    of_date, _ = aanet.local_to_sky(
        astro.utc_ns(when(t)), travel(t), astro.site("antares"), "of date", vectors=True
    )
    declination = np.degrees(np.arcsin(of_date[2]))
    off = np.abs(declination - t["DEC"].astype(float)) * 3600.0
    assert off.argmax() == 1  # 2007-10-04, phi 23.46, theta 11.97: -46.871, to be -46.877
    assert off[1] == pytest.approx(22.0, abs=3.0)
    assert np.delete(off, 1).max() < 5.0
    assert declination[1] == pytest.approx(-46.877, abs=1e-3)


@pytest.mark.parametrize(("detector", "limit"), [("ARCA", 23.0), ("ORCA", 23.0), ("antares", 33.0)])
def test_stars(data, detector, limit):
    t = table(data / "astro" / f"{detector}_astro_objects_benchmark.csv")

    def sexagesimal(text: str) -> float:
        sign = -1.0 if text.strip().startswith("-") else 1.0
        a, b, c = (abs(float(p)) for p in text.split(":"))
        return sign * (a + b / 60.0 + c / 3600.0)

    ra = np.radians([15.0 * sexagesimal(x) for x in t["RA-J2000"]])
    dec = np.radians([sexagesimal(x) for x in t["DEC-J2000"]])
    exact = astro.icrs_to_local(when(t), ra, dec, detector)
    assert arcsec(exact, travel(t)).max() < limit
    if detector != "antares":
        again = astro.icrs_to_local(when(t), ra, dec, detector, compat="aanet")
        assert arcsec(again, travel(t)).max() < 0.15


@pytest.mark.parametrize("detector", DETECTORS)
def test_sun_and_moon(data, detector):
    t = table(data / "astro" / f"{detector}_moon_sun_position_benchmark.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", astro.DegradedSkyWarning)  # dates of 2028
        for body, limit in (("Sun", 22.5), ("Moon", 65.0)):
            m = t["object"] == body
            ours = astro.body_to_local(body.lower(), when(t)[m], detector)
            assert arcsec(ours, travel(t)[:, m]).max() < limit
