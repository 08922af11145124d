from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import km3gpu as k3

DAQ = "testdata:online/muon_cc_daqevents.root"
OFFLINE = "testdata:offline/km3net_offline.root"
SIZES = {"events": 250, "hits": 319_713, "triggered_hits": 141_244}


def same(left, right, tables):
    """Compare tables column by column: flat, lists, and offsets."""
    for table in tables:
        a, b = left.tables[table], right.tables[table]
        assert set(b.columns) - set(a.columns) <= {"entry"}  # a run adds the entry of the source file
        assert a.to_awkward().to_list() == b.to_awkward(a.columns).to_list()


@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".hdf5", ".fits"])
def test_everything_comes_back(km3gpu, tmp_path, suffix):
    out = tmp_path / f"offline{suffix}"
    assert km3gpu("convert", OFFLINE, out).code == 0
    before, after = k3.open(OFFLINE).read(), k3.open(out).read()
    same(before, after, before.tables)


def test_rows_are_told(km3gpu, tmp_path):
    out = tmp_path / "new folder" / "daq.parquet"
    said = km3gpu("convert", DAQ, out, "--json")
    assert json.loads(said.out) == {"out": str(out), "rows": SIZES, "bytes": out.stat().st_size}
    assert [p.name for p in out.parent.iterdir()] == ["daq.parquet"]  # nothing of the run is left
    assert "319,713 hits" in km3gpu("convert", DAQ, out, "--force").out


def test_only_some_tables(km3gpu, tmp_path):
    assert km3gpu("convert", "--tables", "hits", DAQ, tmp_path / "hits.h5").code == 0
    with h5py.File(tmp_path / "hits.h5") as file:
        assert {"events", "hits"} == {name for name in file if isinstance(file[name], h5py.Group)}


def test_concat_puts_one_behind_the_other(km3gpu, tmp_path):
    one, two = tmp_path / "one.parquet", tmp_path / "two.h5"
    assert km3gpu("convert", DAQ, one).code == km3gpu("convert", DAQ, two).code == 0
    said = km3gpu("concat", one, two, "-o", tmp_path / "both.parquet", "--json")
    assert json.loads(said.out)["rows"] == {name: 2 * n for name, n in SIZES.items()}
    both, single = k3.open(tmp_path / "both.parquet").read(), k3.open(DAQ).read()
    assert np.array_equal(both.hits.flat("tdc"), np.tile(single.hits.flat("tdc"), 2))
    assert np.array_equal(both.hits.counts, np.tile(single.hits.counts, 2))


def test_the_record_says_where_rows_came_from(km3gpu, tmp_path):
    km3gpu("convert", DAQ, tmp_path / "daq.parquet")
    assert "muon_cc_daqevents.root" in km3gpu("prov", "show", tmp_path / "daq.parquet").out


def test_an_existing_file_stays(km3gpu, tmp_path):
    (tmp_path / "out.parquet").write_text("mine")
    said = km3gpu("convert", DAQ, tmp_path / "out.parquet")
    assert said.error() == f"'{tmp_path}/out.parquet' exists; choose another name, or --force"
    assert (tmp_path / "out.parquet").read_text() == "mine"


def test_bad_input(km3gpu, tmp_path):
    out = tmp_path / "out.parquet"
    assert "give it one of .parquet, .h5, .hdf5" in km3gpu("convert", DAQ, tmp_path / "out.csv").error()
    assert "needs an input and an output" in km3gpu("convert", out).error()
    assert "nothing.root" in km3gpu("convert", tmp_path / "nothing.root", out).error()
    assert "no table 'hit' " in km3gpu("convert", "-t", "hit", DAQ, out).error()
    assert "no tree 'KM3NET_EVENT'" in km3gpu("concat", DAQ, OFFLINE, "-o", out).error()
    assert list(tmp_path.iterdir()) == []


def test_km3pipes_layout(km3gpu, tmp_path):
    assert km3gpu("convert", OFFLINE, tmp_path / "x.h5", "--format", "km3pipe").code == 0
    with h5py.File(tmp_path / "x.h5") as file:
        assert {"event_info", "group_info", "hits", "reco", "raw_header"} <= set(file)
        assert file.attrs["format_version"] == b"5.1"
    before, after = k3.open(OFFLINE).read(), k3.open(tmp_path / "x.h5").read()
    assert np.array_equal(before.hits.flat("t"), after.hits.flat("t"))
    assert np.array_equal(before.events.flat("time_ns"), after.events.flat("time_ns"))
    said = km3gpu("convert", OFFLINE, tmp_path / "x.parquet", "-f", "km3pipe")
    assert said.error() == "no format 'km3pipe' for 'x.parquet'; there is parquet"


