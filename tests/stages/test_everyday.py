"""The stages for everyday work: select, map, sample, split, deduplicate, sort, concat, functions."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import km3gpu as k3
from km3gpu import stages
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.stages.deduplicate import first_of_each
from km3gpu.stages.identity import hashed, uniform
from km3gpu.table import Table


# -- select and map -------------------------------------------------------------
def test_select_events_and_hits(daq: Chunk) -> None:
    made = stages.select(daq, events="overlays > 3", hits="tot > 20", triggered_hits="bits(trig, 2)")
    keep = daq.events.flat("overlays") > 3
    assert made.n_events == keep.sum() < daq.n_events
    hits = [daq.hits.flat("tot")[a:b] for a, b in itertools.pairwise(daq.hits.offsets)]
    per_event = [int((e > 20).sum()) for e, k in zip(hits, keep, strict=True) if k]
    assert made.hits.counts.tolist() == per_event
    assert (made.hits.flat("tot") > 20).all()
    assert {t.n_events for t in made.tables.values()} == {int(keep.sum())}
    assert made.counters["select/events_selected"] == keep.sum()
    assert made.counters["select/hits"] == len(daq.hits)


def test_select_keeps_frames_and_hits_of_timeslices_together(data: Path) -> None:
    chunk = k3.open(data / "online/events_sample.root", tree="KM3NET_TIMESLICE_L1").read()
    frame = np.repeat(np.arange(len(chunk.frames)), chunk.frames.flat("n_hits"))
    module = chunk.frames.flat("dom_id")[0]
    by_frame = stages.select(chunk, frames=f"dom_id == {module}", hits="tot > 20")
    keep = (chunk.frames.flat("dom_id") == module)[frame] & (chunk.hits.flat("tot") > 20)
    assert np.array_equal(by_frame.hits.flat("tdc"), chunk.hits.flat("tdc")[keep])
    assert by_frame.frames.flat("n_hits").sum() == len(by_frame.hits) == keep.sum() > 0
    assert len(by_frame.frames) == (chunk.frames.flat("dom_id") == module).sum()
    in_order = stages.sort(by_frame, by="tot", descending=True)
    assert np.array_equal(in_order.frames.flat("n_hits"), by_frame.frames.flat("n_hits"))
    start = 0
    for n in by_frame.frames.flat("n_hits"):
        values = in_order.hits.flat("tot")[start : start + n].tolist()
        assert values == sorted(by_frame.hits.flat("tot")[start : start + n].tolist(), reverse=True)
        start += n


def test_map(daq: Chunk) -> None:
    columns = {"tot": "tot * 2", "late": "tdc - min(tdc)", "busy": "events.overlays > 3"}
    made = stages.map_columns(daq, columns, "hits", {"late": "float32"}, {"late": "ns"})
    assert np.array_equal(made.hits.flat("tot"), daq.hits.flat("tot").astype(int) * 2)
    assert made.hits.flat("late").dtype == np.float32
    assert made.hits.flat("busy").dtype == bool
    assert min(made.hits.late[7]) == 0
    from km3gpu.io.sink import describe

    assert json.loads(describe({"hits": made.hits}))["hits"]["columns"]["late"]["unit"] == "ns"


# -- by hash --------------------------------------------------------------------
def test_a_sample_does_not_depend_on_the_chunks(daq: Chunk, data: Path) -> None:
    whole = stages.sample(daq, 0.3, seed=5)
    pieces = [
        stages.sample(c, 0.3, seed=5) for c in k3.open(data / "online/muon_cc_daqevents.root").chunks(33)
    ]
    assert [int(x) for c in pieces for x in c.events.flat("trigger_counter")] == whole.events.flat(
        "trigger_counter"
    ).tolist()
    larger = stages.sample(daq, 0.6, seed=5)
    assert set(whole.events.flat("frame_index")) <= set(larger.events.flat("frame_index"))
    assert stages.sample(daq, 0.0).n_events == 0
    assert stages.sample(daq, 1.0).n_events == 250


def test_classes_are_thinned_out_by_an_expression(daq: Chunk) -> None:
    made = stages.sample(daq, "where(overlays > 3, 0.25, 1)", seed=5, weight="prescale")
    many = daq.events.flat("overlays") > 3
    kept = made.events.flat("overlays") > 3
    assert (~kept).sum() == (~many).sum() > 10
    assert kept.sum() == stages.sample(stages.select(daq, events="overlays > 3"), 0.25, seed=5).n_events > 10
    assert np.array_equal(made.events.flat("prescale"), np.where(kept, 4.0, 1.0))
    assert abs(made.events.flat("prescale").sum() - daq.n_events) < 4 * 4 * np.sqrt(kept.sum())
    assert "prescale" not in stages.sample(daq, "1").events
    with pytest.raises(FormatError, match=r"fraction = 'overlays': .* is no fraction of events"):
        stages.sample(daq, "overlays")


def test_the_hash_is_even_and_stays_what_it_was() -> None:
    u = uniform([np.arange(100_000)], 0, 1)
    counts = np.bincount((u * 100).astype(int), minlength=100)
    chi2 = ((counts - 1000.0) ** 2 / 1000.0).sum()
    assert 50 < chi2 < 160  # 99 degrees of freedom
    assert abs(np.corrcoef(u, uniform([np.arange(100_000)], 0, 2))[0, 1]) < 0.01
    slow = [_mixed([a, b], 7) for a, b in ((1, 3), (2, -4))]
    assert hashed([np.array([1, 2], np.uint8), np.array([3, -4])], 7).tolist() == slow
    assert slow[0] == 4502271569823577928  # another number would share events out anew


def _mixed(values: list[int], seed: int) -> int:
    """Compute the hash with Python's whole numbers, one event at a time."""

    def final(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        return z ^ (z >> 31)

    for value in values:
        seed = final((seed + 0x9E3779B97F4A7C15) % 2**64 ^ value % 2**64)
    return final((seed + 0x9E3779B97F4A7C15) % 2**64)


def test_split_shares_every_event_out_once(daq: Chunk) -> None:
    made = stages.split(daq, {"train": 0.7, "validation": 0.2, "test": 0.1})
    shares = np.stack([made.events.flat(n) for n in ("train", "validation", "test")])
    assert (shares.sum(axis=0) == 1).all()
    assert 140 < shares[0].sum() < 210
    by_run = stages.split(daq, {"train": 0.5, "test": 0.5}, by=("run_id",))
    assert len(set(by_run.events.flat("train").tolist())) == 1


def test_deduplicate(daq: Chunk, data: Path) -> None:
    twice = stages.concat([daq, daq])
    assert twice.n_events == 500
    once = stages.deduplicate(twice)
    assert once.n_events == 250
    assert np.array_equal(once.hits.flat("tdc"), daq.hits.flat("tdc"))
    assert once.counters["deduplicate/dropped"] == 250
    offline = k3.open(data / "offline/numucc.root").read()
    with pytest.raises(ConfigError, match="cannot know what makes two offline events the same"):
        stages.deduplicate(offline)
    assert stages.deduplicate(offline, by=["id"]).n_events == 10
    assert stages.deduplicate(offline, by=["run_id"]).n_events == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=5))
