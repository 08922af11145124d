"""Visibility against plain sampling of the sky."""

from __future__ import annotations

import math

import numpy as np
import pytest

from km3gpu import astro
from km3gpu.astro.visibility import UPGOING, Livetime, visibility, visibility_map
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, KernelError

T0 = 1_650_000_000 * 10**9
DAY_NS = 86_400_000_000_000
RANGES = [UPGOING, (0.0, math.pi / 2), (math.radians(100), math.radians(140)), (0.0, math.pi)]


def zenith_of(time_ns, ra, dec, site):
    return np.pi - np.arccos(np.clip(astro.icrs_to_local(time_ns, ra, dec, site)[2], -1, 1))


@pytest.mark.parametrize("zenith", RANGES)
@pytest.mark.parametrize("site", ["orca", "arca"])
def test_fraction_of_a_sidereal_day(site, zenith):
    dec = np.radians(np.linspace(-89.5, 89.5, 19))
    t = T0 + (np.arange(4000) / 4000 * 86_164.0905e9).astype(np.int64)
    z = zenith_of(t[:, None], 0.3, dec, site)
    sampled = ((z >= zenith[0]) & (z <= zenith[1])).mean(axis=0)
    # declination of date differs from that of ICRS by 0.1 degrees
    np.testing.assert_allclose(visibility(dec, site, zenith), sampled, atol=8e-3)


def test_poles_and_limits():
    assert visibility(math.pi / 2, "orca") == 0.0
    assert visibility(-math.pi / 2, "orca") == 1.0
    assert visibility(0.0, "orca") == pytest.approx(0.5)
    above, below = visibility(0.4, "arca", (0.0, math.pi / 2)), visibility(0.4, "arca")
    assert above + below == pytest.approx(1.0)
    assert visibility(np.radians([10.0, 20.0]), "arca").shape == (2,)


@pytest.fixture(scope="module")
def livetime():
    rng = np.random.default_rng(0)
    start = T0 + np.sort(rng.integers(0, 200 * DAY_NS, 40))
    length = rng.integers(0, 3 * DAY_NS, 40)
    stop = np.minimum(start + length, np.append(start[1:], start[-1] + DAY_NS))
    return Livetime.of_runs(start, stop)


@pytest.mark.parametrize("zenith", RANGES)
def test_time_in_view_over_a_run_list(livetime, zenith):
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 2 * np.pi, 5), np.arcsin(rng.uniform(-1, 1, 5))
    step = 60 * 10**9
    t = np.concatenate([np.arange(a + step // 2, b, step) for a, b in livetime.runs])
    z = zenith_of(t[:, None], ra, dec, "orca")
    sampled = ((z >= zenith[0]) & (z <= zenith[1])).mean(axis=0)
    got = livetime.in_view(ra, dec, "orca", zenith) / livetime.total
    np.testing.assert_allclose(got, sampled, atol=5e-4)


def test_livetime_adds_up(livetime):
    expected = (livetime.runs[:, 1] - livetime.runs[:, 0]).sum() / 1e9
    assert livetime.total == pytest.approx(expected)
    assert livetime.seconds[-1] == pytest.approx(expected)
    assert livetime.turn[0] == 0.0
    assert livetime.turn[-1] == 1.0


def test_a_single_hour_sees_what_is_up_then():
    runs = Livetime.of_runs(T0, T0 + 3600 * 10**9)
    ra, dec = np.radians([10.0, 100.0, 190.0, 280.0]), np.radians([-20.0, 0.0, 20.0, 60.0])
    z = zenith_of(T0 + np.arange(0, 3601, 5)[:, None] * 10**9, ra, dec, "arca")
    np.testing.assert_allclose(runs.in_view(ra, dec, "arca") / 3600, (z > np.pi / 2).mean(axis=0), atol=2e-3)


def test_map(livetime):
    plain = visibility_map("orca", 16)
    weighed = visibility_map("orca", 16, livetime=livetime)
    assert plain.shape == weighed.shape == (3072,)
    assert ((weighed >= 0) & (weighed <= 1 + 1e-12)).all()
    assert np.abs(plain - weighed).max() < 0.1
    assert plain.mean() == pytest.approx(0.5, abs=0.01)
    nested = visibility_map("orca", 16, nested=True)
    assert sorted(nested) == pytest.approx(sorted(plain))


def test_run_list_of_a_file(tmp_path):
    path = tmp_path / "runs.csv"
    iso = "1,2022-01-01T00:00:00,2022-01-01T06:00:00Z"
    ns = "2,1641020400000000000,1641024000000000000"
    path.write_text(f"# ORCA\nrun,start,stop\n{iso}\n{ns}\n")
    found = Livetime.open(path)
    assert found.total == 7 * 3600
    path.write_text("start,stop\n2022-01-01,yesterday\n")
    with pytest.raises(FormatError, match=r"stop = 'yesterday' is no time \(in .*runs.csv, line 2\)"):
        Livetime.open(path)
    path.write_text("run,begin\n1,2\n")
    with pytest.raises(FormatError, match="the run list has no column start and no stop"):
        Livetime.open(path)
    path.write_text("start,stop\n")
    with pytest.raises(FormatError, match="a run list without runs"):
        Livetime.open(path)
    path.write_text("RUN\tUNIXJOBSTART\tUNIXJOBEND\n7\t1641020400000\t1641024000000\n8\t1641024000000\t\n")
    with pytest.raises(FormatError, match=r"a run without a stop \(in .*runs.csv, line 3\)"):
        Livetime.open(path)
    path.write_text(path.read_text().rpartition("8\t")[0])
    assert Livetime.open(path).runs.tolist() == [[1641020400 * 10**9, 1641024000 * 10**9]]
    with pytest.raises(InputNotFoundError, match="no run list"):
        Livetime.open(tmp_path / "none.csv")


def test_bad_runs_and_ranges():
    with pytest.raises(FormatError, match="the run of row 1 stops at"):
        Livetime.of_runs([T0, T0 + 100], [T0 + 50, T0])
    with pytest.raises(FormatError, match="the runs of rows 1 and 0 overlap"):
        Livetime.of_runs([T0 + 10, T0], [T0 + 50, T0 + 20])
    for zenith in ((1.0, 0.5), (0.0, 180.0), (-1.0, 1.0)):
        with pytest.raises(ConfigError, match="they rise from 0"):
            visibility(0.0, "arca", zenith)
    with pytest.raises(ConfigError, match="is no range of angles"):
        visibility(0.0, "arca", (1.0,))
    with pytest.raises(KernelError, match=r"declination 45\.0 of row 1"):
        visibility([0.0, 45.0], "arca")
