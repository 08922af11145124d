"""Local polynomials against least squares."""

from __future__ import annotations

import numpy as np
import pytest

from km3gpu.detector.interpolation import local_polynomial, series


def test_series_of_sorted_rows() -> None:
    keys, first, count = series(np.array([3, 3, 5, 8, 8, 8]))
    assert (keys.tolist(), first.tolist(), count.tolist()) == ([3, 5, 8], [0, 2, 3], [2, 1, 3])
    assert [len(x) for x in series(np.zeros(0, int))] == [0, 0, 0]


def test_a_line_through_equidistant_points_is_the_least_squares_line() -> None:
    rng = np.random.default_rng(0)
    t, y = np.arange(21.0) * 150.0, rng.normal(size=(21, 4))
    for at in (0.0, 1.0, 1500.0, 2999.0, 3000.0):
        expected = [np.polyval(np.polyfit(t, c, 1), at) for c in y.T]
        np.testing.assert_allclose(local_polynomial(t, y, at, 20, 1), expected, atol=1e-12)


def test_the_window_lies_around_the_time() -> None:
    t = np.arange(100.0)
    y = np.where(t < 50, 0.0, 1.0)[:, None]
    assert local_polynomial(t, y, 20.5, 7, 2)[0] == 0.0
    assert local_polynomial(t, y, 80.5, 7, 2)[0] == pytest.approx(1.0, abs=1e-15)
    # of 8 points 4 are before the first that is not earlier than the time
    assert local_polynomial(t, y, 46.0, 7, 2)[0] == 0.0  # 42 to 49
    assert local_polynomial(t, y, 46.5, 7, 2)[0] != 0.0  # 43 to 50
    assert abs(local_polynomial(t, y, 52.5, 7, 2)[0] - 1.0) > 0.01  # 49 to 56
    assert local_polynomial(t, y, 53.5, 7, 2)[0] == pytest.approx(1.0, abs=1e-15)  # 50 to 57


def test_a_parabola_comes_back_only_roughly() -> None:
    t = np.linspace(0.0, 700.0, 8)
    y = (3.0 + 0.01 * t - 2e-5 * t**2)[:, None]
    # the coefficients of Legendre polynomials on 8 points are not independent:
    # this is how far Jpp's fit, one coefficient after the other, is from a parabola
    at = 333.0
    assert local_polynomial(t, y, at, 7, 2)[0] == pytest.approx(3.0 + 0.01 * at - 2e-5 * at**2, abs=0.3)
    line = (3.0 + 0.01 * t)[:, None]
    assert local_polynomial(t, line, at, 7, 1)[0] == pytest.approx(3.0 + 0.01 * at, abs=1e-12)


def test_few_points_and_points_at_one_time() -> None:
    assert local_polynomial(np.array([5.0]), np.array([[7.0, 8.0]]), 5.0, 20, 1).tolist() == [7.0, 8.0]
    assert local_polynomial(np.array([5.0, 5.0]), np.array([[7.0], [9.0]]), 5.0, 20, 1).tolist() == [7.0]
    two = local_polynomial(np.array([0.0, 10.0]), np.array([[1.0], [3.0]]), 2.5, 20, 1)
    assert two[0] == pytest.approx(1.5, abs=1e-15)
