"""Directions to the sky: beside astropy, astropy with its interpolator, and km3astro.

km3astro 0.17 needs an astropy before 7.  Give it an environment of its own, with
``km3astro "astropy<7" "numpy<2"`` in it, and name that one's Python in
``KM3GPU_BENCH_KM3ASTRO``; it then takes its turns in a process beside ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, EarthLocation, get_body
from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
from astropy.time import Time
from astropy.utils import iers

from benchmarks.harness import Row, Spent, Times, alternate
from km3gpu import astro
from km3gpu.astro import bodies, eop, healpix, tables
from km3gpu.astro.visibility import Livetime, visibility_map
from km3gpu.errors import ConfigError
from km3gpu.kernels import threads

DAY_NS = 86_400 * 10**9
FIRST = 16_436 * DAY_NS  # 2015-01-01
YEARS = 13 * 365.25
INTERPRETER = "KM3GPU_BENCH_KM3ASTRO"


def run(quick: bool) -> list[Row]:
    """Measure on one thread; rates are events per second of CPU time."""
    n = 200_000 if quick else 1_000_000
    repeats = 3 if quick else 7
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        warnings.catch_warnings(),
        threads(1),
    ):
        warnings.simplefilter("ignore")
        return [
            *to_the_sky(n, repeats),
            *back(n, repeats),
            *sun_and_moon(n, repeats),
            *maps(n, repeats),
            *table(1 if quick else 3),
        ]


def to_the_sky(n: int, repeats: int) -> list[Row]:
    site = astro.site("orca")
    ordered, scattered = times_of(n), times_of(n, order=False)
    d = directions(n)
    day = np.sort(np.random.default_rng(1).integers(FIRST, FIRST + DAY_NS, n))
    few, many = 2_000, min(n, 200_000)
    few_events, many_events = (
        astropys(ordered[:: n // few][:few], d[:, :few], site),
        astropys(day[:: n // many][:many], d[:, :many], site),
    )

    def interpolated() -> Any:
        with erfa_astrom.set(ErfaAstromInterpolator(300 * u.s)):
            return many_events().icrs.cartesian.xyz

    jobs: dict[str, tuple[int, Callable[[], object]]] = {
        "vectors": (n, lambda: astro.local_to_icrs(ordered, *d, site, vectors=True)),
        "vectors, one day": (n, lambda: astro.local_to_icrs(day, *d, site, vectors=True)),
        "vectors, no deflection": (
            n, lambda: astro.local_to_icrs(ordered, *d, site, vectors=True, deflection=False)),
        "vectors, scattered": (n, lambda: astro.local_to_icrs(scattered, *d, site, vectors=True)),
        "vectors, float32": (n, lambda: astro.local_to_icrs(ordered, *d, site, vectors=True, dtype="f4")),
        "angles": (n, lambda: astro.local_to_icrs(ordered, *d, site)),
        "angles, scattered": (n, lambda: astro.local_to_icrs(scattered, *d, site)),
        "astropy": (few, lambda: few_events().icrs.cartesian.xyz),
        "astropy, interpolated": (many, interpolated),
    }  # fmt: skip
    with Km3astro(ordered[:: n // few][:few], d[:, :few]) as peer:
        if not peer.note:
            jobs["km3astro"] = (few, peer.job("sky"))
        rate = rates(jobs, repeats)
    return [
        promise("events to unit vectors, in order of time", rate["vectors"], 12.0, "deflection included"),
        promise("events to RA and Dec, in order of time", rate["angles"], 6.0),
        promise("events to unit vectors, times at random", rate["vectors, scattered"], 6.0, "over 13 years"),
        promise("events to RA and Dec, times at random", rate["angles, scattered"], 3.0, "over 13 years"),
        promise("events to unit vectors, no deflection", rate["vectors, no deflection"]),
        promise("events to unit vectors, float32", rate["vectors, float32"]),
        beside("events to unit vectors", rate["vectors"], rate["astropy"], 1000.0, "astropy AltAz to ICRS"),
        beside("events of one day to unit vectors", rate["vectors, one day"], rate["astropy, interpolated"],
               30.0, "astropy, ErfaAstromInterpolator(300 s)"),
        with_km3astro("events to RA and Dec", rate, "angles", "km3astro local_event().icrs", peer),
    ]  # fmt: skip


def back(n: int, repeats: int) -> list[Row]:
    site = astro.site("orca")
    t = times_of(n)
    ra, dec = astro.local_to_icrs(t, *directions(n), site)
    vectors = (np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec))
    rate = rates(
        {
            "vectors": (n, lambda: astro.sky_to_local(t, vectors, site)),
            "angles": (n, lambda: astro.icrs_to_local(t, ra, dec, site)),
        },
        repeats,
    )
    return [
        promise("unit vectors to the detector", rate["vectors"]),
        promise("RA and Dec to the detector", rate["angles"]),
    ]


def sun_and_moon(n: int, repeats: int) -> list[Row]:
    site = astro.site("orca")
    t, few = times_of(n), 500
    some = t[:: n // few][:few]
    when, where = to_time(some), location(site)
    rows = []
    with Km3astro(some, directions(few)) as peer:
        for body in bodies.BODIES:
            jobs: dict[str, tuple[int, Callable[[], object]]] = {
                "ours": (n, lambda body=body: astro.body_to_local(body, t, site)),
                "astropy": (
                    few,
                    lambda body=body: get_body(body, when, where).transform_to(
                        AltAz(obstime=when, location=where)
                    ),
                ),
            }
            if not peer.note:
                jobs["km3astro"] = (few, peer.job(body))
            rate = rates(jobs, repeats)
            name = f"direction of the {body.capitalize()}"
            rows.append(promise(name, rate["ours"], 5.0))
            rows.append(beside(name, rate["ours"], rate["astropy"], None, "astropy get_body, AltAz"))
            rows.append(with_km3astro(name, rate, "ours", f"km3astro {body}_local", peer))
    return rows


def maps(n: int, repeats: int) -> list[Row]:
    site = astro.site("orca")
    t, d = times_of(n), directions(n)
    rate = rates({"counts": (n, lambda: healpix.local_counts(t, *d, site, 128))}, repeats)
    start = FIRST + np.arange(1000) * DAY_NS
    runs = Livetime.of_runs(start, start + DAY_NS // 2)
    nside = 289  # 1,002,252 pixels
    spent = alternate(
        {
            "a day": lambda: visibility_map(site, nside),
            "run list": lambda: visibility_map(site, nside, livetime=runs),
        },
        repeats,
    )
    return [
        promise("events counted in HEALPix pixels", rate["counts"], None, "nside 128"),
        seconds("visibility map of a million pixels", spent["a day"], 1.0),
        seconds("the same over 1,000 runs", spent["run list"], 1.0),
    ]


def table(repeats: int) -> list[Row]:
    last = FIRST + int(YEARS * DAY_NS)
    cpu, wall = [], []
    for _ in range(repeats):
        for cached in (tables._assemble, tables._block, eop.earth_orientation, eop._leap_seconds):
            cached.cache_clear()
        a, b = time.process_time(), time.perf_counter()
        found = tables.sky_table(FIRST, last)
        cpu.append(time.process_time() - a)
        wall.append(time.perf_counter() - b)
    times = Times(float(np.median(cpu)), float(np.median(wall)), min(cpu), max(cpu), min(wall), repeats)
    return [
        seconds("table of 13 years, IERS files read", times, 3.0),
        Row("table of 13 years", found.nbytes / 1e6, "MB", limit=2.0, sense="at most"),
    ]


def rates(jobs: dict[str, tuple[int, Callable[[], object]]], repeats: int) -> dict[str, tuple[float, Times]]:
    """Give millions of items per second of CPU time, taken in turn."""
    times = alternate({name: job for name, (_, job) in jobs.items()}, repeats)
    return {name: (jobs[name][0] / t.cpu / 1e6, t) for name, t in times.items()}


def promise(name: str, rate: tuple[float, Times], limit: float | None = None, note: str = "") -> Row:
    return Row(name, rate[0], "Mevent/s", limit=limit, note=note, details={"times": vars(rate[1])})


def beside(
    name: str, ours: tuple[float, Times], peer: tuple[float, Times], limit: float | None, note: str
) -> Row:
    return Row(name, ours[0], "Mevent/s", peer[0], ours[0] / peer[0], limit, note=note,
               details={"ours": vars(ours[1]), "peer": vars(peer[1])})  # fmt: skip


def with_km3astro(
    name: str, rate: dict[str, tuple[float, Times]], ours: str, note: str, peer: Km3astro
) -> Row:
    if "km3astro" in rate:
        return beside(name, rate[ours], rate["km3astro"], None, note)
    return promise(f"{name}, beside km3astro", rate[ours], None, peer.note)


def seconds(name: str, times: Times, limit: float) -> Row:
    return Row(name, times.cpu, "s", limit=limit, sense="at most", details={"times": vars(times)})


def times_of(n: int, order: bool = True) -> Any:
    t = np.random.default_rng(0).integers(FIRST, FIRST + int(12.75 * 365.25 * DAY_NS), n)
    return np.sort(t) if order else t


def directions(n: int) -> Any:
    d = np.random.default_rng(2).normal(size=(3, n))
    return d / np.linalg.norm(d, axis=0)


def location(site: astro.Site) -> EarthLocation:
    return EarthLocation.from_geodetic(site.longitude * u.rad, site.latitude * u.rad, site.z * u.m)


def to_time(time_ns: Any) -> Time:
    return Time(time_ns // 10**9, (time_ns % 10**9) * 1e-9, format="unix", scale="utc")


def astropys(time_ns: Any, d: Any, site: astro.Site) -> Callable[[], Any]:
    """Give what makes astropy's coordinates; anew each time, since they keep what they worked out."""
    azimuth, altitude = astro.local_to_horizontal(*d, site)
    when, where = to_time(time_ns), location(site)

    def make() -> Any:
        from astropy.coordinates import SkyCoord

        return SkyCoord(AltAz(az=azimuth * u.rad, alt=altitude * u.rad, obstime=when, location=where))

    return make


