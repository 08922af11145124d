"""Plans with the stages for everyday work: the same content for any chunks, tagged outputs, bad plans."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import km3gpu as k3
from km3gpu.errors import ConfigError, FormatError, Km3GpuError
from km3gpu.io.hdf5 import HDF5Sink
from km3gpu.io.histogram_sink import read_histograms
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import make_plan, read_recipe, run
from km3gpu.table import Table

PLAN = """
[source]
files = ["testdata:online/muon_cc_daqevents.root"]
columns = ["events/*", "triggered_hits/tot"]

[[stage]]
use = "select"
events = "overlays > 2 | any(hits.tot > 200)"
hits = "tot > 20 & dom_id > 0"
[[stage]]
use = "map"
table = "hits"
columns = { dt = "tdc - min(tdc)", bright = "tot > 40" }
[[stage]]
use = "sort"
by = "dt"
[[stage]]
use = "sample"
fraction = 0.7
seed = 3
[[stage]]
use = "everyday_mine:brightest"
above = 100
[[stage]]
use = "split"
shares = { train = 0.8, test = 0.2 }
[[stage]]
use = "concat"
tables = ["hits", "triggered_hits"]
into = "every"

[[sink]]
format = "parquet"
name = "train"
where = "train"
[[sink]]
format = "hdf5"
name = "test"
where = "test"
[[sink]]
format = "histogram"
where = "train & n_bright > 3"
[[sink.histogram]]
name = "tot"
table = "hits"
x = "tot"
y = "log10(dt + 1)"
bins = 32
range = [0, 256]
y_edges = [0, 1, 2, 3, 4]
weight = "tot / events.overlays"
"""

MINE = """
import numpy as np
def brightest(chunk, above):
    cuts = chunk.hits.offsets
    n = np.add.reduceat(np.append(chunk.hits.flat("tot") > above, 0), cuts[:-1])
    n = np.where(cuts[1:] > cuts[:-1], n, 0)
    return {"events": chunk.events.with_columns(n_bright=n)}, {"n": float(n.sum())}
brightest.reads, brightest.writes = ["hits/tot"], ["events/n_bright"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delitem(sys.modules, "everyday_mine", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "everyday_mine.py").write_text(MINE)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def same(a: dict[str, Table], b: dict[str, Table]) -> bool:
    assert a.keys() == b.keys()
    for name, table in a.items():
        assert set(table.columns) == set(b[name].columns)
        assert np.array_equal(np.asarray(table.offsets), np.asarray(b[name].offsets))
        for column in table.columns:
            assert np.array_equal(table.flat(column), b[name].flat(column)), (name, column)
    return True


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunk=st.integers(5, 300))
def test_the_content_is_the_same_for_any_size_of_chunk(folder: Path, chunk: int) -> None:
    whole, out = folder / "whole", folder / f"out{chunk}"
    if not whole.exists():
        run(folder / "plan.toml", out=whole, chunk=250)
    result = run(folder / "plan.toml", out=out, chunk=chunk, existing="update")
    assert [p.name for p in result.outputs] == ["train.parquet", "test.h5", "histograms.hist.json"]
    assert same(ParquetSink().read(out / "train.parquet"), ParquetSink().read(whole / "train.parquet"))
    assert same(HDF5Sink().read(out / "test.h5"), HDF5Sink().read(whole / "test.h5"))
    one, other = (read_histograms(d / "histograms.hist.json")["tot"] for d in (whole, out))
    assert one == other
    assert one.values().sum() > 0


def test_tagged_outputs_share_the_events(folder: Path) -> None:
    result = run(folder / "plan.toml", out=folder / "out", chunk=60)
    train = ParquetSink().read(result.outputs[0])["events"]
    test = HDF5Sink().read(result.outputs[1])["events"]
    assert len(train) + len(test) == result.total.n_out
    assert train.flat("train").all()
    assert test.flat("test").all()
    assert not set(train.flat("entry").tolist()) & set(test.flat("entry").tolist())
    assert "brightest" in result.total.seconds
    assert result.total.counters["brightest/n"] > 0
    # the same bytes from processes, and from halves of chunks
    again = run(folder / "plan.toml", out=folder / "again", chunk=60, workers=2)
    assert [p.read_bytes() for p in again.outputs] == [p.read_bytes() for p in result.outputs]


