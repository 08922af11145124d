from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import GeometryError
from km3gpu.kernels import lookup


def find(table: lookup.PmtLookup, identifier: int) -> tuple[int, int] | None:
    """Probe the table as the drivers do."""
    slots = table.slots.reshape(-1, 4)
    s = (((identifier & 0xFFFFFFFF) * table.multiplier) & 0xFFFFFFFF) >> table.shift
    while slots[s, 2] >= 0:
        if slots[s, 0] == identifier:
            return int(slots[s, 1]), int(slots[s, 2])
        s = (s + 1) % len(slots)
    return None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), unique=True, max_size=80),
    st.integers(-(2**31), 2**31 - 1),
)
def test_finds_what_was_put_in_and_nothing_else(identifiers: list[int], other: int) -> None:
    n = len(identifiers)
    n_pmts = np.arange(n) % 40  # base modules have none, some have more than 31
    first = np.concatenate([[0], np.cumsum(n_pmts)[:-1]]) if n else np.zeros(0, int)
    table = lookup.build(identifiers, first, n_pmts, np.zeros((int(n_pmts.sum()), 7)))
    assert [find(table, i) for i in identifiers] == list(zip(first.tolist(), n_pmts.tolist(), strict=True))
    assert other in identifiers or find(table, other) is None


def test_rows_are_whole_cache_lines_and_the_last_is_nan() -> None:
    rows = np.arange(21.0).reshape(3, 7)
    table = lookup.build([5, -7], [0, 2], [2, 1], rows)
    assert table.rows.ctypes.data % 64 == 0
    assert np.array_equal(table.rows.reshape(-1, 8)[:3, :7], rows)
    assert np.isnan(table.rows.reshape(-1, 8)[3]).all()


def test_real_identifiers_rarely_collide() -> None:
    # module numbers of a detector are close together: the worst for a poor hash
    identifiers = 808_000_000 + np.cumsum(np.random.default_rng(3).integers(1, 9000, 2070))
    table = lookup.build(identifiers, np.zeros(2070, int), np.zeros(2070, int), np.zeros((0, 7)))
    home = (((identifiers & 0xFFFFFFFF) * table.multiplier) & 0xFFFFFFFF) >> table.shift
    assert len(np.unique(home)) > 0.9 * len(identifiers)


@pytest.mark.parametrize(
    ("identifier", "first", "n_pmts", "says"),
    [
        ([7, 8, 7], [0, 0, 0], [1, 1, 1], "module 7 comes 2 times"),
        ([2**31], [0], [1], "does not fit 32 bits"),
        ([1], [0], [3], "rows that are not there"),
        ([1], [-1], [1], "rows that are not there"),
    ],
)
def test_refuses(identifier: list[int], first: list[int], n_pmts: list[int], says: str) -> None:
    with pytest.raises(GeometryError, match=says):
        lookup.build(identifier, first, n_pmts, np.zeros((2, 7)))