def test_the_first_of_each(chunks: list[list[int]]) -> None:
    keys = [np.array([[k, k % 2] for k in c], np.uint64).reshape(-1, 2) for c in chunks]
    seen: set[int] = set()
    expected = []
    for c in chunks:
        expected.append([not (k in seen or seen.add(k)) for k in c])  # type: ignore[func-returns-value]
    assert [k.tolist() for k in first_of_each(keys)] == expected


# -- order and tables -----------------------------------------------------------
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.one_of(st.integers(-3, 3), st.just(np.nan)), max_size=6), max_size=5), st.booleans()
)
def test_sort_is_stable_with_nan_last(rows: list[list[float]], descending: bool) -> None:
    t = np.array([x for r in rows for x in r], float)
    offsets = np.cumsum([0, *map(len, rows)])
    table = Table("hits", {"t": t, "row": np.arange(len(t))}, offsets)
    chunk = Chunk(k3.chunk.Origin("a", "daq", "X", 0, len(rows)), {"hits": table})
    made = stages.sort(chunk, descending=descending).hits
    expected = []
    for a, b in itertools.pairwise(offsets):
        sign = -1 if descending else 1
        expected += sorted(range(a, b), key=lambda i: (np.isnan(t[i]), 0 if np.isnan(t[i]) else sign * t[i]))
    assert made.flat("row").tolist() == expected


def test_concat_of_tables(daq: Chunk) -> None:
    stage = stages.Concat(("hits", "triggered_hits"), "hits", source="which")
    both = stage(daq).hits
    assert both.columns == ("dom_id", "channel_id", "tdc", "tot", "which")
    assert np.array_equal(both.counts, daq.hits.counts + daq.triggered_hits.counts)
    assert both.tdc[3].tolist() == [*daq.hits.tdc[3].tolist(), *daq.triggered_hits.tdc[3].tolist()]
    assert both.which[3].tolist() == [0] * int(daq.hits.counts[3]) + [1] * int(daq.triggered_hits.counts[3])


