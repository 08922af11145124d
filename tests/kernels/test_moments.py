from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import KernelError
from km3gpu.kernels import moments, threads
from km3gpu.kernels.reference import moments as reference

from .conftest import Where

numbers = st.floats(-1e4, 1e4, allow_subnormal=False)


@settings(max_examples=200, deadline=None)
@given(elements=st.lists(numbers, min_size=6, max_size=6))
def test_eigenvalues_are_those_of_lapack(elements: list[float]) -> None:
    got = np.array([c[0] for c in moments.principal(*(np.array([e]) for e in elements))])
    want = reference.principal(*([e] for e in elements))[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * max(1.0, *map(abs, elements)))


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 40, 0, 2, 25], [33, 1]])
def test_shapes_agree_with_the_reference(where: Where, counts: list[int]) -> None:
    rng = np.random.default_rng(2)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    places = rng.normal(size=(offsets[-1], 3)) * (10, 50, 200) + 5e5
    weights = rng.integers(0, 200, offsets[-1]).astype(np.uint8)
    places[::7, 1] = np.nan
    got = moments.shape(*where.put(offsets, *places.T.copy(), weights))
    centre, inertia, extent = reference.shape(offsets, places, weights.astype(float))
    np.testing.assert_allclose(np.array([where.get(c) for c in got.centre]).T, centre, rtol=0, atol=1e-8)
    np.testing.assert_allclose(np.array([where.get(c) for c in got.inertia]).T, inertia, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(where.get(got.extent), extent, rtol=0, atol=1e-8)


def test_a_line_and_a_point(where: Where) -> None:
    z = np.array([0.0, 10.0, 20.0, 7.0])
    zero = np.zeros(4)
    got = moments.shape(*where.put(np.array([0, 3, 4]), zero, zero, z, np.ones(4)))
    inertia = [where.get(c).tolist() for c in got.inertia]
    assert inertia[0] == [0.0, 0.0]
    assert inertia[1] == inertia[2] == pytest.approx([200 / 3, 0.0])
    assert where.get(got.extent).tolist() == [10.0, 0.0]


def test_columns_that_do_not_fit() -> None:
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(KernelError, match="differ in length"):
        moments.shape(np.array([0, 1]), one, two, one, one)
    with pytest.raises(KernelError, match="differ in length"):
        moments.principal(one, two, one, one, one, one)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_cpu_adds_in_the_order_of_a_gpu(n_threads: int) -> None:
    """To the last bit, as columns are added up, where there is no hit or no good one too."""
    rng = np.random.default_rng(3)
    counts = np.concatenate((rng.integers(0, 3000, 60), [0, 1, 2, 31, 32, 33]))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    n = int(offsets[-1])
    x, y, z = (rng.normal(5e5, s, n) for s in (10, 50, 200))
    y[::97], z[5::501] = np.nan, np.inf
    weights = rng.integers(0, 3, n).astype(np.float64)
    with threads(n_threads):
        got = moments.shape(offsets, x, y, z, weights)
    centre, elements, distance2 = moments._about(offsets, [x, y, z], weights)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(got.centre, centre, strict=True))
    assert np.array_equal(got.extent, np.sqrt(distance2), equal_nan=True)
    small, middle, _ = moments.principal(*elements)
    assert np.array_equal(got.inertia[0], np.maximum(small + middle, 0.0), equal_nan=True)
