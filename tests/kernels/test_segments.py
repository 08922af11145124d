from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import KernelError
from km3gpu.kernels import segments
from km3gpu.kernels.reference import segments as reference

from .conftest import Where

SIZES = [[], [0], [1], [0, 0, 5, 0], [31, 32, 33], [257], [0, 1, 2, 3, 70, 0, 4]]


def offsets_of(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def values_of(n: int, dtype: Any = float) -> np.ndarray:
    rng = np.random.default_rng(n)
    v = rng.normal(size=n) * 10.0 ** rng.integers(-8, 8, n)
    return v.astype(dtype)


@pytest.mark.parametrize("counts", SIZES)
def test_totals(where: Where, counts: list[int]) -> None:
    offsets = offsets_of(counts)
    v = values_of(offsets[-1])
    got = where.get(segments.total(*where.put(offsets, v)))
    exact = [math.fsum(v[a:b]) for a, b in pairwise(offsets)]
    assert got == pytest.approx(exact, rel=1e-13, abs=1e-9)
    # pairs of 32 running sums, on every backend: the same bits
    assert got.tolist() == [by_lanes(v[a:b]) for a, b in pairwise(offsets)]
    for whole in (v.astype("i4"), v > 0):
        got = where.get(segments.total(*where.put(offsets, whole)))
        assert got.dtype == np.int64
        assert got.tolist() == [int(whole[a:b].sum()) for a, b in pairwise(offsets)]


def by_lanes(v: np.ndarray) -> float:
    lanes = [0.0] * 32
    for i, x in enumerate(v.tolist()):
        lanes[i % 32] += x
    step = 16
    while step:
        lanes = [lanes[k] + lanes[k + step] for k in range(step)]
        step //= 2
    return lanes[0]


@pytest.mark.parametrize("counts", SIZES)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
def test_extremes(where: Where, counts: list[int], dtype: str) -> None:
    offsets = offsets_of(counts)
    v = (values_of(offsets[-1]) * 1000 % 200).astype(dtype)
    if dtype == "f8":
        v[::5] = np.nan
        v[1::7] = np.inf
        v[2::7] = -np.inf
    empty = np.nan if dtype[0] == "f" else 0
    for function, expected in (
        (segments.minimum, reference.minimum),
        (segments.maximum, reference.maximum),
    ):
        got = where.get(function(*where.put(offsets, v)))
        assert got.dtype == (np.float64 if dtype[0] == "f" else np.int64)
        want = expected(offsets, v.astype(got.dtype), empty)
        assert np.array_equal(got, want, equal_nan=got.dtype == np.float64)
        got = where.get(function(*where.put(offsets, v), empty=-3))
        assert np.array_equal(got, expected(offsets, v.astype(got.dtype), -3))


def test_large_integers_stay_exact(where: Where) -> None:
    v = np.array([2**62 + 1, 2**62, -(2**62) - 1])
    got = [where.get(f(*where.put([0, 3], v)))[0] for f in (segments.maximum, segments.minimum)]
    assert got == [2**62 + 1, -(2**62) - 1]


@pytest.mark.parametrize("counts", SIZES)
def test_expand_and_first(where: Where, counts: list[int]) -> None:
    offsets = offsets_of(counts)
    got = where.get(segments.expand(where.put(offsets)))
    assert got.dtype == np.int32
    assert np.array_equal(got, reference.expand(offsets))
    v = np.arange(offsets[-1]) + 100
    first = where.get(segments.first(*where.put(offsets, v), empty=-1))
    assert first.tolist() == [v[a] if b > a else -1 for a, b in pairwise(offsets)]


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(0, 40), max_size=6), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_order_is_total_whatever_comes_in(counts: list[int], seed: int, data: st.DataObject) -> None:
    offsets = offsets_of(counts)
    n = int(offsets[-1])
    rng = np.random.default_rng(seed)
    modules = data.draw(st.sampled_from([1, 3, 1000]))
    dom = (rng.integers(0, modules, n) - modules // 2).astype("i4")
    t = rng.choice([0.0, -0.0, 1.5, -2.0, np.nan, np.inf, -np.inf, 1e8], n)
    t[: n // 2] = rng.normal(size=n // 2)
    got = segments.order(offsets, dom, t)
    assert got.tolist() == reference.order(offsets, dom, t).tolist()


@pytest.mark.parametrize("kind", ["random", "by module", "by time", "reversed", "equal"])
def test_order_of_long_segments(where: Where, kind: str) -> None:
    rng = np.random.default_rng(2)
    n = where.rows(30_000)
    counts = [n // 2, 0, n // 3, 1, n - n // 2 - n // 3 - 1]
    offsets = offsets_of(counts)
    dom = rng.integers(-100, 100, n).astype("i4")
    t = np.round(rng.normal(size=n), 2)
    if kind == "by module":
        dom = np.sort(dom)
    elif kind == "by time":
        t = np.sort(t)
    elif kind == "reversed":
        dom, t = np.sort(dom)[::-1].copy(), np.sort(t)[::-1].copy()
    elif kind == "equal":
        dom[:], t[:] = 7, 0.0
    got = where.get(segments.order(*where.put(offsets, dom, t)))
    assert np.array_equal(got, reference.order(offsets, dom, t))


@pytest.mark.parametrize("counts", SIZES)
def test_compact(where: Where, counts: list[int]) -> None:
    offsets = offsets_of(counts)
    mask = np.random.default_rng(1).random(offsets[-1]) < 0.4
    index, kept = (where.get(a) for a in segments.compact(*where.put(mask, offsets)))
    want_index, want_kept = reference.compact(mask, offsets)
    assert np.array_equal(index, want_index)
    assert np.array_equal(kept, want_kept)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=30))
def test_offsets_turn_back_into_counts(counts: list[int]) -> None:
    offsets = segments.counts_to_offsets(np.array(counts, np.int64))
    assert offsets.dtype == np.int64
    assert np.diff(offsets).tolist() == counts
    assert segments.expand(offsets).tolist() == [e for e, c in enumerate(counts) for _ in range(c)]


@pytest.mark.parametrize(
    ("offsets", "says"),
    [
        ([0, 3], "do not cut 4 rows"),
        ([1, 4], "do not cut 4 rows"),
        ([], r"\(none\) do not cut"),
        ([0, 3, 2, 4], "go down"),
    ],
)
def test_refuses_offsets_that_do_not_fit(offsets: list[int], says: str) -> None:
    with pytest.raises(KernelError, match=says):
        segments.minimum(np.array(offsets, np.int64), np.zeros(4))


def test_refuses_a_mask_of_numbers() -> None:
    with pytest.raises(KernelError, match="a mask is bool, not int64"):
        segments.compact(np.array([0, 1]), np.array([0, 2]))
