"""Match criteria for arrays, against the textbook's inequalities and against the triggers' own."""

from __future__ import annotations

import numpy as np
import pytest

from km3gpu import trigger
from km3gpu.errors import KernelError
from km3gpu.kernels import triggers
from km3gpu.kernels.reference import triggers as reference
from km3gpu.kernels.scalar.match import match_folded, match_road, match_unfolded, whole
from km3gpu.kernels.sites import SPEED_OF_LIGHT, direction_axes, light_cut, road_cut, sites
from km3gpu.trigger import clique, match_1d, match_3b, match_3d, match_3g


def some(n: int, seed: int = 1) -> trigger.match.Hits:
    rng = np.random.default_rng(seed)
    # light that went 0 to 300 m, or sat on an edge
    x, y, z = rng.uniform(-150, 150, (3, n))
    t = rng.uniform(0, 1500, n)
    t[::3] = np.rint(np.hypot(x[::3], z[::3]) * 1.38 / SPEED_OF_LIGHT)
    return t, x, y, z


def pairs(a: trigger.match.Hits, b: trigger.match.Hits) -> tuple[np.ndarray, np.ndarray]:
    """Give distances [m] and times [ns] of all pairs, rounded as the triggers do."""
    to = (SPEED_OF_LIGHT * 1024, 1024, 1024, 1024)
    one, other = ([np.rint(c * k) / k for c, k in zip(side, to, strict=True)] for side in (a, b))
    dt, *place = (q[None, :] - p[:, None] for p, q in zip(one, other, strict=True))
    return np.sqrt(sum(d * d for d in place)), np.abs(dt)


def column_row(a: trigger.match.Hits, b: trigger.match.Hits) -> tuple[tuple, tuple]:
    return tuple(c[:, None] for c in a), tuple(c[None, :] for c in b)


@pytest.mark.parametrize("extra", [0.0, 20.0])
def test_all_pairs_as_the_textbook_has_it(extra: float) -> None:
    a, b = some(60, 1), some(70, 2)
    column, row = column_row(a, b)
    d, t = pairs(a, b)
    for got, rule, length in (
        (match_3b(column, row, road_width=60.0, t_max_extra=extra), reference.match_3b, 60.0),
        (match_3g(column, row, d_max=180.0, t_max_extra=extra), reference.match_3g, 180.0),
        (match_3d(column, row, d_max=180.0, t_max_extra=extra), reference.match_3d, 180.0),
    ):
        want = np.vectorize(lambda x, y, rule=rule, length=length: rule(x, y, length, extra))(d, t)
        assert got.shape == (60, 70)
        assert 0.02 < want.mean() < 0.98
        np.testing.assert_array_equal(got, want)


def test_decisions_are_those_of_the_triggers_to_the_bit() -> None:
    a, b = some(400, 3), some(400, 4)
    road, light = road_cut(60.0, 0.0, 20.0), light_cut(180.0, 20.0)
    to = (SPEED_OF_LIGHT * 1024, 1024, 1024, 1024)
    dt, dx, dy, dz = (np.rint(q * k) - np.rint(p * k) for p, q, k in zip(a, b, to, strict=True))
    d2 = dx * dx + dy * dy + dz * dz
    g = np.array([0.6, 0.0, -0.8])
    axes = direction_axes(g[None])
    u, v, w = (
        np.array([whole(p) for p in dx * axes[k] + dy * axes[k + 1] + dz * axes[k + 2]]) for k in (0, 3, 6)
    )
    want = {
        "3b": [match_road(abs(t), d, *road[2:9]) for t, d in zip(dt, d2, strict=True)],
        "3g": [match_folded(abs(t), d, *light[1:]) for t, d in zip(dt, d2, strict=True)],
        "3d": [match_unfolded(abs(t), d, light[1], light[2], light[4]) for t, d in zip(dt, d2, strict=True)],
        "1d": [
            match_folded(abs(t), d, road[2], road[9], road[10], road[4], road[11])
            for t, d in zip(dt - w, u * u + v * v, strict=True)
        ],
    }
    got = {
        "3b": match_3b(a, b, road_width=60.0),
        "3g": match_3g(a, b, d_max=180.0),
        "3d": match_3d(a, b, d_max=180.0),
        "1d": match_1d(a, b, g, road_width=60.0),
    }
    for name, matched in want.items():
        assert 0 < np.sum(matched) < 400, name
        np.testing.assert_array_equal(got[name], np.array(matched, bool), err_msg=name)


