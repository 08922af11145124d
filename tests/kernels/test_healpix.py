"""HEALPix kernels: against healpy's numbers, and against the projection in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from km3gpu.errors import KernelError
from km3gpu.kernels import healpix
from km3gpu.kernels.launch import NONE
from km3gpu.kernels.reference import healpix as reference
from km3gpu.kernels.scalar.fault import split

from .conftest import Where

HEALPY = [
    # nside, direction, ring pixel, nested pixel (healpy 1.20.1)
    (3, (0.6, 0.0, 0.8), 12, None),
    (3, (-0.48, 0.6, 0.64), 16, None),
    (3, (0.36, -0.48, -0.8), 102, None),
    (3, (0.0, 1.0, 0.0), 51, None),
    (64, (0.6, 0.0, 0.8), 4900, 2814),
    (64, (-0.48, 0.6, 0.64), 8667, 6478),
    (64, (0.36, -0.48, -0.8), 44222, 46002),
    (64, (0.0, 1.0, 0.0), 24512, 22186),
    (64, (1e-09, 0, 1.0), 0, 4095),
    (1024, (0.6, 0.0, 0.8), 1259284, 720574),
    (1024, (-0.48, 0.6, 0.64), 2264504, 1658383),
    (1024, (0.36, -0.48, -0.8), 11326331, 11776560),
    (1024, (-0.28, 0.96, 0.0), 6290617, 5662057),
]
HEALPY_CENTRES = [
    # nside, pixel, longitude and latitude in ring order, and in nested order
    (64, 0, 0.7853981633974483, 1.5580384811972257, 0.7853981633974483, 0.010416855055977337),
    (64, 49151, 5.497787143782138, -1.5580384811972259, 5.497787143782138, -0.010416855055977559),
    (64, 20000, 3.939262663290326, 0.188616386175404, 6.037748381117884, 0.22053326092083325),
    (1024, 12345678, 0.5776329515684722, -1.2956372870378394, 5.564515308055164, -0.5493528598415227),
    (1024, 1, 2.356194490192345, 1.5699989668314616, 0.786165153791391, 0.0013020837012633901),
]


def directions(n, seed=0):
    v = np.random.default_rng(seed).normal(size=(3, n))
    v[2, : n // 3] *= 50.0  # near the poles too
    return v / np.linalg.norm(v, axis=0)


def pixels(where, v, nside, nested):
    found, fault = healpix.pixels(*where.put(*np.ascontiguousarray(v)), nside, nested)
    assert fault == NONE
    return where.get(found)


@pytest.mark.parametrize(("nside", "v", "ring", "nest"), HEALPY)
def test_healpys_pixels(where: Where, nside, v, ring, nest):
    v = np.array(v)[:, None]
    assert pixels(where, v, nside, False)[0] == ring
    if nest is not None:
        assert pixels(where, v, nside, True)[0] == nest


@pytest.mark.parametrize(("nside", "pixel", "lon", "lat", "nest_lon", "nest_lat"), HEALPY_CENTRES)
def test_healpys_centres(where: Where, nside, pixel, lon, lat, nest_lon, nest_lat):
    for nested, expected in ((False, (lon, lat)), (True, (nest_lon, nest_lat))):
        found, fault = healpix.centres(where.put(np.array([pixel])), nside, nested)
        assert fault == NONE
        np.testing.assert_allclose([where.get(c)[0] for c in found], expected, atol=1e-14)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("nside", [1, 2, 8])
@pytest.mark.parametrize("n", [0, 1, 33, 257])
def test_pixels_as_the_projection_has_them(where: Where, n, nside, nested):
    v = directions(where.rows(n))
    np.testing.assert_array_equal(pixels(where, v, nside, nested), reference.pixels(*v, nside, nested))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("nside", [1, 4])
def test_centres_as_the_projection_has_them(where: Where, nside, nested):
    every = np.arange(healpix.n_pixels(nside))
    (lon, lat), fault = healpix.centres(where.put(every), nside, nested)
    assert fault == NONE
    expected = reference.centres(every, nside, nested)
    turn = (where.get(lon) - expected[:, 0] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(turn, 0, atol=1e-14)
    np.testing.assert_allclose(where.get(lat), expected[:, 1], atol=1e-14)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("nside", [1, 2, 16, 1024, 1 << 20, 1 << 29])
def test_a_centre_lies_in_its_pixel(where: Where, nside, nested):
    total = healpix.n_pixels(nside)
    cap = 2 * nside * (nside - 1)
    near = np.concatenate([np.arange(-3, 4) + k for k in (0, cap, total - cap, total)])
    some = np.random.default_rng(1).integers(0, total, 100)
    pixel = np.unique(np.concatenate([near[(near >= 0) & (near < total)], some]))
    (lon, lat), fault = healpix.centres(where.put(pixel), nside, nested)
    assert fault == NONE
    lon, lat = where.get(lon), where.get(lat)
    if nside <= 1 << 20:  # a double does not tell neighbours apart near the poles beyond
        v = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        np.testing.assert_array_equal(pixels(where, v, nside, nested), pixel)


def test_both_orders_are_the_same_pixels(where: Where):
    every = np.arange(healpix.n_pixels(8))
    lon, lat = (where.get(c) for c in healpix.centres(where.put(every), 8)[0])
    v = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    nest = pixels(where, v, 8, True)
    assert sorted(nest) == every.tolist()


def test_counts(where: Where):
    n = where.rows(3000)
    rng = np.random.default_rng(5)
    table = np.zeros((2, 44))
    table[:, 1], table[:, 40], table[:, 28] = 6.3, 1.0, 1.0
    site = np.array([*np.eye(3).ravel(), 0, 1e-6, 0, 0, 0])
    frame = np.eye(3).ravel()
    t = rng.integers(0, 2 * 86_400 * 10**9, n)
    d = directions(n, seed=6)
    for nside, nested in ((4, True), (4, False)):
        counts = where.put(np.ones(healpix.n_pixels(nside), np.int64))
        time, x, y, z, rows, place, axes = where.put(t, *d, table, site, frame)
        fault = healpix.local_counts(time, (x, y, z), rows, 0, place, axes, counts, nside, nested=nested)
        assert fault == NONE
        expected = reference.local_counts(t, *d, table, 0, site, frame, True, nside, nested)
        np.testing.assert_array_equal(where.get(counts), expected + 1)


def test_what_cannot_be_counted(where: Where):
    table = np.ones((1, 44)) * 1e-6
    context = where.put(table, np.array([*np.eye(3).ravel(), 0, 0, 0, 0, 0]), np.eye(3).ravel())
    counts = where.put(np.zeros(12, np.int64))
    d = where.put(np.array([1.0, np.nan, 2.0]), np.zeros(3), np.zeros(3))
    rows, place, axes = context
    fault = healpix.local_counts(where.put(np.zeros(3, "i8")), tuple(d), rows, 0, place, axes, counts, 1)
    assert split(fault) == (1, 1)
    assert where.get(counts).sum() == 1
    found, fault = healpix.pixels(*d, 1)
    assert split(fault) == (1, 1)
    assert where.get(found).tolist()[1:] == [-1, -1]
    (lon, lat), fault = healpix.centres(where.put(np.array([3, 12, -1])), 1)
    assert split(fault) == (1, healpix.NO_PIXEL)
    assert np.isnan(where.get(lon)).tolist() == np.isnan(where.get(lat)).tolist() == [False, True, True]


@pytest.mark.parametrize("nside", [0, -4, (1 << 29) + 1])
def test_maps_that_are_none(nside):
    with pytest.raises(KernelError, match=f"no HEALPix map has nside {nside}"):
        healpix.n_pixels(nside)
    with pytest.raises(KernelError, match="it must be a power of two"):
        healpix.n_pixels(12, nested=True)
    with pytest.raises(KernelError, match="counts is no int64 column"):
        healpix.local_counts(np.zeros(1, "i8"), (np.zeros(1),) * 3, None, 0, None, None, np.zeros(12), 1)
