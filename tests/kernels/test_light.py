from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from km3gpu.detector import cherenkov
from km3gpu.detector.water import KM3NET
from km3gpu.errors import KernelError
from km3gpu.kernels import light
from km3gpu.kernels.reference import light as reference

from .conftest import Where

INDICES = {"n_phase": KM3NET.n_phase, "n_group": KM3NET.n_group}


def made_up(counts: list[int], seed: int = 4) -> tuple[Any, ...]:
    """Offsets; times and places of hits; times, places and directions of sources."""
    rng = np.random.default_rng(seed)
    n, e = sum(counts), len(counts)
    to = rng.normal(size=(e, 3))
    to /= np.linalg.norm(to, axis=1)[:, None]
    return (
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        rng.uniform(0, 5e3, n), rng.uniform(-400, 400, (n, 3)),
        rng.uniform(0, 5e3, e), rng.uniform(-400, 400, (e, 3)), to,
    )  # fmt: skip


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 40, 0, 0, 25], [33, 1]])
def test_it_agrees_with_the_reference_and_with_the_formulas_of_the_detector(
    where: Where, counts: list[int]
) -> None:
    offsets, t, places, at_t, at, to = made_up(counts)
    hits = tuple(where.put(a) for a in (t, *places.T.copy()))
    sources = tuple(where.put(a) for a in (at_t, *at.T.copy(), *to.T.copy()))
    late, off = (where.get(a) for a in light.track(where.put(offsets), hits, sources, **INDICES))
    want = reference.track(offsets, t, places, at_t, at, to, **INDICES)
    np.testing.assert_allclose(late, want[0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(off, want[1], rtol=0, atol=1e-9)
    of = np.repeat(np.arange(len(counts)), counts)
    theirs = cherenkov.from_track(at[of], to[of], at_t[of], places)
    np.testing.assert_allclose(late, theirs.residual(t), rtol=0, atol=1e-8)
    np.testing.assert_allclose(off, theirs.d_closest, rtol=0, atol=1e-9)

    late, off = (
        where.get(a) for a in light.shower(where.put(offsets), hits, sources[:4], n_group=KM3NET.n_group)
    )
    want = reference.shower(offsets, t, places, at_t, at, KM3NET.n_group)
    np.testing.assert_allclose(late, want[0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(off, want[1], rtol=0, atol=1e-9)
    theirs = cherenkov.from_shower(at[of], to[of], at_t[of], places)
    np.testing.assert_allclose(late, theirs.residual(t), rtol=0, atol=1e-8)


def test_a_hit_on_the_track_is_as_late_as_the_track_is_there(where: Where) -> None:
    hits = tuple(where.put(np.array([a])) for a in (100.0, 0.0, 0.0, 29.9792458))
    sources = tuple(where.put(np.array([a])) for a in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    late, off = light.track(where.put(np.array([0, 1])), hits, sources, **INDICES)
    assert where.get(off)[0] == 0.0
    assert where.get(late)[0] == pytest.approx(0.0, abs=1e-12)


def test_nan_stays_nan(where: Where) -> None:
    offsets, t, places, at_t, at, to = made_up([3, 3])
    places[1, 2] = at[1, 0] = np.nan
    hits = tuple(where.put(a) for a in (t, *places.T.copy()))
    sources = tuple(where.put(a) for a in (at_t, *at.T.copy(), *to.T.copy()))
    for late, off in (
        light.track(where.put(offsets), hits, sources, **INDICES),
        light.shower(where.put(offsets), hits, sources[:4], n_group=1.38),
    ):
        for column in (late, off):
            assert np.isnan(where.get(column)).tolist() == [False, True, False, True, True, True]


def test_sources_that_do_not_fit() -> None:
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(KernelError, match="1 events"):
        light.shower(np.array([0, 1]), (one,) * 4, (two,) * 4, n_group=1.38)
    with pytest.raises(KernelError, match="differ in length"):
        light.shower(np.array([0, 1]), (one, two, one, one), (one,) * 4, n_group=1.38)
