"""The sky kernels against whole rotation matrices in NumPy, on every backend."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.kernels import sky, threads
from km3gpu.kernels.launch import NONE
from km3gpu.kernels.reference import sky as reference
from km3gpu.kernels.scalar import sky as scalar
from km3gpu.kernels.scalar.fault import split

DAY_NS = 86_400_000_000_000
START = 17_000 * DAY_NS
N_DAYS = 40
SIZES = (0, 1, 31, 32, 33, 257)
NO_TURN = np.eye(3).ravel()


@pytest.fixture(scope="module")
def table():
    """A table with the sizes of the real one, and none of its regularity."""
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1e-3, 1e-3, (N_DAYS, 44))
    rows[:, 0] = rng.uniform(0, 2 * np.pi, N_DAYS)
    rows[:, 1] = 6.3
    rows[:, 4:8] *= 1e-3
    rows[:, 16:28] *= 0.1
    sun = rng.normal(size=(N_DAYS, 3))
    rows[:, 28:40:4] = sun / np.linalg.norm(sun, axis=1)[:, None]
    rows[:, 40] = rng.uniform(0.98, 1.02, N_DAYS)
    return rows


@pytest.fixture(scope="module")
def site():
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return np.array([*(q * np.linalg.det(q)).ravel(), -3e-7, 1.1e-6])


@pytest.fixture(scope="module")
def frame():
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return np.ascontiguousarray(q).ravel()


def events(n, seed=3):
    rng = np.random.default_rng(seed)
    t = rng.integers(START, START + N_DAYS * DAY_NS, n)
    d = rng.normal(size=(3, n))
    return t, np.ascontiguousarray(d / np.linalg.norm(d, axis=0))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("bending", [True, False])
def test_to_the_sky(n, bending, table, site, frame):
    t, d = events(n)
    columns, fault = sky.local_to_sky(t, *d, table, START, site, frame, bending, vectors=True)
    expected = reference.local_to_vectors(t, *d, table, START, site, frame, bending)
    assert fault == NONE
    np.testing.assert_allclose(np.array(columns).T, expected, rtol=0, atol=1e-12)
    columns, fault = sky.local_to_sky(t, *d, table, START, site, frame, bending)
    assert fault == NONE
    np.testing.assert_allclose(np.array(columns).T, reference.angles(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("bending", [True, False])
def test_to_the_detector(n, bending, table, site, frame):
    t, v = events(n, seed=4)
    columns, fault = sky.sky_to_local(t, tuple(v), table, START, site, frame, bending)
    expected = reference.vectors_to_local(t, *v, table, START, site, frame, bending)
    assert fault == NONE
    np.testing.assert_allclose(np.array(columns).T, expected, rtol=0, atol=1e-12)
    angles = reference.angles(v.T)
    longitude, latitude = (np.ascontiguousarray(a) for a in angles.T)
    columns, fault = sky.sky_to_local(t, (longitude, latitude), table, START, site, frame, bending)
    assert fault == NONE
    np.testing.assert_allclose(np.array(columns).T, expected, rtol=0, atol=1e-12)


def test_there_and_back(table, site, frame):
    t, d = events(257)
    there, _ = sky.local_to_sky(t, *d, table, START, site, frame, False, vectors=True)
    back, _ = sky.sky_to_local(t, there, table, START, site, frame, False)
    np.testing.assert_allclose(back, d, rtol=0, atol=1e-11)  # polar motion is to first order


def test_the_first_bad_row_is_named(table, site):
    t, d = events(64)
    d[1, 40] = np.nan
    d[:, 23] *= 1.01
    t[50] = START - 1
    columns, fault = sky.local_to_sky(t, *d, table, START, site, NO_TURN, vectors=True)
    assert split(fault) == (23, sky.NOT_UNIT)
    assert np.flatnonzero(np.isnan(columns[0])).tolist() == [23, 40, 50]
    t[7] = START + N_DAYS * DAY_NS
    _, fault = sky.local_to_sky(t, *d, table, START, site, NO_TURN)
    assert split(fault) == (7, sky.NO_DAY)
    angles = (np.array([0.1, np.nan]), np.array([0.2, 0.3]))
    columns, fault = sky.sky_to_local(t[:2], angles, table, START, site, NO_TURN)
    assert split(fault) == (1, sky.NOT_UNIT)
    assert np.isnan(columns[2]).tolist() == [False, True]


def test_threads_do_not_change_a_bit(table, site, frame):
    t, d = events(40_000)
    many, _ = sky.local_to_sky(t, *d, table, START, site, frame)
    with threads(1):
        one, _ = sky.local_to_sky(t, *d, table, START, site, frame)
    np.testing.assert_array_equal(many, one)


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e5, 1e5))
def test_sine_and_cosine(angle):
    s, c = scalar.sine_cosine(angle)
    assert s == pytest.approx(math.sin(angle), abs=3e-16)
    assert c == pytest.approx(math.cos(angle), abs=3e-16)


def test_sine_and_cosine_at_the_seams():
    for k in range(-16, 17):
        for offset in (-1e-9, 0.0, 1e-9):
            angle = k * math.pi / 4 + offset
            s, c = scalar.sine_cosine(angle)
            assert s == pytest.approx(math.sin(angle), abs=2e-16)
            assert c == pytest.approx(math.cos(angle), abs=2e-16)
    assert all(map(math.isnan, scalar.sine_cosine(math.nan)))
    assert all(map(math.isnan, scalar.sine_cosine(2e6)))
