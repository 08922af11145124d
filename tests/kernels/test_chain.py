from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from km3gpu.backend import Backend, using_pool
from km3gpu.errors import BackendError, FormatError, GeometryError
from km3gpu.kernels import calibrate, chain, coincidence, decode, threads
from km3gpu.memory import Pool

from .conftest import SIMULATED, Where
from .test_decode import baskets
from .test_fused import detector


@pytest.fixture(scope="module")
def events(data: Path) -> tuple[np.ndarray, np.ndarray]:
    raw, byte_offsets = baskets(data / "online/events_sample.root", "snapshotHits")
    if SIMULATED:  # 30 hits of three events
        parts = []
        for e in range(3):
            entry = raw[byte_offsets[e] : byte_offsets[e + 1]][:310].copy()
            entry[6:10] = (0, 0, 0, 30)
            parts.append(entry)
        return np.concatenate(parts), np.arange(4) * 310
    return raw, byte_offsets


def step_by_step(raw: np.ndarray, byte_offsets: np.ndarray, table: Any, rule: chain.Rule) -> chain.Found:
    """The same with the public kernels and plain NumPy, one event after another."""
    with threads(1):
        offsets, stored = decode.snapshot_hits(raw, byte_offsets)
        hits = {**stored, **calibrate.hits(*stored.values(), table, slewing=calibrate.SLEWING)}
        axes = {c: hits[c] for c in ("dir_x", "dir_y", "dir_z")} if rule.min_cos is not None else {}
        used = ("dom_id", "channel_id", "t", "tot", "pos_x", "pos_y", "pos_z")
        cluster_offsets, clusters, number = coincidence.same_module(
            offsets, *(hits[c] for c in used), window=rule.window, min_hits=rule.min_hits,
            l2_window=rule.l2_window, min_cos=rule.min_cos, **axes,
        )  # fmt: skip
    hits["cluster_id"] = number
    n = np.diff(cluster_offsets)
    kept = [e for e in range(len(n)) if n[e] >= rule.min_clusters]
    rows = [i for e in kept for i in range(offsets[e], offsets[e + 1]) if number[i] >= 0]
    which = [c for e in kept for c in range(cluster_offsets[e], cluster_offsets[e + 1])]
    counts = [sum(1 for i in rows if offsets[e] <= i < offsets[e + 1]) for e in kept]
    return chain.Found(
        int(offsets[-1]),
        np.array(kept, np.int64),
        np.concatenate([[0], np.cumsum(n[kept])]),
        {c: v[which] for c, v in clusters.items()},
        np.concatenate([[0], np.cumsum(counts)]) if rule.keep_hits else None,
        {c: v[rows] for c, v in hits.items()} if rule.keep_hits else {},
    )


def same(a: chain.Found, b: chain.Found) -> bool:
    def equal(x: Any, y: Any) -> bool:
        if isinstance(x, dict):
            return list(x) == list(y) and all(equal(x[k], y[k]) for k in x)
        return (x is None and y is None) or np.array_equal(x, y)

    return all(equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "rule",
    [
        chain.Rule(),
        chain.Rule(window=100.0, min_clusters=9),
        chain.Rule(window=1e6, l2_window=1e6, min_cos=0.0, keep_hits=False),
        chain.Rule(min_clusters=10**6),
    ],
)
def test_agrees_with_the_steps_one_by_one(where: Where, events: Any, rule: chain.Rule) -> None:
    table, _ = detector(*events)
    found = chain.find(*where.put(*events), where.lookup(table), rule)
    expected = step_by_step(*events, table, rule)
    assert same(found, expected)
    assert all(isinstance(v, np.ndarray) for v in [*found.clusters.values(), *found.hits.values()])


