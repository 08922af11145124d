from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import KernelError
from km3gpu.kernels import coincidence, decode
from km3gpu.kernels.reference import coincidence as reference

from .conftest import SIMULATED, Where
from .test_decode import baskets


def hits(counts: list[int], seed: int = 0, step: float = 0.5, modules: int = 3) -> dict[str, np.ndarray]:
    """Crowded hits with many equal times."""
    rng = np.random.default_rng(seed)
    n = sum(counts)
    axes = rng.normal(size=(3, n))
    axes = (axes / np.linalg.norm(axes, axis=0)).astype(np.float32).astype(np.float64)
    return {
        "offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "dom_id": rng.integers(-modules // 2, modules // 2 + 1, n).astype("i4"),
        "channel_id": rng.integers(0, 31, n).astype("u1"),
        "t": 1e8 + np.round(rng.random(n) * 30 * (1 + n / 4) / step) * step,
        "tot": rng.integers(0, 256, n).astype("u1"),
        "pos_x": rng.normal(size=n), "pos_y": rng.normal(size=n), "pos_z": rng.normal(size=n),
        "dir_x": axes[0], "dir_y": axes[1], "dir_z": axes[2],
    }  # fmt: skip


USED = ("offsets", "dom_id", "channel_id", "t", "tot", "pos_x", "pos_y", "pos_z")


def check(where: Where, h: dict[str, np.ndarray], **options: Any) -> int:
    """Compare with the reference; give the number of clusters."""
    args = where.put(*(h[c] for c in USED))
    axes = {c: where.put(h[c]) for c in ("dir_x", "dir_y", "dir_z")} if options.get("min_cos") else {}
    offsets, columns, cluster_id = coincidence.same_module(*args, **options, **axes)
    rule = {"window": 25.0, "min_hits": 2, "l2_window": None, "min_cos": None} | options
    want_offsets, clusters, want_id = reference.same_module(
        h["offsets"], h["dom_id"], h["channel_id"], h["t"], h["tot"],
        *rule.values(), np.stack([h["dir_x"], h["dir_y"], h["dir_z"]], axis=1),
    )  # fmt: skip
    assert where.get(offsets).tolist() == want_offsets
    assert np.array_equal(where.get(cluster_id), want_id)
    got = where.got(columns)
    assert {c: v.dtype.str[1:] for c, v in got.items()} == {
        "dom_id": "i4", "t_first": "f8", "t_last": "f8", "n_hits": "i4", "n_pmts": "i4",
        "tot_sum": "f8", "pos_x": "f8", "pos_y": "f8", "pos_z": "f8",
    }  # fmt: skip
    first, last = (np.array([c[k] for c in clusters], np.int64) for k in (0, 1))
    for column, want in (
        ("dom_id", h["dom_id"][first]),
        ("t_first", h["t"][first]),
        ("t_last", h["t"][last]),
        ("pos_x", h["pos_x"][first]),
        ("pos_y", h["pos_y"][first]),
        ("pos_z", h["pos_z"][first]),
        ("n_hits", [c[2] for c in clusters]),
        ("n_pmts", [c[3] for c in clusters]),
        ("tot_sum", [c[4] for c in clusters]),
    ):
        assert np.array_equal(got[column], np.array(want)), column
    return len(clusters)


@pytest.mark.parametrize("counts", [[], [0], [1], [2], [0, 40, 0, 0, 33, 1], [31, 32, 33], [150]])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": 5.0, "min_hits": 3},
        {"min_hits": 1},
        {"l2_window": 10.0},
        {"l2_window": 4.0, "min_hits": 3},
        {"l2_window": 10.0, "min_cos": 0.3},
        {"l2_window": 10.0, "min_cos": -0.5, "min_hits": 3},
    ],
)
def test_agrees_with_the_reference(where: Where, counts: list[int], options: dict[str, Any]) -> None:
    check(where, hits(counts), **options)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 25), max_size=5),
    seed=st.integers(0, 2**32 - 1),
    window=st.sampled_from([0.0, 0.5, 10.0, 25.0]),
    min_hits=st.integers(1, 4),
)
def test_any_crowd(counts: list[int], seed: int, window: float, min_hits: int) -> None:
    h = hits(counts, seed)
    args = [h[c] for c in USED]
    offsets, columns, cluster_id = coincidence.same_module(*args, window=window, min_hits=min_hits)
    # what must hold of any answer
    assert offsets[0] == 0
    assert offsets[-1] == len(columns["t_first"])
    assert (columns["t_last"] - columns["t_first"] <= window).all()
    assert (columns["n_hits"] >= min_hits).all()
    assert (columns["n_pmts"] <= columns["n_hits"]).all()
    assert columns["n_hits"].sum() == (cluster_id >= 0).sum()
    want = reference.same_module(
        h["offsets"], h["dom_id"], h["channel_id"], h["t"], h["tot"], window, min_hits, None, None, None
    )
    assert np.array_equal(cluster_id, want[2])


def test_ends_of_the_window_are_members_and_one_pmt_will_do(where: Where) -> None:
    t = np.array([100.0, 125.0, 125.5, 126.0, 150.5, 151.5])
    n = len(t)
    args = where.put([0, n], np.full(n, 9, "i4"), np.full(n, 3, "u1"), t, np.full(n, 1, "u1"), t, t, t)
    _, columns, cluster_id = coincidence.same_module(*args)
    assert where.get(cluster_id).tolist() == [0, 0, 1, 1, 1, -1]
    assert where.get(columns["n_pmts"]).tolist() == [1, 1]