def test_a_chunk_that_was_split_gives_the_same_bytes(
    odd: Callable[..., Path], order: Callable[[str], None], tmp_path: Path
) -> None:
    plan = odd(bare=True)
    text = plan.read_text().replace('format = "parquet"', 'format = "parquet"\nwhere = "overlays > 2"')
    text += '[[sink]]\nformat = "histogram"\n[[sink.histogram]]\nname = "w"\nx = "overlays"\n'
    plan.write_text(text + 'bins = 9\nrange = [0, 9]\nweight = "overlays / 7"\n')
    whole = run(plan, out=tmp_path / "whole", chunk=125)
    order("big-60-always")
    halves = run(plan, out=tmp_path / "halves", chunk=125)
    assert [p.read_bytes() for p in halves.outputs] == [p.read_bytes() for p in whole.outputs]
    assert "split" in (tmp_path / "halves" / "journal.jsonl").read_text()


def test_deduplicate_over_files(folder: Path, data: Path) -> None:
    original = (data / "online/muon_cc_daqevents.root").read_bytes()
    for name in ("a.root", "b.root"):  # other bytes, the same events
        (folder / name).write_bytes(original + name.encode())
    sinks = "".join(f'[[sink]]\nformat = "{f}"\n' for f in ("parquet", "hdf5"))
    head = "[source]\nfiles = ['{}']\nchunk = 70\ncolumns = ['events/*', 'hits/tot']\n"
    text = head.format("*.root") + "[[stage]]\nuse = 'deduplicate'\n" + sinks
    (folder / "plan.toml").write_text(text)
    twice = run(folder / "plan.toml", out=folder / "twice")
    once = run(folder / "plan.toml", [str(folder / "a.root")], out=folder / "once")
    assert twice.total.n_out == 500
    for sink, a, b in zip((ParquetSink(), HDF5Sink()), twice.outputs, once.outputs, strict=True):
        assert same(sink.read(a), sink.read(b))
    assert not list((folder / "twice").glob(".*"))


