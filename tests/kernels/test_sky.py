"""The sky kernels against whole rotation matrices in NumPy, on every backend."""

from __future__ import annotations

import math
import re

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.kernels import sky, threads
from km3gpu.kernels.cpu import sky as cpu
from km3gpu.kernels.launch import NONE
from km3gpu.kernels.reference import sky as reference
from km3gpu.kernels.scalar import angles as scalar
from km3gpu.kernels.scalar.fault import split

from .conftest import SIMULATED, Where

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
    return np.array([*(q * np.linalg.det(q)).ravel(), -3e-7, 1.1e-6, 1.7e-7, 0.5e-7, 1.5e-7])


@pytest.fixture(scope="module")
def frame():
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    return np.ascontiguousarray(q).ravel()


def events(n, seed=3):
    rng = np.random.default_rng(seed)
    t = rng.integers(START, START + N_DAYS * DAY_NS, n)
    d = rng.normal(size=(3, n))
    return t, np.ascontiguousarray(d / np.linalg.norm(d, axis=0))


def columns(where, found):
    """Host arrays (n, k) of what a kernel gave, which must be without a fault."""
    given, fault = found
    assert fault == NONE
    return np.array([where.get(c) for c in given]).T


def close(got, expected, atol=1e-12):
    np.testing.assert_allclose(got, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("bending", [True, False])
def test_to_the_sky(where: Where, n, bending, table, site, frame):
    t, d = events(n)
    time, x, y, z, *context = where.put(t, *d, table, site, frame)
    more = {"bending": bending}
    context = (context[0], START, *context[1:])
    expected = reference.local_to_vectors(t, *d, table, START, site, frame, bending)
    close(columns(where, sky.local_to_sky(time, (x, y, z), *context, vectors=True, **more)), expected)
    expected = reference.local_to_angles(t, *d, table, START, site, frame, bending)
    close(columns(where, sky.local_to_sky(time, (x, y, z), *context, **more)), expected)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("bending", [True, False])
def test_to_the_detector(where: Where, n, bending, table, site, frame):
    t, v = events(n, seed=4)
    time, x, y, z, rows, place, axes = where.put(t, *v, table, site, frame)
    context = (rows, START, place, axes)
    expected = reference.vectors_to_local(t, *v, table, START, site, frame, bending)
    close(columns(where, sky.sky_to_local(time, (x, y, z), *context, bending=bending)), expected)
    longitude, latitude = reference.angles(v.T).T
    expected = reference.angles_to_local(t, longitude, latitude, table, START, site, frame, bending)
    angles = tuple(where.put(longitude.copy(), latitude.copy()))
    close(columns(where, sky.sky_to_local(time, angles, *context, bending=bending)), expected)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("bending", [True, False])
def test_sun_and_moon(where: Where, n, bending, table, site):
    t, _ = events(n, seed=6)
    rng = np.random.default_rng(7)
    body = rng.uniform(-1e-6, 1e-6, (N_DAYS, 36))
    body[:, 0::6] = rng.normal(size=(N_DAYS, 6)) * 1e-5
    time, far, rows, place = where.put(t, body, table, site)
    expected = reference.body_to_local(t, body, table, START, site, bending)
    close(columns(where, sky.body_to_local(time, far, rows, START, place, bending=bending)), expected)


@pytest.mark.parametrize("n", SIZES)
def test_turned_angles(where: Where, n, frame):
    _, v = events(n, seed=8)
    x, y, z, matrix = where.put(*v, frame)
    expected = reference.vectors_to_angles(*v, frame)
    close(columns(where, sky.vectors_to_angles(x, y, z, matrix)), expected)
    lon, lat = where.put(*(np.ascontiguousarray(a) for a in expected.T))
    close(
        columns(where, sky.angles_to_vectors(lon, lat, matrix)),
        reference.angles_to_vectors(*expected.T, frame),
    )


def test_mixed_precision(where: Where, table, site, frame):
    t, d = events(where.rows(2000))
    single = d.astype(np.float32)
    time, x, y, z, rows, place, axes = where.put(t, *single, table, site, frame)
    given, fault = sky.local_to_sky(time, (x, y, z), rows, START, place, axes, vectors=True)
    assert fault == NONE
    assert {c.dtype for c in given} == {np.dtype(np.float32)}
    expected = reference.local_to_vectors(t, *single.astype(float), table, START, site, frame, True)
    close(np.array([where.get(c) for c in given]).T, expected, atol=5e-7)
    angles, fault = sky.local_to_sky(time, (x, y, z), rows, START, place, axes)
    assert fault == NONE
    assert {c.dtype for c in angles} == {np.dtype(np.float64)}
    back, fault = sky.sky_to_local(time, angles, rows, START, place, axes, dtype=np.float32)
    assert fault == NONE
    assert {c.dtype for c in back} == {np.dtype(np.float32)}
    close(np.array([where.get(c) for c in back]), single, atol=1e-6)
    back, fault = sky.sky_to_local(time, given, rows, START, place, axes, dtype=np.float32)
    close(np.array([where.get(c) for c in back]), single, atol=1e-6)


def test_there_and_back(where: Where, table, site, frame):
    t, d = events(257)
    time, x, y, z, rows, place, axes = where.put(t, *d, table, site, frame)
    there, _ = sky.local_to_sky(time, (x, y, z), rows, START, place, axes, bending=False, vectors=True)
    back = sky.sky_to_local(time, there, rows, START, place, axes, bending=False)
    close(columns(where, back), d.T, atol=1e-11)  # polar motion is to first order


def test_the_first_bad_row_is_named(where: Where, table, site):
    t, d = events(64)
    d[1, 40] = np.nan
    d[:, 23] *= 1.01
    t[50] = START - 1
    time, x, y, z, rows, place, axes = where.put(t, *d, table, site, NO_TURN)
    given, fault = sky.local_to_sky(time, (x, y, z), rows, START, place, axes, vectors=True)
    assert split(fault) == (23, sky.NOT_UNIT)
    assert np.flatnonzero(np.isnan(where.get(given[0]))).tolist() == [23, 40, 50]
    t[7] = START + N_DAYS * DAY_NS
    _, fault = sky.local_to_sky(where.put(t), (x, y, z), rows, START, place, axes)
    assert split(fault) == (7, sky.NO_DAY)
    angles = tuple(where.put(np.array([0.1, np.nan]), np.array([0.2, 0.3])))
    given, fault = sky.sky_to_local(where.put(t[:2]), angles, rows, START, place, axes)
    assert split(fault) == (1, sky.NOT_UNIT)
    assert np.isnan(where.get(given[2])).tolist() == [False, True]
    _, fault = sky.vectors_to_angles(x, y, z, axes)
    assert split(fault) == (23, sky.NOT_UNIT)
    _, fault = sky.angles_to_vectors(*angles, axes)
    assert split(fault) == (1, sky.NOT_UNIT)


def test_threads_do_not_change_a_bit(table, site, frame):
    t, d = events(200 if SIMULATED else 40_000)
    many, _ = sky.local_to_sky(t, tuple(d), table, START, site, frame)
    with threads(1):
        one, _ = sky.local_to_sky(t, tuple(d), table, START, site, frame)
    np.testing.assert_array_equal(many, one)


@pytest.mark.parametrize("kernel", sky.KERNELS, ids=lambda k: k.name)
def test_what_is_launched_is_what_is_compiled(where: Where, kernel, table, site, frame, monkeypatch):
    seen = []
    run = sky.run

    def spy(k, place, n, *args):
        seen.append((k.name, tuple(_type(a) for a in args)))
        return run(k, place, n, *args)

    monkeypatch.setattr(sky, "run", spy)
    t, d = events(3)
    time, x, y, z, rows, place, axes = where.put(t, *d, table, site, frame)
    angles, _ = sky.vectors_to_angles(x, y, z, axes)
    sky.angles_to_vectors(*angles, axes)
    sky.body_to_local(time, where.put(np.ones((N_DAYS, 36))), rows, START, place)
    for real in ("f8", "f4"):
        v = tuple(c.astype(real) for c in (x, y, z))
        for vectors in (True, False):
            there, _ = sky.local_to_sky(time, v, rows, START, place, axes, vectors=vectors)
            sky.sky_to_local(time, there, rows, START, place, axes, dtype=real)
    assert {types for name, types in seen if name == kernel.name} == set(kernel.signatures)


def _type(argument):
    if getattr(argument, "ndim", 0):
        return argument.dtype.str[1:] + ("[:,:]" if argument.ndim == 2 else "[]")
    return "i8"


@pytest.mark.parametrize("driver", [cpu.local_to_angles_block, cpu.angles_to_local_block])
def test_several_events_are_done_per_instruction(driver, table, site, frame):
    """A branch, a call or a check in the loop over the events of a day would end that, and say nothing."""
    t, d = events(1)
    fresh = numba.njit(driver.py_func, error_model="numpy")  # what comes from the cache has no assembly
    columns = d if driver is cpu.local_to_angles_block else d[:2]
    out = np.empty((5 - len(columns), 1))
    fresh(0, 1, t, *columns, table, START, site, frame, 1, *out)
    (assembly,) = fresh.inspect_asm().values()
    packed = re.findall(r"\bv?mulpd\b|\bfmul\s+v\d+\.2d", assembly)  # of x86, of ARM
    assert len(packed) > 100


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e5, 1e5))
def test_sine_and_cosine(angle):
    s, c = scalar.sine_cosine(angle)
    assert s == pytest.approx(math.sin(angle), abs=3e-16)
    assert c == pytest.approx(math.cos(angle), abs=3e-16)


