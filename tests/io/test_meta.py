"""Provenance that Jpp wrote."""

from __future__ import annotations

import pytest
import uproot

import km3gpu
from km3gpu.io.meta import iso_time, read_meta
from km3gpu.io.rootfile import RootFile
from tests.io.trees import ROOT_FILES

NUE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"


def test_the_application_that_made_a_file(data):
    (entry,) = km3gpu.open(data / "offline/numucc.root").meta
    assert entry["application"] == "JConvertEvt"
    assert entry["git"] == "12.1.0"
    assert entry["time"] == "2019-12-10T13:59:52"
    assert entry["command"].split()[0].endswith("JConvertEvt")
    assert entry["system"].startswith("Linux")


def test_the_chain_of_a_simulated_file_is_in_the_order_of_running(data):
    meta = km3gpu.open(data / NUE).meta
    assert [m["application"] for m in meta] == [
        "JSirene",
        "JTriggerEfficiency",
        "JMuonPrefit",
        "JMuonSimplex",
        "JMuonGandalf",
        "JMuonStart",
        "JMuonEnergy",
        "JConvertEvt",
    ]
    assert {m["git"] for m in meta} == {"14.1.0"}


@pytest.mark.parametrize("name", ROOT_FILES)
def test_every_application_is_found_with_all_it_wrote(data, name):
    with uproot.open(data / name) as f:
        titles = {
            f[k].member("fName"): f[k].member("fTitle")
            for k in f.keys(recursive=True)
            if k.startswith("META/") and not k.startswith("META/JMeta;")
        }
    meta = read_meta(RootFile(str(data / name)))
    assert {m["application"] for m in meta} == set(titles)
    for entry in meta:
        written = titles[entry["application"]]
        for key in ("git", "root", "namespace", "command", "system"):
            assert entry[key] in written
        n_values = sum(1 for v in entry.values() if v) - 1  # without the time
        assert n_values == len([line for line in written.splitlines() if line.partition("=")[2].strip()])


def test_packed_dates():
    packed = (2019 - 1995) << 26 | 12 << 22 | 10 << 17 | 13 << 12 | 59 << 6 | 52
    assert iso_time(packed) == "2019-12-10T13:59:52"