def test_events_and_modules_are_kept_apart(where: Where) -> None:
    t = np.zeros(6)
    dom = np.array([1, 1, 1, 2, 2, 2], "i4")
    small = np.zeros(6, "u1")
    args = where.put([0, 2, 4, 6], dom, small, t, small, t, t, t)
    offsets, columns, cluster_id = coincidence.same_module(*args)
    assert where.get(offsets).tolist() == [0, 1, 1, 2]
    assert where.get(columns["dom_id"]).tolist() == [1, 2]
    assert where.get(cluster_id).tolist() == [0, 0, -1, -1, 0, 0]


def test_hits_without_a_time_are_in_none(where: Where) -> None:
    t = np.array([np.nan, 1.0, np.nan, 2.0])
    small = np.zeros(4, "u4")
    args = where.put([0, 4], np.zeros(4, "i4"), small, t, small, t, t, t)
    _, _, cluster_id = coincidence.same_module(*args)
    assert where.get(cluster_id).tolist() == [-1, 0, -1, 0]


def test_names_a_channel_that_cannot_be_counted(where: Where) -> None:
    t = np.zeros(5)
    channel = np.array([0, 1, 2, 64, 77], "u4")
    args = where.put([0, 0, 5], np.zeros(5, "i4"), channel, t, channel, t, t, t)
    with pytest.raises(KernelError, match=r"channel 64 is above 63 \(in hit 3 of event 1\)"):
        coincidence.same_module(*args)


def test_refuses_half_an_l2_rule() -> None:
    h = hits([4])
    args = [h[c] for c in USED]
    with pytest.raises(KernelError, match="give l2_window too"):
        coincidence.same_module(*args, min_cos=0.0)
    with pytest.raises(KernelError, match="needs dir_x, dir_y and dir_z"):
        coincidence.same_module(*args, min_cos=0.0, l2_window=10.0, dir_x=h["dir_x"])
    with pytest.raises(KernelError, match="min_hits must be 1 or more"):
        coincidence.same_module(*args, min_hits=0)


def test_real_events(where: Where, data: Path) -> None:
    raw, byte_offsets = baskets(data / "online/events_sample.root", "snapshotHits")
    if SIMULATED:
        byte_offsets = byte_offsets[:2]
    offsets, columns = decode.snapshot_hits(raw, byte_offsets)
    n = len(columns["tdc"])
    h = {"offsets": offsets, **columns, "t": columns["tdc"].astype(float)}
    h |= {c: np.arange(n) + 0.5 for c in ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")}
    assert check(where, h) > 5
    assert check(where, h, l2_window=10.0, min_hits=3) >= 0


def test_windows_that_are_no_coincidence_are_told_too(where: Where) -> None:
    t = np.array([0.0, 26.0, 30.0, 60.0, 72.0, 100.0, np.nan])
    found = coincidence.windows(*where.put([0, 7], np.zeros(7, "i4"), t), l2_window=10.0)
    assert where.get(found.members).tolist() == [-1, 2, 0, -2, 0, -1, -1]
    assert where.get(found.order).tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 40, 0, 0, 33, 1], [100]])
@pytest.mark.parametrize(
    "rule", [{"window": 5.0}, {"window": 3.0, "min_hits": 3}, {"window": 8.0, "min_pmts": 2}]
)
def test_chains_are_what_neighbours_make(where: Where, counts: list[int], rule: dict[str, Any]) -> None:
    h = hits(counts, seed=9)
    if len(h["t"]) > 9:
        h["t"][7] = np.nan
    offsets, columns, cluster_id = coincidence.same_module(
        *where.put(*(h[c] for c in USED)), chain=True, **rule
    )
    window, least, pmts = rule["window"], rule.get("min_hits", 2), rule.get("min_pmts", 1)
    dom, t = h["dom_id"], h["t"]
    want_id, sizes, want_offsets = np.full(len(t), -1), [], [0]
    for low, high in zip(h["offsets"][:-1], h["offsets"][1:], strict=True):
        # groups that pairs of the same module within the window connect
        left = sorted(range(low, high), key=lambda i: (dom[i], bool(np.isnan(t[i])), t[i], i))
        while left:
            group = [left.pop(0)]
            for i in group:
                near = [j for j in left if dom[i] == dom[j] and abs(t[i] - t[j]) <= window]
                left = [j for j in left if j not in near]
                group += near
            if len(group) >= least and len({int(h["channel_id"][i]) for i in group}) >= pmts:
                want_id[group] = len(sizes) - want_offsets[-1]
                sizes.append(len(group))
        want_offsets.append(len(sizes))
    assert np.array_equal(where.get(cluster_id), want_id)
    assert where.get(columns["n_hits"]).tolist() == sizes
    assert where.get(offsets).tolist() == want_offsets


def test_distinct_pmts_can_be_asked_for(where: Where) -> None:
    t = np.array([0.0, 1, 100, 101, 200, 201, 202])
    channel = np.array([3, 3, 3, 4, 5, 5, 6], "u1")
    dom, offsets = np.array([1, 1, 1, 1, 1, 1, 1], "i4"), np.array([0, 2, 7])
    args = where.put(offsets, dom, channel, t, channel, t, t, t)
    got_offsets, columns, cluster_id = coincidence.same_module(*args, min_pmts=2)
    assert where.get(got_offsets).tolist() == [0, 0, 2]
    assert where.get(cluster_id).tolist() == [-1, -1, 0, 0, 1, 1, 1]
    assert where.get(columns["n_pmts"]).tolist() == [2, 2]
    with pytest.raises(KernelError, match="min_pmts must be 1 or more"):
        coincidence.same_module(*args, min_pmts=0)
    with pytest.raises(KernelError, match="chains have no L2"):
        coincidence.same_module(*args, chain=True, l2_window=10.0)
