from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import KernelError
from km3gpu.kernels import neighbours
from km3gpu.kernels.neighbours import Near, Neighbourhood
from km3gpu.kernels.reference import neighbours as reference

from .conftest import Where

RT = Near(60.0, 30.0)
LIGHT = Near(80.0, 10.0, 4.6)
SLOWNESS = 4.6 * 0.299792458  # in units of 1 / c


def made_up(counts: list[int], seed: int, spread: float = 200.0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    n = sum(counts)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    # few places and whole times: many ties
    places = rng.integers(0, 6, (n, 3)) * 20.0
    return offsets, rng.integers(0, int(spread), n).astype(float), places, rng.integers(0, 5, n)


def check(where: Where | None, counts: list[int], seed: int, near: Near, mask: bool, owned: bool) -> None:
    offsets, t, places, owner = made_up(counts, seed)
    put = (lambda a: a) if where is None else where.put
    get = np.asarray if where is None else where.get
    counted = np.random.default_rng(seed).random(len(t)) < (0.4 if mask else 2.0)
    args = (put(offsets), put(t), *(put(a) for a in places.T.copy()), near)
    found = get(neighbours.count(*args, owner=put(owner) if owned else None, counted=put(counted)))
    of = owner if owned else np.arange(len(t))
    slowness = SLOWNESS if near.slowness else 0.0
    want = reference.count(offsets, t, places, of, counted, near.radius, near.time, slowness)
    assert found.dtype == np.int32
    assert np.array_equal(found, want)
    most = get(neighbours.count(*args, owner=put(owner) if owned else None, counted=put(counted), most=2))
    assert np.array_equal(most, np.minimum(want, 2))


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 12, 0, 0, 30], [33, 1]])
@pytest.mark.parametrize("near", [RT, LIGHT])
@pytest.mark.parametrize(("mask", "owned"), [(False, False), (True, True)])
def test_counts_agree_with_the_reference(
    where: Where, counts: list[int], near: Near, mask: bool, owned: bool
) -> None:
    check(where, counts, 5, near, mask, owned)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 25), max_size=3),
    seed=st.integers(0, 2**32 - 1),
    near=st.sampled_from([RT, LIGHT, Near(0.0, 0.0)]),
    mask=st.booleans(),
    owned=st.booleans(),
)
def test_counts_of_anything(counts: list[int], seed: int, near: Near, mask: bool, owned: bool) -> None:
    check(None, counts, seed, near, mask, owned)


@pytest.mark.parametrize(("least", "rounds"), [(1, 0), (1, 1), (2, 3), (3, 0)])
@pytest.mark.parametrize("near", [Near(30.0, 8.0), LIGHT])
def test_sets_grow_as_in_the_reference(where: Where, near: Near, least: int, rounds: int) -> None:
    offsets, t, places, _ = made_up([30, 0, 40], 6, 700.0)
    seeds = np.random.default_rng(7).random(len(t)) < 0.1

    def of(kept: Any) -> Any:
        slowness = SLOWNESS if near.slowness else 0.0
        return reference.count(offsets, t, places, np.arange(len(t)), kept, near.radius, near.time, slowness)

    want = reference.spread(seeds, of, least, rounds)
    args = where.put(offsets, t, *places.T.copy())
    kept, done = neighbours.spread(*args, near, where.put(seeds), least=least, rounds=rounds)
    assert np.array_equal(where.get(kept), want)
    assert seeds.sum() <= want.sum() <= len(t)
    assert done <= (rounds or len(t))


def test_the_ends_are_included(where: Where) -> None:
    t, x = np.array([0.0, 10.0, 21.0]), np.array([0.0, 5.0, 5.0])
    zero = np.zeros(3)
    args = where.put(np.array([0, 3]), t, x, zero, zero)
    assert where.get(neighbours.count(*args, Near(5.0, 10.0))).tolist() == [1, 1, 0]
    assert where.get(neighbours.count(*args, Near(5.0, 11.0))).tolist() == [1, 2, 1]
    assert where.get(neighbours.count(*args, Near(4.99, 11.0))).tolist() == [0, 1, 1]


def test_nan_has_no_neighbours(where: Where) -> None:
    t = np.array([1.0, np.nan, 2.0, 3.0])
    x = np.array([0.0, 0.0, np.nan, 0.0])
    zero = np.zeros(4)
    found = neighbours.count(*where.put(np.array([0, 4]), t, x, zero, zero), Near(10.0, 10.0))
    assert where.get(found).tolist() == [1, 0, 0, 1]


def test_a_burst_costs_what_the_limit_allows() -> None:
    # 20,000 hits that are all neighbours of each other: 4e8 pairs without the limit
    n = 20_000
    zero = np.zeros(n)
    around = Neighbourhood(np.array([0, n]), np.linspace(0, 20, n), zero, zero, zero, Near(1.0, 50.0))
    assert (around.count(most=1) == 1).all()
    kept, done = around.spread(np.arange(n) == 0)
    assert kept.all()
    assert done == 1


@pytest.mark.parametrize("near", [Near(-1.0, 1.0), Near(1.0, -1.0), Near(1e5, 1.0), Near(1.0, 1.0, np.nan)])
def test_what_cannot_be_exact_is_refused(near: Near) -> None:
    one = np.zeros(1)
    with pytest.raises(KernelError, match="neighbours within"):
        neighbours.count(np.array([0, 1]), one, one, one, one, near)


def test_arguments_that_do_not_fit() -> None:
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(KernelError, match="differ in length"):
        neighbours.count(np.array([0, 1]), one, two, one, one, RT)
    with pytest.raises(KernelError, match="a mask of 2 for 1"):
        neighbours.count(np.array([0, 1]), one, one, one, one, RT, counted=two)
    with pytest.raises(KernelError, match="0 neighbours"):
        neighbours.spread(np.array([0, 1]), one, one, one, one, RT, one, least=0)