class Km3astro:
    """km3astro in the interpreter that `INTERPRETER` names, or in ours where that has it."""

    def __init__(self, time_ns: Any, d: Any) -> None:
        script = Path(__file__).with_name("km3astro_peer.py")
        command = [os.environ.get(INTERPRETER, sys.executable), str(script)]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise ConfigError(f"{INTERPRETER} is no interpreter: {error}") from None
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/events.npz"
            np.savez(path, time_ns=time_ns, theta=np.arccos(d[2]), phi=np.arctan2(d[1], d[0]) % (2 * np.pi))
            self.note = "" if self.answer(path) else self.problem()

    def answer(self, line: str) -> Any:
        """Send a line; give what comes back, None where nothing does."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        said = self.process.stdout.readline()
        return json.loads(said) if said else None

    def problem(self) -> str:
        """Say why the process ended."""
        said = self.process.communicate()[1].strip().splitlines()
        return f"{said[-1] if said else 'it ended'}: name a Python with km3astro by {INTERPRETER}"

    def job(self, name: str) -> Callable[[], Spent]:
        """Give what has it do a job, for `alternate`."""

        def run() -> Spent:
            spent = self.answer(name)
            if spent is None:
                raise ConfigError(f"km3astro failed: {self.problem()}")
            return Spent(*spent)

        return run

    def __enter__(self) -> Km3astro:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate()