def test_concat_of_chunks(data: Path) -> None:
    path = data / "offline/numucc.root"
    whole = k3.open(path).read()
    made = stages.concat(k3.open(path).chunks(3))
    assert (made.source.start, made.source.stop) == (0, 10)
    assert np.array_equal(made.mc_hits.offsets, whole.mc_hits.offsets)
    assert made.tracks.to_awkward(["fitinf"]).tolist() == whole.tracks.to_awkward(["fitinf"]).tolist()
    other = k3.open(data / "online/km3net_online.root").read()
    with pytest.raises(FormatError, match="not made alike"):
        stages.concat([whole, other])
    with pytest.raises(ConfigError, match="no chunk"):
        stages.concat([])


# -- functions of the user --------------------------------------------------------
SOURCE = """
import km3gpu
def brighter(chunk, factor=2):
    tot = chunk.hits.flat("tot") * float(factor)
    return {"hits": chunk.hits.with_columns(brightness=tot)}, {"n": len(tot)}
brighter.reads = {"hits": ["tot"]}
def odd(chunk):
    return 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "users_stages", raising=False)
    (tmp_path / "users_stages.py").write_text(SOURCE)
    return tmp_path / "users_stages.py"


def test_a_function_is_a_stage(daq: Chunk, module: Path) -> None:
    stage = stages.Function("users_stages:brighter", (), ("hits/brightness",), (("factor", 3),))
    assert stage.reads("daq") == {"hits": ("tot",)}
    assert stage.writes("daq") == {"hits": ("brightness",)}
    made = stage(daq)
    assert np.array_equal(made.hits.flat("brightness"), daq.hits.flat("tot") * 3.0)
    assert made.counters["brighter/n"] == len(daq.hits)
    assert pickle.loads(pickle.dumps(stage)) == stage
    before = stage.fingerprint()
    module.write_text(SOURCE + "# another rule\n")
    assert stage.fingerprint() != before


@pytest.mark.parametrize(
    ("use", "parameters", "words"),
    [
        ("users_stages:absent", (), "cannot import the stage"),
        ("no_such_module:f", (), "No module named"),
        ("users_stages:brighter", (("facto", 3),), "cannot be called with these parameters"),
        ("users_stages:odd", (), "gave int"),
    ],
)
def test_functions_that_do_not_work(daq: Chunk, module: Path, use: str, parameters: Any, words: str) -> None:
    with pytest.raises(k3.errors.Km3GpuError, match=words):
        stages.Function(use, (), (), parameters)(daq)


# -- what is refused ----------------------------------------------------------------
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("select", {}, "select has no condition"),
    ("select", {"hits": "tot >"}, "hits = 'tot >': no valid expression"),
    ("select", {"hits": 3}, "3 is no text"),
    ("map", {"columns": {}}, "columns names none"),
    ("map", {"columns": {"a b": "1"}}, "is no name for a column"),
    ("map", {"columns": {"a": "1"}, "dtype": {"b": "int8"}}, "dtype of 'b'"),
    ("map", {"columns": {"a": "1"}, "dtype": {"a": "float"}}, "take one of"),
    ("sample", {"fraction": 1.5}, "give 0 to 1"),
    ("sample", {"fraction": 0.5, "seed": -1}, "seed = -1"),
    ("sample", {"fraction": 0.5, "by": "run_id"}, "give a list of columns"),
    ("split", {"shares": {"a": 0.5, "b": 0.4}}, "shares add up to 0.9"),
    ("split", {"shares": {"a": 1.5, "b": -0.5}}, "shares: a = 1.5"),
    ("sort", {"table": "events"}, "stay in the order of the plan"),
    ("concat", {"tables": ("hits",), "into": "x"}, "give two or more tables"),
]


@pytest.mark.parametrize(("name", "parameters", "words"), REFUSED)
def test_refused(name: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        stages.make(name, **parameters)


def test_names_that_are_not_there(daq: Chunk) -> None:
    with pytest.raises(UnknownNameError, match=r"no column 't' .* there is: tdc, tot"):
        stages.sort(daq)
    with pytest.raises(UnknownNameError, match="no column 'mc_id'"):
        stages.sample(daq, 0.5, by=("mc_id",))


def test_stages_are_plain_values(daq: Chunk) -> None:
    made = [
        stages.Select(events="overlays > 3"),
        stages.Map({"a": "1"}, "hits", {"a": "int8"}),
        stages.Sample(0.5),
        stages.Split({"a": 0.5, "b": 0.5}),
        stages.Deduplicate(),
        stages.Sort("tot"),
    ]
    for stage in made:
        assert hash(stage) == hash(pickle.loads(pickle.dumps(stage)))
        assert dataclasses.replace(stage) == stage
        after = stage(daq)
        new = {(n, c) for n, t in after.tables.items() for c in t.columns}
        old = {(n, c) for n, t in daq.tables.items() for c in t.columns}
        assert new - old == {(t, c) for t, cs in stage.writes("daq").items() for c in cs}