def test_only_some_columns(km3gpu, tmp_path):
    out = tmp_path / "x.parquet"
    assert km3gpu("convert", OFFLINE, out, "-c", "hits/t, hits/dom_id, mc_tracks/pos_*").code == 0
    tables = k3.open(out).tables
    assert set(tables) == {"events", "hits", "mc_tracks"}
    assert set(tables["hits"]) == {"t", "dom_id"}
    assert set(tables["mc_tracks"]) == {"pos_x", "pos_y", "pos_z"}
    said = km3gpu("convert", OFFLINE, tmp_path / "y.parquet", "-c", "hits/nothing")
    assert said.error().startswith("no column 'hits/nothing'")


def test_inputs_that_differ(km3gpu, tmp_path):
    other = "testdata:offline/usr-sample.root"
    out = tmp_path / "x.parquet"
    said = km3gpu("concat", OFFLINE, other, "-o", out).error()
    assert said.startswith("inputs differ in columns: ")
    assert said.endswith("name with --columns those that all inputs have, or convert them apart")
    assert km3gpu("concat", OFFLINE, other, "-o", out, "-c", "events/run_id,hits/t").code == 0
    assert k3.open(out).n_events == 13


def test_an_input_named_twice(km3gpu, tmp_path):
    said = km3gpu("concat", DAQ, DAQ, "-o", tmp_path / "x.parquet").error()
    assert said.endswith("is named twice; name each input once")


def test_a_folder_that_cannot_be_made(km3gpu, tmp_path):
    (tmp_path / "file").write_text("in the way")
    said = km3gpu("convert", DAQ, tmp_path / "file" / "x.parquet").error()
    assert said == f"cannot write in '{tmp_path}/file': File exists; choose another folder"
    (tmp_path / "folder.h5").mkdir()
    assert "choose another name" in km3gpu("convert", DAQ, tmp_path / "folder.h5", "--force").error()


@pytest.mark.parametrize("suffix", [".parquet", ".h5", "km3pipe.h5"])
def test_the_chain_of_steps_is_carried_on(km3gpu, tmp_path, suffix):
    """What made the ROOT file, then each run of ours, with its inputs by digest."""
    chosen = ["-f", "km3pipe"] if "km3pipe" in suffix else []
    one, two = tmp_path / f"one{suffix}", tmp_path / "two.parquet"
    source = "testdata:offline/numucc.root"
    assert km3gpu("convert", source, one, *chosen).code == 0
    first = k3.open(one)
    assert [m["application"] for m in first.meta] == ["JConvertEvt", "km3gpu"]
    (given,) = json.loads(first.meta[-1]["inputs"])
    assert given["digest"] == k3.open(source).digest
    assert given["uuid"] == k3.open(source).uuid
    assert km3gpu("convert", one, two).code == 0
    second = k3.open(two)
    assert [m["application"] for m in second.meta] == ["JConvertEvt", "km3gpu", "km3gpu"]
    assert json.loads(second.meta[-1]["inputs"])[0]["digest"] == first.digest
    record = k3.pipeline.provenance.read(two)
    assert record["inputs"][0]["meta"] == first.meta
    assert "JConvertEvt 12.1.0" in km3gpu("info", two).out


@pytest.mark.parametrize("kind", ["hdf5", "km3pipe"])
def test_rows_of_half_a_megabyte(km3gpu, tmp_path, kind):
    acoustics = "testdata:acoustics/DOM_808956920_CH1_1608751683.bin"
    assert km3gpu("convert", acoustics, tmp_path / "x.h5", "-f", kind).code == 0
    before, after = k3.open(acoustics).read(), k3.open(tmp_path / "x.h5").read()
    assert np.array_equal(before.events.flat("samples"), after.events.flat("samples"))


def test_a_file_without_tables(km3gpu, tmp_path):
    said = km3gpu("convert", "testdata:hdf5/raw_header.h5", tmp_path / "x.parquet").error()
    assert said.startswith("no tables of events (in ")
