from __future__ import annotations

import numpy as np
import pytest

from km3gpu.kernels import select
from km3gpu.kernels.reference import select as reference


def events(seed: int, n: int):
    """Random tracks with ties, NaN likelihoods, empty stages and empty events."""
    rng = np.random.default_rng(seed)
    offsets = np.r_[0, np.cumsum(rng.integers(0, 7, n))].astype(np.int64)
    stage_offsets = np.r_[0, np.cumsum(rng.integers(0, 4, offsets[-1]))].astype(np.int64)
    return (
        offsets,
        rng.choice([1.0, 2.0, -5.0, np.nan, -np.inf], offsets[-1]),
        rng.choice([4000, 101], offsets[-1]).astype(np.int32),
        stage_offsets,
        rng.choice([1, 2, 3, 100], stage_offsets[-1]).astype(np.int32),
    )


@pytest.mark.parametrize("n", [0, 1, 31, 33, 120])
def test_the_reference_is_followed(where, n):
    arrays = events(n, n)
    found = select.best_track(*where.put(*arrays), 4000, 0, 99)
    np.testing.assert_array_equal(where.get(found), reference.best_track(*arrays, 4000, 0, 99))


def test_the_first_of_equals_wins(where):
    arrays = (
        np.array([0, 3]),
        np.array([np.nan, 7.0, 7.0]),
        np.full(3, 4000, np.int32),
        np.array([0, 1, 2, 3]),
        np.ones(3, np.int32),
    )
    assert where.get(select.best_track(*where.put(*arrays), 4000, 0, 99)).tolist() == [1]