def test_many_chunks_come_back_in_order(where: Where, events: Any) -> None:
    raw, byte_offsets = events
    table, _ = detector(raw, byte_offsets)
    n = len(byte_offsets) - 1
    cuts = sorted({0, n // 3, n // 2, n - 1, n})
    chunks = [
        (raw[byte_offsets[a] : byte_offsets[b]], byte_offsets[a : b + 1] - byte_offsets[a])
        for a, b in itertools.pairwise(cuts)
    ]
    place = Backend("cpu" if where.name in ("serial", "parallel") else where.name)
    for slots in (1, 2, 3, 9):
        got = list(chain.run(iter(chunks), table, place, slots=slots))
        assert len(got) == len(chunks)
        for found, chunk in zip(got, chunks, strict=True):
            assert same(found, step_by_step(*chunk, table, chain.RULE))


def test_no_hits(where: Where) -> None:
    table, _ = detector(np.zeros(0, "u1"), np.zeros(1, "i8"))
    found = chain.find(*where.put(np.zeros(0, "u1"), np.zeros(1, "i8")), where.lookup(table))
    assert found.n_hits == 0
    assert found.cluster_offsets.tolist() == [0]
    assert found.hit_offsets is not None
    assert found.hit_offsets.tolist() == [0]


def test_bad_bytes_are_named_and_end_the_run(events: Any) -> None:
    raw, byte_offsets = events
    table, _ = detector(raw, byte_offsets)
    first = raw[: byte_offsets[1]], byte_offsets[:2]
    other = first[0].copy()
    other[10:14] = 1
    for bad, error in (
        ((first[0][:-1], np.array([0, len(first[0]) - 1])), FormatError),
        ((other, first[1]), GeometryError),
    ):
        results = chain.run([first, bad, first], table, Backend("cpu"), slots=2)
        assert next(results).n_hits > 0
        with pytest.raises(error):
            next(results)
        assert list(results) == []


# -- memory ---------------------------------------------------------------------
def crowd(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A hundred events whose hits all are coincidences of two."""
    rng = np.random.default_rng(0)
    per = n // 100 // 2 * 2
    record = np.zeros((100, per), [("dom", ">i4"), ("c", "u1"), ("t", "<u4"), ("tot", "u1")])
    record["dom"] = np.repeat(rng.integers(0, 300, (100, per // 2)), 2, axis=1)
    record["t"] = np.repeat(rng.integers(0, 10**8, (100, per // 2)), 2, axis=1)
    header = np.zeros((100, 10), np.uint8)
    header[:, 6:] = np.frombuffer(np.array(per, ">i4").tobytes(), np.uint8)
    raw = np.concatenate([header, record.view(np.uint8).reshape(100, -1)], axis=1)
    return raw.reshape(-1), np.arange(101) * raw.shape[1]


def test_the_plan_bounds_the_memory_and_not_by_far() -> None:
    raw, byte_offsets = crowd(200_000)
    n = (len(raw) - 1000) // 10
    table, _ = detector(raw, byte_offsets)
    rule = chain.Rule(keep_hits=False)
    with threads(1):
        chain.find(raw, byte_offsets, table, rule)  # compiled
        with using_pool(Pool(keep=0)):
            tracemalloc.start()
            chain.find(raw, byte_offsets, table, rule)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    planned = max(s.highest for s in chain.memory_plan(rule, clusters_per_hit=0.5))
    # the bytes themselves were there before
    measured = peak / n + 10
    assert measured <= 1.05 * planned
    assert measured >= 0.7 * planned


def test_plan_and_chunk_sizes() -> None:
    plan = chain.memory_plan()
    assert [s.name for s in plan][:2] == ["upload", "decode and calibrate"]
    assert all(s.highest >= s.left >= 0 for s in plan)
    assert all(b.highest >= a.left for a, b in itertools.pairwise(plan))
    highest = max(s.highest for s in plan)
    n = chain.hits_that_fit(80 * 10**9, slots=3)
    assert n == int(80e9 * 0.8 / 3 / highest)
    assert chain.hits_that_fit(80 * 10**9, slots=1) == pytest.approx(3 * n, abs=3)
    cut = chain.Rule(min_cos=0.0, l2_window=10.0)
    assert chain.hits_that_fit(80 * 10**9, cut) < n
    with pytest.raises(BackendError, match="too few"):
        chain.hits_that_fit(10**5)
