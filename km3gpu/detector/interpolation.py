"""Values between measurements, and rows of time series by series."""

from __future__ import annotations

import numpy as np

__all__ = ["local_polynomial", "series"]


def series(key: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut sorted rows into series of one key each.

    Parameters
    ----------
    key : (n,) int array
        Sorted.

    Returns
    -------
    keys, first, count : (k,) int arrays
        Key, first row and number of rows of each series.
    """
    keys, first, count = np.unique(key, return_index=True, return_counts=True)
    return keys, first, count


def local_polynomial(t: np.ndarray, y: np.ndarray, at: float, window: int, degree: int) -> np.ndarray:
    """Evaluate a Legendre series that is fitted to the points around `at`.

    The window and the fit are those of Jpp's ``JPolfitFunction1D``: `window` + 1
    points (all, where there are fewer) with half of them before the first that
    is not earlier than `at`, as far as there are any; coefficients one after the
    other, each fitted to what the lower ones leave.  For equidistant points and
    degree 1 that is the least-squares line.

    Parameters
    ----------
    t : (n,) float64 array
        Sorted, at least one.
    y : (n, k) float64 array
        Values.
    at : float
        Between the first and the last of `t`.
    window, degree : int
        Jpp takes 20 and 1 for orientations, 7 and 2 for string shapes.

    Returns
    -------
    (k,) float64 array
    """
    n = min(window + 1, len(t))
    begin = max(min(int(np.searchsorted(t, at)) + n // 2, len(t)) - n, 0)
    x, rest = t[begin : begin + n] - t[begin], y[begin : begin + n].copy()
    if x[-1] == 0.0:
        return np.asarray(rest[0])
    basis = np.polynomial.legendre.legvander(2.0 * x / x[-1] - 1.0, degree)
    here = np.polynomial.legendre.legvander(np.array([2.0 * (at - t[begin]) / x[-1] - 1.0]), degree)[0]
    value = np.zeros(y.shape[1])
    for p, q in zip(basis.T, here, strict=True):
        square = p @ p
        if square > 0.0:
            coefficient = p @ rest / square
            rest -= p[:, None] * coefficient
            value += q * coefficient
    return value
