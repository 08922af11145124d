from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from km3gpu.errors import GeometryError, KernelError
from km3gpu.kernels import calibrate, coincidence, level1, lookup

from .conftest import Where

MODULES = np.array([7, 3, 5])


def table(seed: int = 1) -> Any:
    rows = np.random.default_rng(seed).uniform(0, 50, (93, 7))
    return lookup.build(MODULES, np.arange(3) * 31, np.full(3, 31), rows)


def raw(counts: list[int], seed: int = 1, shuffled: bool = False) -> list[Any]:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    n = int(offsets[-1])
    tdc = rng.integers(0, 400, n).astype(np.uint32)
    if not shuffled:
        for low, high in itertools.pairwise(offsets):
            tdc[low:high].sort()
    dom = MODULES[np.arange(len(counts)) % 3].astype(np.int32)
    channel, tot = rng.integers(0, 31, n).astype(np.uint8), rng.integers(0, 256, n).astype(np.uint8)
    return [offsets, dom, channel, tdc, tot]


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 40, 0, 33, 1], [150]])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(("window", "min_hits", "slew"), [(25.0, 2, True), (5.0, 3, False), (25.0, 1, False)])
def test_the_same_as_step_by_step(
    where: Where, counts: list[int], shuffled: bool, window: float, min_hits: int, slew: bool
) -> None:
    offsets, dom, channel, tdc, tot = raw(counts, shuffled=shuffled)
    slewing = calibrate.SLEWING if slew else None
    got_offsets, got = level1.frames(
        *where.put(offsets, dom, channel, tdc, tot), where.lookup(table()),
        slewing=slewing, window=window, min_hits=min_hits,
    )  # fmt: skip
    own = np.repeat(dom, np.diff(offsets))
    made = calibrate.hits(*where.put(own, channel, tdc, tot), where.lookup(table()), slewing=slewing)
    want_offsets, want, _ = coincidence.same_module(
        *where.put(offsets, own, channel), made["t"], where.put(tot),
        made["pos_x"], made["pos_y"], made["pos_z"], window=window, min_hits=min_hits,
    )  # fmt: skip
    assert np.array_equal(where.get(got_offsets), where.get(want_offsets))
    assert list(got) == list(want)
    for name, column in where.got(want).items():
        assert np.array_equal(where.get(got[name]), column), name


def test_a_burst_in_backward_order_is_sorted_another_way(where: Where) -> None:
    n = where.rows(20_000)
    offsets, dom, channel, tdc, tot = raw([n])
    tdc = np.arange(n, dtype=np.uint32)[::-1] * 50  # 2 MHz would be no worse
    _, got = level1.frames(*where.put(offsets, dom, channel, tdc.copy(), tot), where.lookup(table()))
    t = np.sort(where.get(got["t_first"]))
    assert np.array_equal(t, where.get(got["t_first"]))
    assert (where.get(got["n_hits"]) >= 2).all()


def test_what_the_detector_does_not_have(where: Where) -> None:
    offsets, dom, channel, tdc, tot = raw([3, 4])
    place = where.lookup(table())
    bad = channel.copy()
    bad[4] = 31
    with pytest.raises(GeometryError, match="channel 31 of module 3 is not in"):
        level1.frames(*where.put(offsets, dom, bad, tdc, tot), place)
    dom[1] = 99
    with pytest.raises(GeometryError, match="module 99 is not in"):
        level1.frames(*where.put(offsets, dom, channel, tdc, tot), place)


def test_columns_that_do_not_fit() -> None:
    offsets, dom, channel, tdc, tot = raw([3, 4])
    with pytest.raises(KernelError, match="1 modules for 2 frames"):
        level1.frames(offsets, dom[:1], channel, tdc, tot, table())
    with pytest.raises(KernelError, match="min_hits must be 1 or more"):
        level1.frames(offsets, dom, channel, tdc, tot, table(), min_hits=0)
    with pytest.raises(KernelError, match="a slewing table of 3 entries"):
        level1.frames(offsets, dom, channel, tdc, tot, table(), slewing=np.zeros(3))
