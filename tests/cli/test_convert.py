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


@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".hdf5"])
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
