from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from km3gpu.errors import KernelError
from km3gpu.kernels import lookup, rows
from km3gpu.kernels.reference import rows as reference

from .conftest import Where

MODULES = {808_000_000 + 37 * k: (31 * k, 31) for k in range(20)} | {
    -5: (620, 3),
    2**31 - 1: (623, 40),
    17: (0, 0),
}


@pytest.fixture(scope="module")
def table() -> lookup.PmtLookup:
    first, n = zip(*MODULES.values(), strict=True)
    return lookup.build(list(MODULES), first, n, np.zeros((663, 7)))


@pytest.mark.parametrize("small", ["u1", "u4"])
@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 257, 20_011])
def test_agrees_with_the_reference(where: Where, table: Any, n: int, small: str) -> None:
    rng = np.random.default_rng(n)
    n = where.rows(n)
    dom = rng.choice([*MODULES, 4, 808_000_001], n).astype("i4")
    channel = rng.integers(0, 45, n).astype(small)
    found = rows.pmt_rows(*where.put(dom, channel), where.lookup(table))
    assert found.dtype == np.int32
    assert np.array_equal(where.get(found), reference.pmt_rows(dom, channel, MODULES))


def test_codes_of_what_is_not_there(where: Where, table: Any) -> None:
    dom = np.array([4, 17, -5, -5, 2**31 - 1], "i4")
    channel = np.array([0, 0, 3, 2, 39], "u1")
    found = where.get(rows.pmt_rows(*where.put(dom, channel), where.lookup(table)))
    assert found.tolist() == [rows.NO_MODULE, rows.NO_CHANNEL, rows.NO_CHANNEL, 622, 662]


def test_large_channels_do_not_wrap(where: Where, table: Any) -> None:
    channel = np.array([2**32 - 1, 2**31, 256], "u4")
    found = where.get(rows.pmt_rows(*where.put(np.full(3, 808_000_000, "i4"), channel), where.lookup(table)))
    assert found.tolist() == [rows.NO_CHANNEL] * 3


def test_other_integer_columns_are_taken_where_they_fit(table: Any) -> None:
    found = rows.pmt_rows(np.array([808_000_037]), np.array([5], "i8"), table)
    assert found.tolist() == [36]
    with pytest.raises(KernelError, match="channel_id is -1 at row 0"):
        rows.pmt_rows(np.array([1]), np.array([-1]), table)
    with pytest.raises(KernelError, match="columns differ in length"):
        rows.pmt_rows(np.array([1, 2], "i4"), np.array([1], "u1"), table)