def test_light_of_a_muon_matches_along_its_direction_only() -> None:
    rng = np.random.default_rng(5)
    g = np.array([0.0, 0.6, 0.8])
    place = rng.uniform(-60, 60, (40, 3))
    along = place @ g
    across = np.linalg.norm(place - along[:, None] * g, axis=1)
    near = across < 25
    t = (along + np.sqrt(1.3800851282**2 - 1) * across) / SPEED_OF_LIGHT
    hits = (t[near], *place[near].T)
    column, row = column_row(hits, hits)
    assert match_3b(column, row, road_width=60.0).all()
    assert match_1d(column, row, g, road_width=60.0).all()
    assert not match_1d(column, row, -g, road_width=60.0).all()


def test_numbers_match_too_and_nan_never_does() -> None:
    assert bool(match_3d((0.0, 0, 0, 0), (46.0, 10, 0, 0), d_max=20.0, t_max_extra=0.0))
    assert not bool(match_3d((0.0, 0, 0, 0), (46.1, 10, 0, 0), d_max=20.0, t_max_extra=0.0))
    for lost in ((np.nan, 0, 0, 0), (0.0, np.nan, 0, 0)):
        assert not bool(match_3b((0.0, 0, 0, 0), lost, road_width=50.0))
        assert not bool(match_3g((0.0, 0, 0, 0), lost, d_max=50.0))


def test_a_clique_is_that_of_the_triggers() -> None:
    rng = np.random.default_rng(6)
    for n in (0, 1, 2, 5, 12, 30):
        for p in (0.2, 0.6, 0.9):
            m = rng.random((n, n)) < p
            m |= m.T
            want = reference.clique(list(range(n)), lambda i, j, m=m: bool(m[i, j]))
            assert clique(m).tolist() == want
    # hits that a shower trigger finds from its first root
    t, x, y, z = some(25, 7)
    x, y, z = x / 4, y / 4, z / 4
    t = np.sort(t)
    there = sites(np.array([0, 25]), np.arange(25, dtype=np.int32), x, y, z, t)
    rule = {"number_of_hits": 2, "number_of_modules": 1, "d_max": 90.0, "t_max_extra": 200.0}
    first = np.zeros(25, np.uint8)
    first[0] = 1
    found, _, _ = triggers.shower(there, **rule, factory_limit=100, roots=first)
    hits = (t, x, y, z)
    near = np.flatnonzero(match_3g(tuple(c[0] for c in hits), hits, d_max=90.0, t_max_extra=200.0))[1:]
    column, row = column_row(*[tuple(c[near] for c in hits)] * 2)
    kept = near[clique(match_3g(column, row, d_max=90.0, t_max_extra=200.0))]
    assert np.flatnonzero(found).tolist() == sorted([0, *kept.tolist()])


def test_what_cannot_be_matched() -> None:
    hits = some(3)
    with pytest.raises(KernelError, match=r"-1\.0 is no distance or time"):
        match_3b(hits, hits, road_width=-1.0)
    with pytest.raises(KernelError, match="nan is no distance or time"):
        match_3g(hits, hits, d_max=1.0, t_max_extra=float("nan"))
    with pytest.raises(KernelError, match="is no direction"):
        match_1d(hits, hits, (1, 1, 0), road_width=1.0)
    with pytest.raises(KernelError, match="no symmetric matrix"):
        clique(np.ones((2, 3), bool))
