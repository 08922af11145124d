from __future__ import annotations

import numpy as np
import pytest

from km3gpu.errors import KernelError
from km3gpu.kernels import flags
from km3gpu.kernels.reference import flags as reference

from .conftest import Where


def draw(rng: np.random.Generator, n: int, small: str) -> list[np.ndarray]:
    # few values, so that hits often differ in one column only
    return [
        rng.integers(0, 4, n).astype(np.int32),
        rng.integers(0, 3, n).astype(small),
        rng.integers(0, 5, n).astype(np.uint32),
        rng.integers(0, 3, n).astype(small),
    ]


@pytest.mark.parametrize(
    ("counts", "triggered"), [([], []), ([0], [3]), ([5, 0, 40], [0, 0, 30]), ([33], [1])]
)
@pytest.mark.parametrize("small", ["u1", "u4"])
def test_agrees_with_the_reference(where: Where, counts: list[int], triggered: list[int], small: str) -> None:
    rng = np.random.default_rng(4)
    offsets, other = (np.concatenate(([0], np.cumsum(c))).astype(np.int64) for c in (counts, triggered))
    hits, some = draw(rng, offsets[-1], small), draw(rng, other[-1], small)
    trig = rng.integers(1, 2**63, other[-1]).astype(np.uint64)
    got, missed = flags.transfer(
        where.put(offsets),
        tuple(where.put(c) for c in hits),
        where.put(other),
        tuple(where.put(c) for c in some),
        where.put(trig),
    )
    want, left = reference.transfer(offsets, hits, other, some, trig)
    assert missed == left.sum()
    assert np.array_equal(where.get(got), want)


def test_equal_hits_of_two_events_are_told_apart(where: Where) -> None:
    hits = [np.array([7, 7], "i4"), np.array([1, 1], "u1"), np.array([9, 9], "u4"), np.array([5, 5], "u1")]
    one = [c[:1] for c in hits]
    got, missed = flags.transfer(
        where.put([0, 1, 2]),
        tuple(where.put(c) for c in hits),
        where.put([0, 0, 1]),
        tuple(where.put(c) for c in one),
        where.put(np.array([18], "u8")),
    )
    assert where.get(got).tolist() == [0, 18]
    assert missed == 0


def test_different_numbers_of_events_are_refused() -> None:
    none = tuple(np.zeros(0, d) for d in ("i4", "u1", "u4", "u1"))
    with pytest.raises(KernelError, match="hits of 1 events, triggered ones of 2"):
        flags.transfer(np.zeros(2, "i8"), none, np.zeros(3, "i8"), none, np.zeros(0, "u8"))
