from __future__ import annotations

import json

import uproot

DAQ = "testdata:online/muon_cc_daqevents.root"
OFFLINE = "testdata:offline/km3net_offline.root"


def test_rows_are_those_of_the_file(km3gpu, data):
    found = json.loads(km3gpu("head", OFFLINE, "hits", "-n", "200", "-c", "dom_id,t,tot", "--json").out)
    assert found["columns"] == ["dom_id", "t", "tot"]
    with uproot.open(data / "offline" / "km3net_offline.root") as file:
        stored = file["E"].arrays(["hits.dom_id", "hits.t", "hits.tot"])
    slow = [
        {"event": e, "dom_id": d, "t": t, "tot": tot}
        for e, event in enumerate(stored)
        for d, t, tot in zip(*(event[f"hits.{c}"].to_list() for c in ("dom_id", "t", "tot")), strict=True)
    ]
    assert found["rows"] == slow[:200]
    assert found["rows"][-1]["event"] > 0


def test_units_and_lists_in_the_table(km3gpu):
    said = km3gpu("head", OFFLINE, "tracks", "-n", "2", "-c", "E,fitinf,comment")
    title, first, _ = said.out.splitlines()
    assert title.split() == ["event", "E", "[GeV]", "fitinf", "comment"]
    assert first.split()[:2] == ["0", "99.10458562"]
    assert "17 in all]" in first


def test_events_are_the_default_and_the_end_of_the_file_ends_it(km3gpu):
    found = json.loads(km3gpu("head", OFFLINE, "-n", "1000", "--json").out)
    assert [row["event"] for row in found["rows"]] == list(range(10))
    assert "run_id" in found["columns"]


def test_an_empty_tree_has_columns_and_no_rows(km3gpu):
    found = json.loads(km3gpu("head", DAQ, "hits", "--tree", "E", "--json").out)
    assert found["rows"] == []
    assert "dom_id" in found["columns"]


def test_unknown_names(km3gpu):
    assert "no table 'hit' " in km3gpu("head", DAQ, "hit").error()
    assert "no column 'tod' " in km3gpu("head", DAQ, "hits", "-c", "tod").error()
    assert "no tree 'F' " in km3gpu("head", DAQ, "hits", "--tree", "F").error()
    assert km3gpu("head", DAQ, "hits", "-n", "0").code == 2


def test_json_is_strict(km3gpu):
    """NaN is no JSON: other programs get null."""
    said = km3gpu("head", "testdata:hdf5/numu_cc_test.h5", "hits", "-n", "1", "--json").out

    def refuse(word: str) -> None:
        raise AssertionError(word)

    (row,) = json.loads(said, parse_constant=refuse)["rows"]
    assert row["dir_x"] is None
    assert row["t"] == 50000077


def test_blanks_and_empty_names_do_not_matter(km3gpu):
    found = json.loads(km3gpu("head", DAQ, "hits", "-n", "1", "-c", "tot, dom_id,", "--json").out)
    assert found["columns"] == ["tot", "dom_id"]
