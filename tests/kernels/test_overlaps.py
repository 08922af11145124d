from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.kernels import overlaps
from km3gpu.kernels.reference import overlaps as reference

from .conftest import Where


def spans(counts: list[int], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    first = rng.integers(0, 60, offsets[-1]).astype(float)
    for low, high in itertools.pairwise(offsets):
        first[low:high].sort()
    return offsets, first, first + rng.integers(0, 9, len(first))


def check_merge(
    where: Where | None, counts: list[int], seed: int, gap: float, longest: float = np.inf
) -> None:
    offsets, first, last = spans(counts, seed)
    args = (offsets, first, last) if where is None else where.put(offsets, first, last)
    made = overlaps.merge(*args, gap, longest)
    starts = np.asarray(made if where is None else where.get(made))
    number = np.cumsum(starts) - 1
    got = [set(np.flatnonzero(number == k).tolist()) for k in range(starts.sum())]
    assert got == sorted(reference.merge(offsets, first, last, gap, longest), key=min)


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 5, 0, 0, 9], [12, 1]])
@pytest.mark.parametrize("gap", [0.0, 3.0, 100.0])
def test_merge_agrees_with_the_reference(where: Where, counts: list[int], gap: float) -> None:
    check_merge(where, counts, 3, gap)
    check_merge(where, counts, 3, gap, 10.0)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 12), max_size=4),
    seed=st.integers(0, 2**32 - 1),
    gap=st.integers(0, 20),
    longest=st.one_of(st.just(np.inf), st.integers(0, 40).map(float)),
)
def test_merge_of_anything(counts: list[int], seed: int, gap: int, longest: float) -> None:
    check_merge(None, counts, seed, float(gap), longest)


def test_a_long_span_reaches_over_a_short_one(where: Where) -> None:
    args = where.put(np.array([0, 4]), np.array([0.0, 1, 20, 25.5]), np.array([22.0, 2, 21, 30]))
    assert where.get(overlaps.merge(*args, 3.5)).tolist() == [True, False, False, False]
    assert where.get(overlaps.merge(*args, 3.0)).tolist() == [True, False, False, True]


@pytest.mark.parametrize("counts", [[0], [1], [0, 5, 0, 30], [12, 1]])
def test_within_agrees_with_the_reference(where: Where, counts: list[int]) -> None:
    offsets, t, _ = spans(counts, 7)
    if len(t) > 2:
        t[-1] = np.nan
    rng = np.random.default_rng(8)
    n = 20
    event = rng.integers(0, len(counts), n).astype(np.int32)
    earliest = rng.integers(-3, 63, n).astype(float)
    latest = earliest + rng.integers(-2, 20, n)
    begin, end = (where.get(a) for a in overlaps.within(*where.put(event, earliest, latest, offsets, t)))
    want = reference.within(event, earliest, latest, offsets, t)
    assert (end >= begin).all()
    for i in range(n):
        assert np.array_equal(np.arange(begin[i], end[i]), want[i])
