"""Random events, and what astropy makes of them without any download."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation
from astropy.time import Time
from astropy.utils import iers

from km3gpu.astro import Site

DAY_NS = 86_400_000_000_000
LEAP_DAYS = (16_616, 17_166)  # astropy's "unix" stretches them, POSIX time does not


@pytest.fixture(autouse=True)
def astropy_offline() -> Iterator[None]:
    """Let astropy use its bundled tables for any date."""
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module="astropy")
        warnings.filterwarnings("ignore", module="erfa")
        yield


def random_events(n: int, seed: int, first: str = "2015-01-01", last: str = "2027-10-01") -> Any:
    """Give times (n,) int64 and travel directions (3, n)."""
    rng = np.random.default_rng(seed)
    low, high = (int(np.datetime64(d, "ns").astype(np.int64)) for d in (first, last))
    t = rng.integers(low, high, n)
    t[np.isin(t // DAY_NS, LEAP_DAYS)] += DAY_NS
    d = rng.normal(size=(3, n))
    return t, d / np.linalg.norm(d, axis=0)


def to_time(time_ns: Any) -> Time:
    """Give astropy's Time of UTC ns."""
    return Time(time_ns // 10**9, (time_ns % 10**9) * 1e-9, format="unix", scale="utc")


def location(site: Site) -> EarthLocation:
    """Give astropy's location, from latitude and longitude (not from our own ECEF)."""
    return EarthLocation.from_geodetic(site.longitude * u.rad, site.latitude * u.rad, site.z * u.m)


def horizontal(time_ns: Any, d: Any, site: Site) -> Any:
    """Give astropy's AltAz of where a direction of travel comes from."""
    azimuth = np.pi / 2 - np.arctan2(-d[1], -d[0]) + site.convergence
    return AltAz(
        az=azimuth * u.rad,
        alt=np.arcsin(np.clip(-d[2], -1, 1)) * u.rad,
        obstime=to_time(time_ns),
        location=location(site),
    )


def separation_mas(a: Any, b: Any) -> Any:
    """Angle between unit vectors (3, n), in milliarcseconds."""
    cross = np.linalg.norm(np.cross(a, b, axis=0), axis=0)
    return np.degrees(np.arctan2(cross, (a * b).sum(axis=0))) * 3.6e6
