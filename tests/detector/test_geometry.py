"""Module centres from PMT axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from km3gpu.detector import Detector
from km3gpu.detector.geometry import crossing_points


def axes(rng: np.random.Generator, n: int) -> np.ndarray:
    d = rng.normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def test_centres_stored_in_detector_133_come_out(data: Path) -> None:
    det = Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")
    m = det.modules
    full = m.n_pmts > 0
    assert int(full.sum()) == 378
    centre = crossing_points(det.pmts.pos, det.pmts.dir, m.first_row, m.n_pmts)
    # positions of PMTs are rounded to 1 mm
    assert np.abs(centre - m.pos)[full].max() < 0.2e-3
    assert np.isnan(centre[~full]).all()


def test_exact_axes_give_the_exact_centre() -> None:
    rng = np.random.default_rng(1)
    n_pmts = np.array([31, 0, 2, 12])
    centre = rng.normal(loc=[5e5, 4e6, -3e3], scale=1e3, size=(4, 3))
    d = axes(rng, n_pmts.sum())
    pos = np.repeat(centre, n_pmts, axis=0) + 0.2 * d
    found = crossing_points(pos, 3.0 * d, np.cumsum(n_pmts) - n_pmts, n_pmts)
    np.testing.assert_allclose(found[n_pmts > 0], centre[n_pmts > 0], rtol=0, atol=1e-8)


def test_least_squares_as_numpy_solves_it() -> None:
    rng = np.random.default_rng(2)
    pos, d = rng.normal(size=(20, 3)), axes(rng, 20)
    matrix = (np.eye(3) - d[:, :, None] * d[:, None, :]).reshape(-1, 3)
    right = np.einsum("ijk,ik->ij", np.eye(3) - d[:, :, None] * d[:, None, :], pos).ravel()
    expected = np.linalg.lstsq(matrix, right, rcond=None)[0]
    found = crossing_points(pos, d, np.array([0]), np.array([20]))
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-12)


def test_axes_that_fix_no_point_give_the_mean() -> None:
    pos = np.array([[1.0, 2, 3], [3, 4, 5], [9, 9, 9], [1, 1, 1]])
    d = np.array([[0, 0, 1.0], [0, 0, -2.0], [1, 0, 0], [0, 0, 0]])
    found = crossing_points(pos, d, np.array([0, 2, 3]), np.array([2, 1, 1]))
    np.testing.assert_array_equal(found, [[2, 3, 4], [9, 9, 9], [1, 1, 1]])


def test_no_module_at_all() -> None:
    none = np.zeros(0, dtype=int)
    assert crossing_points(np.zeros((0, 3)), np.zeros((0, 3)), none, none).shape == (0, 3)
