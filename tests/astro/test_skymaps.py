"""HEALPix maps and time scrambling."""

from __future__ import annotations

import numpy as np
import pytest

from km3gpu import astro
from km3gpu.astro import healpix, scramble
from km3gpu.astro.visibility import Livetime
from km3gpu.errors import ConfigError, FormatError, KernelError

from .conftest import random_events

YEAR = ("2021-01-01", "2021-12-31")


def test_counts_of_events_and_of_positions_are_the_same():
    t, d = random_events(5000, 1, *YEAR)
    for frame in ("icrs", "galactic"):
        lon, lat = astro.local_to_sky(t, *d, "arca", frame=frame)
        for nested in (True, False):
            found = healpix.local_counts(t, *d, "arca", 16, frame=frame, nested=nested)
            np.testing.assert_array_equal(found, healpix.counts(lon, lat, 16, nested=nested))
            assert found.sum() == 5000


def test_weights_and_rows_without_a_position():
    lon, lat = np.array([0.1, np.nan, 0.1, 3.0]), np.array([0.2, 0.0, 0.2, -1.0])
    with pytest.raises(KernelError, match="of row 1 cannot be in radians"):
        healpix.counts(lon, lat, 4)
    assert healpix.counts(lon, lat, 4, invalid="nan").sum() == 3
    weighed = healpix.counts(lon, lat, 4, weights=[1.0, 10.0, 0.5, 2.0], invalid="nan")
    assert weighed[healpix.pixels(0.1, 0.2, 4)] == 1.5
    assert weighed.sum() == 3.5
    with pytest.raises(FormatError, match="2 weights for 4 positions"):
        healpix.counts(lon, lat, 4, weights=[1.0, 2.0], invalid="nan")


def test_centres():
    lon, lat = healpix.centres(8)
    assert healpix.pixels(lon, lat, 8).tolist() == list(range(768))
    assert healpix.centres(8, 5)[0].shape == ()
    for bad, message in (
        (768, r"no pixel 768 \(row 0\) in a map of 768"),
        ([0, -1], r"no pixel -1 \(row 1\)"),
        (0.5, "pixels are float64, not integers"),
    ):
        with pytest.raises(FormatError, match=message):
            healpix.centres(8, bad)


def test_counting_on():
    t, d = random_events(100, 2, *YEAR)
    found = healpix.local_counts(t, *d, "orca", 8)
    again = healpix.local_counts(t, *d, "orca", 8, into=found)
    assert again is found
    assert found.sum() == 200
    d[:, 7] = np.nan
    with pytest.raises(KernelError, match="of row 7 is no unit vector"):
        healpix.local_counts(t, *d, "orca", 8)
    assert healpix.local_counts(t, *d, "orca", 8, invalid="nan").sum() == 99


def test_scrambling_keeps_what_the_detector_saw():
    t, d = random_events(3000, 3, *YEAR)
    a, b = scramble.scrambled_times(t, 7), scramble.scrambled_times(t, 7)
    np.testing.assert_array_equal(a, b)
    assert sorted(a) == sorted(t)
    assert (a != scramble.scrambled_times(t, 8)).any()
    ra, dec = scramble.scrambled(t, *d, "arca", 7)
    back = astro.icrs_to_local(a, ra, dec, "arca")
    np.testing.assert_allclose(back, d, atol=1e-9)


def test_a_source_is_smeared_out_in_right_ascension():
    t, _ = random_events(4000, 4, *YEAR)
    d = astro.icrs_to_local(t, 1.0, 0.3, "orca")
    ra, dec = scramble.scrambled(t, *d, "orca", 0)
    true_ra, _ = astro.local_to_icrs(t, *d, "orca")
    assert np.abs(true_ra - 1.0).max() < 1e-9
    assert np.histogram(ra, 8, (0, 2 * np.pi))[0].min() > 300
    np.testing.assert_allclose(dec, 0.3, atol=4e-3)  # of date, in ICRS


def test_times_from_the_livetime():
    start = np.array([1_610_000_000, 1_620_000_000]) * 10**9
    runs = Livetime.of_runs(start, start + np.array([1000, 3000]) * 10**9)
    t = scramble.scrambled_times(np.zeros(40_000, np.int64), 1, runs)
    first = t < start[1]
    assert ((t[first] >= start[0]) & (t[first] < start[0] + 1000 * 10**9)).all()
    assert ((t[~first] >= start[1]) & (t[~first] < start[1] + 3000 * 10**9)).all()
    assert first.mean() == pytest.approx(0.25, abs=0.01)
    with pytest.raises(ConfigError, match="the livetime is 0"):
        scramble.scrambled_times(t, 1, Livetime.of_runs(start[0], start[0]))


def test_background_map():
    t, d = random_events(2000, 5, *YEAR)
    mean = scramble.scrambled_counts(t, *d, "arca", 4, seeds=5)
    assert mean.sum() == pytest.approx(2000)
    one = scramble.scrambled_counts(t, *d, "arca", 4, seeds=[3])
    ra, dec = scramble.scrambled(t, *d, "arca", 3)
    np.testing.assert_array_equal(one, healpix.counts(ra, dec, 4))
    with pytest.raises(ConfigError, match="no scramblings"):
        scramble.scrambled_counts(t, *d, "arca", 4, seeds=[])
    with pytest.raises(ConfigError, match="seed -1 is no whole number"):
        scramble.scrambled_times(t, -1)
