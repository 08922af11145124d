"""The background model: rates against counting, made-up frames against the rates they were made with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from km3gpu.errors import ConfigError
from km3gpu.kernels import segments
from km3gpu.kernels.coincidence import same_module
from km3gpu.trigger.background import FRAME_NS, Background, Frames, frames, pair_weights, random_rates

N = 31
SECOND = FRAME_NS * 1e-9


@pytest.fixture(scope="module")
def axes() -> np.ndarray:
    v = np.random.default_rng(1).normal(size=(20, N, 3))
    return v / np.linalg.norm(v, axis=2, keepdims=True)


def sizes(made: Frames, window: float, t: np.ndarray | None = None) -> np.ndarray:
    """Give the number of hits of each coincidence."""
    n = len(made.tdc)
    module = np.repeat(made.module, np.diff(made.offsets)).astype(np.int32)
    zero = np.zeros(n)
    time = made.tdc.astype(float) if t is None else t
    found = same_module(
        made.offsets, module, made.channel_id, time, made.tot, zero, zero, zero, window=window
    )
    return found[1]["n_hits"]


@pytest.mark.parametrize(("singles", "window"), [(7000.0, 25.0), (20_000.0, 25.0), (7000.0, 100.0)])
def test_chance_coincidences_come_at_the_rates_expected(
    axes: np.ndarray, singles: float, window: float
) -> None:
    made = frames(Background(singles, ()), axes, np.zeros((20, N)), seed=3)
    found = np.bincount(sizes(made, window), minlength=9)
    want = random_rates(N * singles, window) * SECOND * 20
    for m in (2, 3, 4):
        # one seed, so this is decided once and for all; 4 sigma
        assert abs(found[m] - want[m]) < 4 * math.sqrt(want[m]) + 1, m


def test_decays_come_at_their_rates(axes: np.ndarray) -> None:
    rates = (5000.0, 1000.0, 300.0)
    made = frames(Background(0.0, rates), axes, np.zeros((20, N)), seed=4)
    found = np.bincount(sizes(made, 30.0), minlength=6)
    for m, rate in enumerate(rates, 2):
        want = rate * SECOND * 20
        # two decays within a window, one in 10,000, shift a few
        assert abs(found[m] - want) < 4 * math.sqrt(want) + 5e-3 * found.sum(), m


def test_singles_and_decays_together(axes: np.ndarray) -> None:
    background = Background()
    made = frames(background, axes, np.zeros((20, N)), seed=5)
    want = background.expected_l1_hz() * SECOND * 20
    assert abs(len(sizes(made, 25.0)) - want) < 4 * math.sqrt(want)
    hits = background.module_hz() * SECOND * 20
    assert abs(len(made.tdc) - hits) < 5 * math.sqrt(hits)
    # as the prototype of this project counted them, on random hits alone
    assert random_rates(217e3).sum() == pytest.approx(1192, rel=0.01)


def test_pmts_that_look_the_same_way_are_preferred(axes: np.ndarray) -> None:
    background = Background(0.0, (100_000.0,), spread_ns=0.1)
    made = frames(background, axes[:1], np.zeros((1, N)), seed=6, disorder=0.0)
    t = made.tdc.astype(np.int64)
    first = np.flatnonzero((np.diff(t) <= 1) & (np.diff(t, prepend=-9)[:-1] > 2))
    a, b = made.channel_id[first].astype(int), made.channel_id[first + 1].astype(int)
    seen = np.bincount(np.minimum(a, b) * N + np.maximum(a, b), minlength=N * N).reshape(N, N)
    weights = np.triu(pair_weights(axes[0], background.angular), 1)
    want = weights / weights.sum() * seen.sum()
    good = want > 10
    chi2 = ((seen - want)[good] ** 2 / want[good]).sum()
    assert abs(chi2 - good.sum()) < 5 * math.sqrt(2 * good.sum())
    # parallel axes against opposite ones
    b2, b3, b4 = background.angular
    two = pair_weights(np.array([[0, 0, 1.0], [0, 0, 1.0], [0, 0, -1.0]]), background.angular)
    assert two[0, 1] / two[0, 2] == pytest.approx(math.exp(2 * (b2 + b4)))
    assert b3 < 0
    assert (np.diag(two) == 0).all()


def test_time_offsets_are_taken_off(axes: np.ndarray) -> None:
    t0 = np.random.default_rng(7).uniform(0, 300, (20, N))
    made = frames(Background(0.0, (2000.0,)), axes, t0, seed=8)
    module = np.repeat(made.module, np.diff(made.offsets))
    raw, true = sizes(made, 25.0), sizes(made, 25.0, made.tdc + t0[module, made.channel_id])
    assert len(true) > 3 * len(raw)
    assert len(true) == pytest.approx(2000 * SECOND * 20, rel=0.1)


def test_frames_are_nearly_in_order_and_in_range(axes: np.ndarray) -> None:
    made = frames(Background(), axes, np.zeros((20, N)), seed=9, disorder=0.15)
    late = np.diff(made.tdc.astype(np.int64)) < 0
    late[made.offsets[1:-1] - 1] = False
    assert 0.08 < late.mean() < 0.15
    assert made.tdc.max() < FRAME_NS
    assert made.channel_id.max() == N - 1
    assert made.tot.min() >= 1
    straight = frames(Background(), axes, np.zeros((20, N)), seed=9, disorder=0.0)
    assert (segments.total(straight.offsets, straight.tdc) == segments.total(made.offsets, made.tdc)).all()


def test_the_seed_decides_and_slices_are_their_own(axes: np.ndarray) -> None:
    some, t0 = axes[:3], np.zeros((3, N))
    both = frames(Background(), some, t0, 2, seed=10)
    again = frames(Background(), some, t0, 2, seed=10)
    other = frames(Background(), some, t0, 2, seed=11)
    second = frames(Background(), some, t0, 1, seed=10, first_slice=1)
    for a, b in zip(both, again, strict=True):
        assert np.array_equal(a, b)
    assert len(other.tdc) != len(both.tdc) or not np.array_equal(other.tdc, both.tdc)
    assert np.array_equal(second.tdc, both.tdc[both.offsets[3] :])
    assert both.module.tolist() == [0, 1, 2, 0, 1, 2]


def test_nothing_is_nothing(axes: np.ndarray) -> None:
    assert random_rates(0.0).sum() == 0
    assert len(frames(Background(0.0, ()), axes, np.zeros((20, N))).tdc) == 0
    assert frames(Background(), axes, np.zeros((20, N)), 0).offsets.tolist() == [0]
    assert random_rates(217e3, 25.0, clock_ns=0.0).sum() < random_rates(217e3).sum()


@pytest.mark.parametrize(
    "wrong",
    [{"singles_hz": -1.0}, {"folds_hz": (1.0, math.nan)}, {"angular": (1.0, 2.0)}, {"spread_ns": math.inf}],
)
def test_rates_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Background(**wrong)


def test_arguments_that_do_not_fit(axes: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        frames(Background(), axes, np.zeros((3, N)))
    with pytest.raises(ConfigError, match="-1 slices"):
        frames(Background(), axes, np.zeros((20, N)), -1)
    with pytest.raises(ConfigError, match="chance coincidences of -1"):
        random_rates(-1.0)