BAD = {
    "[[stage]]\nuse='select'\nhits='toot > 3'": "needs hits.toot, which",
    "[[stage]]\nuse='select'\nhits='toot > 3' ": "(in PLAN, line 5); there is: tot",
    "[[stage]]\nuse='select'\nhit='tot > 3'": "unknown key 'hit' (in PLAN, line 5); did you mean 'hits'?",
    "[[stage]]\nuse='select'\nhits='tot >'": "hits = 'tot >': no valid expression",
    "[[stage]]\nuse='selct'": "unknown stage 'selct' (in PLAN, line 4); there is: select",
    "[[stage]]\nuse='sort'": "stage 'sort' needs hits.t, which",
    "[[stage]]\nuse='sort'\ntable='events'": "stay in the order of the plan (in PLAN, line 5)",
    "[[stage]]\nuse='map'\ncolumns={a='tot'}": "stage 'map' needs events.tot",
    "[[stage]]\nuse='map'\ntable='hits'\ncolumns={a='foo(tot)'}": "columns.a = 'foo(tot)': no function 'foo'",
    "[[stage]]\nuse='map'\ntable='hits'\ncolumns={a='foo(tot)'} ": "(in PLAN, line 6)",
    "[[stage]]\nuse='sample'\nfraction='half'": "stage 'sample' needs events.half, which",
    "[[stage]]\nuse='sample'\nfraction=true": "fraction = True is of the wrong type (in PLAN, line 5)",
    "[[stage]]\nuse='sample'\nfraction=2": "fraction = 2 (in PLAN, line 5); give 0 to 1",
    "[[stage]]\nuse='split'\nshares={a=0.5}": "shares add up to 0.5 (in PLAN, line 5)",
    "[[stage]]\nuse='deduplicate'\nby=['mc_idd']": "needs events.mc_idd",
    "[[stage]]\nuse='nowhere:f'": "cannot import the stage 'nowhere:f'",
    "[[stage]]\nuse='math:sqrt'\nx=3": "cannot be called with these parameters",
    "[[stage]]\nuse='json:loads'\nreads=['hits']": "reads: 'hits' is no column (in PLAN, line 5)",
    "[[sink]]\nformat='hdf5'\nwhere='trane'": "sink 'events.h5' needs events.trane",
    "[[sink]]\nformat='hdf5'\nwhere='a >'": "where = 'a >': no valid expression",
    "[[sink]]\nformat='hdf5'\ntables=['hist']": "writes table 'hist', which is not there (in PLAN, line 5)",
    "[[sink]]\nformat='histogram'": "a sink without histograms",
    "[[sink]]\nformat='histogram'\n[[sink.histogram]]\nx='overlays'": "without 'name' (in PLAN, line 5)",
    "[[sink]]\nformat='histogram'\n[[sink.histogram]]\nname='a'\nx='overlays'\nbin=3": "did you mean 'bins'?",
    "[[sink]]\nformat='histogram'\n[[sink.histogram]]\nname='a'\nx='ovrlays'\nbins=3\nrange=[0, 1]": (
        "needs events.ovrlays"
    ),
    "[[sink]]\nformat='histogram'\n[[sink.histogram]]\nname='a'\nx='overlays'\nbins=3\nrange=['a']": (
        "range = ['a'] is of the wrong type (in PLAN, line 9); give a list of numbers"
    ),
    # columns that are there, and do not do
    "[[stage]]\nuse='select'\nevents='overlays'": (
        "events = 'overlays': 'overlays' is no condition but uint32 (in PLAN, line 5); compare it"
    ),
    "[[stage]]\nuse='map'\ncolumns={n='count(hits)'}\n[[stage]]\nuse='select'\nevents='hits.tot > n'": (
        "where one for each of events is needed (in PLAN, line 8); make one per event of it"
    ),
    "[[stage]]\nuse='select'\nhits=\"tot == 'x'\"": "'x' is a text, compared with numbers (in PLAN, line 5)",
    "[[stage]]\nuse='select'\nhits=3": "hits = 3 is of the wrong type (in PLAN, line 5); give a text",
    "[[stage]]\nuse='calibrate'\ndetector=3": "detector = 3 is of the wrong type (in PLAN, line 5)",
    "[[stage]]\nuse='sort'\nby='tot'\ndescending='yes'": "'yes' is of the wrong type (in PLAN, line 6)",
    "[[stage]]\nuse='split'\nshares={run_id=0.5, b=0.5}": "a column 'run_id' already (in PLAN, line 5)",
    "[[stage]]\nuse='split'\nshares='train'": "shares = 'train' (in PLAN, line 5); give names and fractions",
    "[[stage]]\nuse='concat'\ntables=['hits', 'triggered_hits']\ninto='all'": (
        "no 'hits' was read (in PLAN, line 5); name columns = [...] of the stage, or [source]"
    ),
    "[[stage]]\nuse='concat'\ntables=['hits', 'mc_hits']\ninto='events'": "into = 'events' (in PLAN, line 6)",
    "[[stage]]\nuse='select'\nevents='overlays > 2 && run_id > 0'": "'&' or 'and' for '&&' (in PLAN, line 5)",
    "[[stage]]\nuse='select'\nevents='count(hit) > 2'": "there is: count(hits)",
    "[[sink]]\nformat='hdf5'\nwhere='overlays'": "'overlays' is no condition but uint32 (in PLAN, line 5)",
    "[[sink]]\nformat='histogram'\n[[sink.histogram]]\nname='a'\nx='overlays'\nbins=3\nrange=[0, 1]\n"
    "weight='hits.tot'": "where one for each of events is needed (in PLAN, line 10)",
    "[[stage]]\nuse='deduplicate'\n[[sink]]\nformat='histogram'\n[[sink.histogram]]\nname='a'\nx='overlays'\n"
    "bins=3\nrange=[0, 1]": "cannot leave out duplicates",
}


