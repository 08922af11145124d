from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from km3gpu.errors import KernelError
from km3gpu.kernels import triggers
from km3gpu.kernels.reference import triggers as reference
from km3gpu.kernels.triggers import CAPPED, FACTORY, FOUND, INDEX_OF_REFRACTION, SPEED_OF_LIGHT, Sites

from .conftest import SIMULATED, Where

COARSE = np.array([[0, 0, 1.0], [0, 0, -1], [1, 0, 0], [0.6, 0.8, 0], [-0.6, 0, 0.8], [0, -0.8, -0.6]])
MUON = {
    "number_of_hits": 4,
    "number_of_modules": 3,
    "road_width": 90.0,
    "d_max": 300.0,
    "t_max_extra": 20.0,
    "factory_limit": 100,
}
SHOWER = {k: v for k, v in MUON.items() if k != "road_width"} | {"d_max": 150.0}


def crowd(counts: list[int], seed: int = 1, size: float = 150.0, tracks: int = 1) -> dict[str, Any]:
    """Hits on a grid of modules: noise, and some on the cones of tracks."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    n = int(offsets[-1])
    place = rng.uniform(-size, size, (n, 3))
    t = rng.uniform(0, 1500.0, n)
    for low, high in itertools.pairwise(offsets):
        for _ in range(tracks):
            mine = np.arange(low, high)[rng.random(high - low) < 0.6]
            g = COARSE[rng.integers(len(COARSE))]
            start = rng.uniform(-30, 30, 3)
            v = place[mine] - start
            along = v @ g
            across = np.linalg.norm(v - along[:, None] * g, axis=1)
            tan = np.sqrt(INDEX_OF_REFRACTION**2 - 1)
            t[mine] = 600.0 + (along + tan * across) / SPEED_OF_LIGHT + rng.normal(0, 3, len(mine))
    return {
        "offsets": offsets,
        "module": rng.integers(1, 1 + max(1, n // 3), n).astype(np.int32),
        "pos_x": place[:, 0].copy(),
        "pos_y": place[:, 1].copy(),
        "pos_z": place[:, 2].copy(),
        "t": t,
    }


def put(where: Where, h: dict[str, Any]) -> tuple[Sites, Sites]:
    """Give the sites on the backend, and on the host for the reference."""
    there = triggers.sites(*where.put(*h.values()))
    return there, Sites(*(where.get(a) for a in there))


def same(where: Where, got: tuple[Any, ...], want: tuple[Any, ...]) -> None:
    for a, b in zip(got, want, strict=True):
        assert np.array_equal(where.get(a), b)


COUNTS = [[12], [0, 9, 1]] if SIMULATED else [[], [0, 1, 0], [3, 0, 12], [0, 22, 1, 40]]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"number_of_hits": 3, "number_of_modules": 1},
    {"factory_limit": 5},
    {"t_max_extra": 0.0},
    {"number_of_hits": 2, "number_of_modules": 2},
]


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("options", OPTIONS)
def test_muon_agrees_with_the_reference(where: Where, counts: list[int], options: dict[str, Any]) -> None:
    for seed in range(1 if SIMULATED else 2):
        there, here = put(where, crowd(counts, seed))
        axes = triggers.direction_axes(COARSE[:2] if SIMULATED else COARSE)
        roots = (np.arange(len(here.t)) % 3 > 0).astype(np.uint8)
        for chosen in (None, roots):
            on = None if chosen is None else where.put(chosen)
            got = triggers.muon(there, where.put(axes), roots=on, **{**MUON, **options})
            same(where, got, reference.muon(here, axes, roots=chosen, **{**MUON, **options}))


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("options", [*OPTIONS, {"folded": False}])
def test_shower_agrees_with_the_reference(where: Where, counts: list[int], options: dict[str, Any]) -> None:
    for seed in range(1 if SIMULATED else 2):
        there, here = put(where, crowd(counts, seed, size=60.0))
        roots = (np.arange(len(here.t)) % 3 > 0).astype(np.uint8)
        for chosen in (None, roots):
            on = None if chosen is None else where.put(chosen)
            got = triggers.shower(there, roots=on, **{**SHOWER, **options})
            same(where, got, reference.shower(here, roots=chosen, **{**SHOWER, **options}))


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("options", [*OPTIONS, {"folded": False}])
def test_mixed_agrees_with_the_reference(where: Where, counts: list[int], options: dict[str, Any]) -> None:
    for seed in range(1 if SIMULATED else 2):
        there, here = put(where, crowd(counts, seed, size=60.0))
        some = crowd([max(0, c // 4) for c in counts], seed + 100, size=60.0)
        roots, roots_here = put(where, some)
        got = triggers.mixed(roots, there, **{**SHOWER, **options})
        same(where, got, reference.mixed(roots_here, here, **{**SHOWER, **options}))


def test_the_tests_find_something() -> None:
    # so that agreement on nothing does not pass for agreement
    there = triggers.sites(*crowd([0, 25, 1, 60], 2).values())
    found, last, state = triggers.muon(there, triggers.direction_axes(COARSE), **MUON)
    assert 10 < found.sum() < len(found)
    assert ((last >= 0) == (state > 0)).all()
    close = triggers.sites(*crowd([0, 25, 1, 60], 2, size=60.0).values())
    found, _, _ = triggers.shower(close, **SHOWER)
    assert found.sum() > 10


def test_of_equals_the_one_in_the_lowest_place_goes(where: Where) -> None:
    # a square of four after the root: each matches two neighbours; without a rule
    # for ties any pair may be left
    d = 40.0
    place = np.array([[0, 0, 0], [d, 0, 0], [0, d, 0], [-d, 0, 0], [0, -d, 0]])
    t = np.array([0.0, 200, 201, 202, 203])
    h = {
        "offsets": np.array([0, 5]), "module": np.arange(5, dtype="i4"),
        "pos_x": place[:, 0].copy(), "pos_y": place[:, 1].copy(), "pos_z": place[:, 2].copy(), "t": t,
    }  # fmt: skip
    there, _ = put(where, h)
    # neighbours are 57 m apart, opposites 80 m
    found, last, state = triggers.shower(
        there, number_of_hits=3, number_of_modules=1, d_max=60.0, t_max_extra=300.0, factory_limit=100
    )
    assert where.get(state).tolist() == [FOUND, 0, 0, 0, 0]
    # hit 1 goes and 4 takes its place; 2 and 4 then match 3 only, and 4 comes first
    assert where.get(found).tolist() == [1, 0, 1, 1, 0]
    assert where.get(last).tolist()[0] == 3


def test_the_factory_limit_takes_all(where: Where) -> None:
    n = 8 if SIMULATED else 120
    h = {
        "offsets": np.array([0, n]), "module": np.arange(n, dtype="i4"),
        "pos_x": np.zeros(n), "pos_y": np.zeros(n), "pos_z": np.linspace(0, 10, n), "t": np.linspace(0, 9, n),
    }  # fmt: skip
    there, _ = put(where, h)
    limit = 6 if SIMULATED else 100
    for found, last, state in (
        triggers.muon(
            there, where.put(triggers.direction_axes(COARSE[:1])), **{**MUON, "factory_limit": limit}
        ),
        triggers.shower(there, **{**SHOWER, "factory_limit": limit}),
    ):
        kind = where.get(state)
        # root r has n - 1 - r later ones
        assert (kind[: n - limit + 1] == FACTORY).all()
        assert (kind[n - limit + 1 : n - 4] == FOUND).all()
        assert where.get(found).all()
        assert (where.get(last)[: n - limit + 1] == n - 1).all()


if not SIMULATED:  # thousands of hits are too many for the simulator

    def test_five_thousand_in_one_window_and_a_cap_that_shows(where: Where) -> None:
        n = triggers.WINDOW_CAP + 3
        rng = np.random.default_rng(5)
        h = {
            "offsets": np.array([0, n]), "module": np.arange(n, dtype="i4"),
            "pos_x": rng.uniform(0, 50, n), "pos_y": np.zeros(n), "pos_z": np.zeros(n),
            "t": rng.uniform(0, 100, n),
        }  # fmt: skip
        there, _ = put(where, h)
        found, _, state = triggers.shower(there, **{**SHOWER, "t_max_extra": 200.0})
        kind = where.get(state)
        assert (kind[:3] == FACTORY | CAPPED).all()
        assert not (kind[3:] & CAPPED).any()
        assert (kind[3 : n - 100] == FACTORY).all()
        assert where.get(found).all()


def test_hits_nowhere_match_nothing(where: Where) -> None:
    h = crowd([12], 3, size=20.0)
    h["t"][2] = np.nan
    h["pos_x"][5] = np.nan
    h["pos_z"][7] = np.inf
    there, here = put(where, h)
    assert np.isnan(here.t[-3:]).all()
    assert sorted(here.order[-3:].tolist()) == [2, 5, 7]
    found, _, _ = triggers.shower(there, **SHOWER)
    assert not where.get(found)[-3:].any()
    assert where.get(found).any()
    clean = {k: v for k, v in h.items() if k != "offsets"}
    keep = ~np.isin(np.arange(12), [2, 5, 7])
    without, _ = put(where, {"offsets": np.array([0, 9]), **{k: v[keep] for k, v in clean.items()}})
    again, _, _ = triggers.shower(without, **SHOWER)
    assert np.array_equal(where.get(found)[:9], where.get(again))


def test_equal_times_keep_their_order(where: Where) -> None:
    h = crowd([6], 1)
    h["t"][:] = 7.0
    there, _ = put(where, h)
    assert where.get(there.order).tolist() == [0, 1, 2, 3, 4, 5]


def test_axes_are_square_to_each_other() -> None:
    rng = np.random.default_rng(2)
    g = rng.normal(size=(50, 3))
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    frames = triggers.direction_axes(g).reshape(3, 3, -1).transpose(2, 0, 1)
    assert np.allclose(frames @ frames.transpose(0, 2, 1), np.eye(3), atol=4e-6)
    assert np.allclose(frames[:, 2], g, atol=1e-6)
    assert np.allclose(np.linalg.det(frames), 1.0, atol=1e-5)
    assert (frames * 2**20 == np.rint(frames * 2**20)).all()


def test_what_cannot_be_is_refused() -> None:
    there = triggers.sites(*crowd([5]).values())
    axes = triggers.direction_axes(COARSE)
    with pytest.raises(KernelError, match="a factory limit of 257; take 1 to 256"):
        triggers.muon(there, axes, **{**MUON, "factory_limit": 257})
    with pytest.raises(KernelError, match="a trigger of 1 hits"):
        triggers.shower(there, **{**SHOWER, "number_of_hits": 1})
    with pytest.raises(KernelError, match=r"a distance of 1000000\.0 m"):
        triggers.shower(there, **{**SHOWER, "d_max": 1e6})
    with pytest.raises(KernelError, match="a distance of nan m"):
        triggers.shower(there, **{**SHOWER, "d_max": float("nan")})
    with pytest.raises(KernelError, match="differ in length"):
        triggers.shower(there, **SHOWER, roots=np.ones(3, np.uint8))
    with pytest.raises(KernelError, match="roots of 1 events and hits of 2"):
        triggers.mixed(there, triggers.sites(*crowd([2, 3]).values()), **SHOWER)
