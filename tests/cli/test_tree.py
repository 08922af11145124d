from __future__ import annotations

import json

DAQ = "testdata:online/muon_cc_daqevents.root"


def test_columns_come_with_dtype_unit_and_meaning(km3gpu):
    said = km3gpu("tree", DAQ)
    assert said.code == 0
    (line,) = [line for line in said.out.splitlines() if "  White Rabbit" in line or "White Rabbit." in line]
    assert "white_rabbit" in line
    assert "KM3NET_EVENT  250 entries" in said.out
    assert "KM3NET_TIMESLICE_L0" in said.out


def test_trees_without_entries_are_named_only(km3gpu):
    assert "mc_tracks" not in km3gpu("tree", DAQ).out
    assert "mc_tracks" in km3gpu("tree", "--all", DAQ).out


def test_json(km3gpu):
    found = json.loads(km3gpu("tree", "--json", DAQ).out)
    assert found["KM3NET_EVENT"]["entries"] == 250
    hits = {c["name"]: c for c in found["KM3NET_EVENT"]["tables"]["hits"]}
    assert hits["tdc"]["unit"] == "ns"
    assert list(hits) == ["dom_id", "channel_id", "tdc", "tot"]


def test_nothing_is_cut_in_a_pipe(km3gpu):
    out = km3gpu("tree", "testdata:offline/km3net_offline.root").out
    assert "…" not in out
    assert "Reconstruction that made the track (4000 Jpp, 101 aanet, 200 dusj)." in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_glob_of_several_files(km3gpu, data):
    said = km3gpu("tree", str(data / "offline" / "*.root"))
    assert said.code == 1
    assert said.error().endswith("files; give one file")


def test_a_missing_file(km3gpu, tmp_path):
    assert "nothing.root" in km3gpu("tree", tmp_path / "nothing.root").error()