@pytest.mark.parametrize("text", BAD, ids=lambda t: t.replace("\n", " ")[:60])
def test_bad_plans_are_refused_before_anything_runs(tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.toml"
    head = "[source]\nfiles=['testdata:online/muon_cc_daqevents.root']\n"
    plan.write_text(head + text + "\n[[sink]]\nformat='parquet'\n")
    with pytest.raises(Km3GpuError) as error:
        run(plan, out=tmp_path / "out")
    assert BAD[text] in str(error.value).replace(str(plan), "PLAN")
    assert not (tmp_path / "out").exists()


def test_values_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles=['testdata:online/muon_cc_daqevents.root']\n[[stage]]\nuse='map'\ntable='hits'\n"
        "columns={a='tot * 10'}\ndtype={a='uint8'}\n[[sink]]\nformat='parquet'\n"
    )
    with pytest.raises(FormatError, match=r"columns.a = 'tot \* 10': values from .* do not fit into uint8"):
        run(tmp_path / "plan.toml", out=tmp_path / "out")


def test_rows_of_a_table_of_which_no_column_is_needed(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles=['testdata:online/muon_cc_daqevents.root']\ncolumns=[]\n"
        "[[stage]]\nuse='map'\ntable='hits'\ncolumns={run='events.run_id'}\n[[sink]]\nformat='parquet'\n"
    )
    result = run(tmp_path / "plan.toml", out=tmp_path / "out")
    hits = ParquetSink().read(result.outputs[0])["hits"]
    assert set(hits.flat("run").tolist()) == {13339}
    assert len(hits) == sum(r.rows["hits"] for r in result.receipts) > 100_000


def test_an_error_in_a_function_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "unlucky.py").write_text("def cut(chunk):\n    return chunk.hits.flat('nothing')[3]\n")
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles=['testdata:online/muon_cc_daqevents.root']\n[[stage]]\nuse='unlucky:cut'\n"
        "reads=['hits/tot']\n[[sink]]\nformat='parquet'\n"
    )
    with pytest.raises(Km3GpuError, match=r"no column 'nothing'.* \(in unlucky:cut, unlucky.py, line 2\)"):
        run(tmp_path / "plan.toml", out=tmp_path / "out")


def test_offline_events_must_say_what_makes_them_the_same(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles=['testdata:offline/numucc.root']\n[[stage]]\nuse='deduplicate'\n[[sink]]\nformat='hdf5'"
    )
    with pytest.raises(ConfigError, match=r"offline events the same \(in .*plan.toml, line 4\)"):
        make_plan(read_recipe(tmp_path / "plan.toml"))


@pytest.mark.parametrize("name", ["offline.toml", "online.toml"])
def test_stages_say_all_that_they_make(name: str) -> None:
    """A column that a stage makes and does not name could not be asked for by a later one."""
    recipe = read_recipe(Path(__file__).parents[2] / "examples" / name)
    chunk = k3.open(recipe.source.files[0]).read()
    for stage in recipe.stages:
        made = stage(chunk)
        new = {(t, c) for t, x in made.tables.items() for c in x.columns}
        new -= {(t, c) for t, x in chunk.tables.items() for c in x.columns}
        assert new <= {(t, c) for t, cs in stage.writes(chunk.source.kind).items() for c in cs}
        chunk = made


THREADS = """
from km3gpu.kernels.launch import n_threads
def count(chunk):
    return {}, {"max_threads": n_threads()}
"""


@pytest.mark.parametrize(
    ("how", "threads"),
    [
        ({"workers": 2, "threads": 2}, 2),
        ({"workers": 2}, 1),
        ({"runner": "threads", "workers": 2, "threads": 2}, 2),
        ({"threads": 1}, 1),
    ],
)
def test_processes_times_threads_is_a_setting(tmp_path: Path, how: dict[str, object], threads: int) -> None:
    (tmp_path / "count_threads.py").write_text(THREADS)
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles=['testdata:online/muon_cc_daqevents.root']\nchunk = 70\n"
        "[[stage]]\nuse='count_threads:count'\n"
        "[[sink]]\nformat='parquet'\n"
    )
    result = run(tmp_path / "plan.toml", out=tmp_path / "out", **how)  # type: ignore[arg-type]
    assert result.total.counters["count/max_threads"] == min(threads, os.cpu_count() or 1)