FINITE = st.floats(-1e3, 1e3, allow_subnormal=False)


@settings(max_examples=300, deadline=None)
@given(FINITE, FINITE)
def test_arctangent(y, x):
    angle, exact = scalar.arctangent(y, x), math.atan2(y, x)
    if y == 0.0:  # our zeros have no sign
        exact = abs(exact) if x != 0.0 else 0.0
    assert angle == pytest.approx(exact, abs=4.5e-16, rel=3e-16)


def test_arctangent_at_the_seams():
    for k in range(-16, 17):
        for offset in (-1e-9, -1e-16, 0.0, 1e-16, 1e-9):
            turn = k * math.pi / 8 + offset
            s, c = math.sin(turn), math.cos(turn)
            for scale in (1e-300, 1.0, 1e300):
                assert scalar.arctangent(scale * s, scale * c) == pytest.approx(math.atan2(s, c), abs=4.5e-16)
    for y, x in ((math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan)):
        assert math.isnan(scalar.arctangent(y, x))


def test_longitudes_are_not_negative():
    for y in (-1e-300, -1e-20, -1e-16):
        longitude, latitude = scalar.longitude_latitude(1.0, y, 0.0)
        assert 0.0 <= longitude < 2 * math.pi
        assert latitude == 0.0


def test_sine_and_cosine_at_the_seams():
    for k in range(-16, 17):
        for offset in (-1e-9, 0.0, 1e-9):
            angle = k * math.pi / 4 + offset
            s, c = scalar.sine_cosine(angle)
            assert s == pytest.approx(math.sin(angle), abs=2e-16)
            assert c == pytest.approx(math.cos(angle), abs=2e-16)
    assert all(map(math.isnan, scalar.sine_cosine(math.nan)))
    assert all(map(math.isnan, scalar.sine_cosine(2e6)))
