"""The pool of host memory."""

from __future__ import annotations

import gc
import itertools
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.memory import Pool

MB = 2**20


def test_columns_are_plain_arrays():
    pool = Pool()
    for dtype in ("u1", "i4", "u8", "f4", "f8", "?"):
        a = pool.empty(MB, dtype)
        assert type(a) is np.ndarray
        assert a.dtype == np.dtype(dtype)
        assert a.shape == (MB,)
        assert a.flags.c_contiguous
        assert a.flags.writeable
        assert a.flags.aligned
        assert a.ctypes.data % 64 == 0
        a[:] = 1
        assert (a == 1).all()
        assert np.array_equal(pickle.loads(pickle.dumps(a)), a)


def test_memory_comes_back_with_the_last_view_and_is_used_again():
    pool = Pool()
    a = pool.empty(MB, "f8")
    address = a.ctypes.data
    view = a[10:20].view("u1")
    del a
    b = pool.empty(MB, "f8")
    assert b.ctypes.data != address
    view[:] = 7  # still ours
    del view
    c = pool.empty(MB - 1, "f8")
    assert c.ctypes.data == address
    assert pool.kept == 0
    addresses = {b.ctypes.data, address}
    del b, c
    assert {pool.empty(MB, "f8").ctypes.data, address} <= addresses


def test_what_it_counts():
    pool = Pool(keep=100 * MB)
    a, b = pool.empty(MB, "f8"), pool.empty(2 * MB, "f8")
    assert (pool.used, pool.kept, pool.peak) == (24 * MB, 0, 24 * MB)
    del a
    pool.reset_peak()
    assert (pool.used, pool.kept, pool.peak) == (16 * MB, 8 * MB, 16 * MB)
    pool.trim()
    assert (pool.used, pool.kept) == (16 * MB, 0)
    del b
    pool.trim()
    assert (pool.used, pool.kept, pool.peak) == (0, 0, 16 * MB)


def test_it_keeps_no_more_than_it_may():
    pool = Pool(keep=20 * MB)
    columns = [pool.empty(MB, "f8") for _ in range(5)]
    del columns
    gc.collect()
    pool.reset_peak()
    assert pool.kept == 16 * MB


def test_a_limit_holds_for_small_ones_too():
    pool = Pool(limit=24 * MB)
    a = pool.empty(MB, "f8")
    b = pool.empty(MB, "f8")
    del b
    c = pool.empty(2 * MB, "f8")  # the free block makes room
    with pytest.raises(MemoryError, match="are more than the pool's 25165824"):
        pool.empty(100, "u1")
    del a, c
    assert pool.empty(3 * MB, "f8").nbytes == 24 * MB


def test_small_columns_are_not_counted():
    pool = Pool()
    keep = pool.empty(100, "f8")
    assert (pool.used, len(keep)) == (0, 100)


def test_many_threads_never_share_a_block():
    pool = Pool(keep=64 * MB)
    wrong: list[int] = []

    def work(me: int) -> None:
        rng = np.random.default_rng(me)
        for _ in range(60):
            columns = [pool.empty(int(n), "u1") for n in rng.integers(300_000, 2_000_000, 3)]
            for c in columns:
                c.fill(me)
            wrong.extend(me for c in columns if not (c == me).all())

    workers = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert wrong == []
    pool.reset_peak()
    assert pool.used == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3 * MB), max_size=8))
def test_blocks_are_large_enough_and_not_much_larger(sizes: list[int]):
    pool = Pool(limit=2**40)
    columns = [pool.empty(n, "u1") for n in sizes]
    assert [len(c) for c in columns] == sizes
    assert sum(sizes) <= pool.used <= sum(sizes) * 1.125 + 16 * len(sizes)
    spans = sorted((c.ctypes.data, c.ctypes.data + len(c)) for c in columns if len(c))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
