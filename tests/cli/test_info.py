from __future__ import annotations

import json
import os
import shutil

import pytest

OFFLINE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
DAQ = "online/muon_cc_daqevents.root"
# HDF5 files of other tools that are among those shipped, and one whose filter h5py does not have
FOREIGN = ("HDF5 file that neither km3gpu nor km3pipe wrote", "compressed with a filter that h5py lacks")


def test_a_daq_file(km3gpu):
    said = km3gpu("info", "testdata:" + DAQ)
    assert said.code == 0
    lines = [line.split(None, 1) for line in said.out.splitlines()]
    facts = {line[0]: line[1] for line in lines if len(line) == 2}
    assert facts["is"].startswith("events of the data acquisition")
    assert (facts["detector"], facts["run"]) == ("133", "13339")
    assert facts["entries"] == "250 in tree KM3NET_EVENT"
    assert facts["time"].startswith("2022-09-28T")
    assert "JConvert 18.4.0" in said.out


def test_json_with_rows(km3gpu):
    (found,) = json.loads(km3gpu("info", "--json", "--rows", "testdata:" + DAQ).out)
    assert found["rows"] == {"events": 250, "hits": 319_713, "triggered_hits": 141_244}
    assert found["kind"] == "daq"
    assert found["detector"] == 133
    assert found["events"] == 250
    assert found["applications"][0]["application"] == "JConvert"


def test_simulated_events_have_no_date(km3gpu):
    (found,) = json.loads(km3gpu("info", "--json", "testdata:" + OFFLINE).out)
    assert (found["first"], found["last"], found["without_date"]) == (None, None, 31)
    assert found["header"]["start_run"].split() == ["1"]
    assert "no event has a date" in km3gpu("info", "testdata:" + OFFLINE).out


def test_several_files_and_globs(km3gpu, data):
    said = km3gpu("info", "--json", data / DAQ, str(data / "offline" / "mcv6.gsg_nue*.root"))
    assert [f["events"] for f in json.loads(said.out)] == [250, 31]


def test_every_shipped_file_of_data_or_detectors(km3gpu, data):
    """`info` and `tree` find something to say of every ROOT, HDF5 and detector file."""
    suffixes = (".root", ".h5", ".hdf5", ".detx", ".datx")
    files = sorted(p for p in data.rglob("*") if p.suffix in suffixes)
    assert len(files) > 60
    wrong = []
    for file in files:
        for command in ("info",) if file.suffix in (".detx", ".datx") else ("info", "tree"):
            said = km3gpu(command, file)
            if any(words in said.err for words in FOREIGN):
                assert file.suffix in (".h5", ".hdf5")
            elif said.code or said.err or not said.out:
                wrong.append(said.err)
    assert wrong == []


def test_a_detector_file(km3gpu):
    (found,) = json.loads(km3gpu("info", "--json", "testdata:datx/KM3NeT_00000133_20221025.datx").out)
    assert (found["kind"], found["detector"], found["version"]) == ("detector", 133, 5)
    assert (found["strings"], found["modules"], found["base_modules"], found["pmts"]) == (21, 399, 21, 11_718)
    assert "11,718" in km3gpu("info", "testdata:datx/KM3NeT_00000133_20221025.datx").out


def test_a_missing_file(km3gpu, tmp_path):
    said = km3gpu("info", tmp_path / "nothing.root")
    assert said.code == 1
    assert "nothing.root" in said.error()


@pytest.mark.parametrize("name", ["notes.txt", "empty.root"])
def test_a_file_of_another_kind(km3gpu, tmp_path, name):
    (tmp_path / name).write_text("dear diary\n" if name == "notes.txt" else "")
    said = km3gpu("info", tmp_path / name)
    assert said.code == 1
    assert name in said.error()


def test_a_broken_detector_file_gets_the_words_of_its_reader(km3gpu, tmp_path):
    (tmp_path / "det.detx").write_text("133 v5\n1 2\n")
    assert "det.detx" in km3gpu("info", tmp_path / "det.detx").error()


def test_a_truncated_file(km3gpu, data, tmp_path):
    shutil.copy(data / DAQ, tmp_path / "cut.root")
    with open(tmp_path / "cut.root", "r+b") as f:
        f.truncate(3_000_000)
    said = km3gpu("info", tmp_path / "cut.root")
    assert said.code == 1
    assert "cut.root" in said.error()


def test_one_of_several_files_that_does_not_read(km3gpu, tmp_path):
    (tmp_path / "x.root").write_text("no")
    said = km3gpu("info", "testdata:offline/numucc.root", tmp_path / "x.root", "testdata:detx/detx_v5.detx")
    assert "numucc.root" in said.out
    assert "detector description" in said.out
    assert said.error().startswith(f"1 of 3 files do not read, the first: '{tmp_path}/x.root' is not a ROOT")


def test_names_are_shown_as_they_are(km3gpu, data, tmp_path):
    odd = tmp_path / "a [b] name.root"
    odd.write_bytes((data / "offline/usr-sample.root").read_bytes())
    assert km3gpu("info", odd).out.splitlines()[0] == str(odd)


def test_what_is_no_plain_file(km3gpu, tmp_path):
    os.mkfifo(tmp_path / "pipe.root")
    assert "a pipe or device" in km3gpu("info", tmp_path / "pipe.root").error()
    (tmp_path / "link.root").symlink_to("gone.root")
    assert "is a link to 'gone.root', which is not there" in km3gpu("info", tmp_path / "link.root").error()
