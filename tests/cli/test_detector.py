"""``km3gpu detector``: what is said of detectors, and what of files that are none."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from km3gpu.detector import Detector

ORCA = "testdata:detx/detx_v5.detx"
OLD = "testdata:detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
ARCA = "testdata:datx/KM3NeT_00000133_20221025.datx"


def said_of(out: str) -> dict[str, str]:
    """Names and words of a list of facts."""
    lines = [line.split("  ", 1) for line in out.splitlines() if line[:1].strip()]
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


def test_info(km3gpu):
    said = km3gpu("detector", "info", ARCA)
    assert said.code == 0
    facts = said_of(said.out)
    assert facts["detector"] == "133"
    assert facts["valid"] == "from 2022-09-10 16:22:27 UTC to further notice"
    assert facts["UTM"] == "WGS84 33N 587600.0 E 4016800.0 N, z -3450.0 m"
    assert facts["strings"] == "21: 5, 9-16, 19-28, 30, 32"
    assert (facts["floors"], facts["PMTs"]) == ("1-18", "11,718")
    assert facts["modules"] == "399, 21 of them base modules"
    assert facts["centre"] == "66.77  313.30  376.55 m"
    assert facts["volume"].startswith("0.0962 km³")
    assert facts["floor distance"] == "36.75 m"
    assert "PMTs: 18 of 11,718 not 0 (DISABLE 18)" in said.out
    assert facts["made by"].startswith("JDetectorDB, ")


def test_info_as_json_is_that_of_the_general_info(km3gpu):
    found = json.loads(km3gpu("detector", "info", "--json", ARCA).out)
    assert found.pop("plot") is None
    assert json.loads(km3gpu("info", "--json", ARCA).out) == [found]
    detector = Detector.open(ARCA)
    assert found["centre"] == detector.centre.tolist()
    assert found["volume"] == detector.volume
    assert found["utm"]["northing"] == 4016800.0
    assert (found["pmts_with_status"], found["pmt_status"]) == (18, {"DISABLE": 18})
    assert len(found["comments"]) == len(detector.comments)


def test_info_of_an_old_file(km3gpu):
    facts = said_of(km3gpu("detector", "info", "testdata:detx/detx_v1.detx").out)
    assert "UTM" not in facts
    assert "valid" not in facts
    assert facts["volume"].startswith("9 m³")


def test_status_bits_without_a_name_are_numbered(km3gpu, tmp_path):
    orca = Detector.open(ORCA)
    status = orca.modules.status.copy()
    status[3:5] = 2 | 1 << 9
    changed = orca.replace(modules=dataclasses.replace(orca.modules, status=status))
    changed.write(tmp_path / "det.detx")
    found = json.loads(km3gpu("detector", "info", "--json", tmp_path / "det.detx").out)
    assert found["module_status"] == {"COMPASS_DISABLE": 2, "bit 9": 2}


def test_the_same_in_two_formats(km3gpu):
    both = ("testdata:detx/KM3NeT_00000133_20221025.detx", ARCA)
    said = km3gpu("detector", "diff", "--angle", 1e-5, *both)
    assert (said.code, said.err) == (0, "")
    assert said_of(said.out)["result"] == "the same"
    # the text rounds axes to six digits
    said = km3gpu("detector", "diff", *both)
    assert said.code == 3
    assert said_of(said.out)["lengths of axes"] == "11,718 of 11,718, by up to 4.096e-06"


def test_units_are_told(km3gpu):
    said = km3gpu("detector", "diff", "--help").out
    assert "(m)" in said
    assert "(rad)" in said
    assert "(ns)" in said


def test_a_difference_is_told_and_counted(km3gpu):
    said = km3gpu("detector", "diff", ORCA, OLD)
    assert (said.code, said.err) == (3, "")
    facts = said_of(said.out)
    assert facts["result"] == "they differ"
    assert facts["version"] == "5 in A, 3 in B"
    assert facts["in both"] == "108 modules, 3,348 PMTs"
    assert facts["in A only"].startswith("6 modules: 808469948, ")
    assert facts["time offsets of PMTs"] == "3,348 of 3,348, by up to 4.516 ns; median 1.161 ns"
    assert facts["status of PMTs"] == "5 of 3,348"


def test_a_difference_as_json(km3gpu, tmp_path):
    orca = Detector.open(ORCA)
    t0 = orca.pmts.t0.copy()
    t0[5] += 0.25
    orca.replace(pmts=dataclasses.replace(orca.pmts, t0=t0), det_id=50).write(tmp_path / "b.datx")
    said = km3gpu("detector", "diff", "--json", ORCA, tmp_path / "b.datx")
    found = json.loads(said.out)
    assert (said.code, found["same"]) == (3, False)
    assert found["header"] == {"det_id": [49, 50]}
    assert {k: n for k, n in found["differing"].items() if n} == {"pmt_t0": 1}
    assert found["summary"]["largest_t0_difference_ns"] == pytest.approx(0.25)


def test_what_may_differ(km3gpu, tmp_path):
    orca = Detector.open(ORCA)
    orca.replace(pmts=dataclasses.replace(orca.pmts, t0=orca.pmts.t0 + 0.25)).write(tmp_path / "b.detx")
    codes = [km3gpu("detector", "diff", "--time", t, ORCA, tmp_path / "b.detx").code for t in (0.2, 0.3)]
    assert codes == [3, 0]


def test_pictures(km3gpu, tmp_path):
    said = km3gpu("detector", "diff", ORCA, OLD, "--plot", tmp_path / "t0.png")
    assert said_of(said.out)["picture"] == str(tmp_path / "t0.png")
    assert km3gpu("detector", "info", ORCA, "--plot", tmp_path / "map.svg").code == 0
    assert (tmp_path / "t0.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "map.svg").read_text()
    assert "png, " in km3gpu("detector", "info", ORCA, "--plot", tmp_path / "map.doc").error()
    assert (
        "no directory for" in km3gpu("detector", "info", ORCA, "--plot", tmp_path / "no" / "map.png").error()
    )


def test_convert_there_and_back(km3gpu, tmp_path):
    datx, detx = tmp_path / "a.datx", tmp_path / "a.detx"
    assert km3gpu("detector", "convert", ORCA, datx).out.rstrip().endswith("read back, the same")
    assert json.loads(km3gpu("detector", "convert", datx, detx, "--json").out) == {
        "out": str(detx),
        "version": 5,
        "bytes": detx.stat().st_size,
        "lost": [],
    }
    assert Detector.open(ORCA).diff(Detector.open(detx)).same()


@pytest.mark.parametrize(
    ("version", "lost"),
    [
        (4, []),
        (3, ["modules without PMTs", "positions of modules", "time offsets of modules", "orientations"]),
        (1, ["validity", "reference point", "status of PMTs (5)", "comments (163)"]),
    ],
)
def test_convert_says_what_is_lost(km3gpu, tmp_path, version, lost):
    said = km3gpu("detector", "convert", ORCA, tmp_path / "o.detx", "--version", version, "--json")
    found = json.loads(said.out)
    assert (said.code, found["version"]) == (0, version)
    assert bool(lost) == bool(found["lost"])
    for words in lost:
        assert any(words in told for told in found["lost"])


def test_convert_says_that_status_of_modules_is_lost(km3gpu, tmp_path):
    orca = Detector.open(ORCA)
    changed = dataclasses.replace(orca.modules, status=np.full(orca.n_modules, 2))
    orca.replace(modules=changed).write(tmp_path / "a.detx")
    said = km3gpu("detector", "convert", tmp_path / "a.detx", tmp_path / "b.detx", "--version", 4)
    assert said.out.rstrip().endswith("it does not hold the status of modules (114)")


def test_convert_leaves_what_exists(km3gpu, tmp_path):
    (tmp_path / "a.detx").write_text("mine")
    assert "exists" in km3gpu("detector", "convert", ORCA, tmp_path / "a.detx").error()
    assert (tmp_path / "a.detx").read_text() == "mine"
    assert km3gpu("detector", "convert", ORCA, tmp_path / "a.detx", "--force").code == 0


def test_bad_input(km3gpu, tmp_path):
    root = "testdata:online/muon_cc_daqevents.root"
    (tmp_path / "notes.txt").write_text("dear diary\n")
    for words, expected in (
        (("info", tmp_path / "nothing.detx"), "no detector file"),
        (("diff", ORCA, tmp_path / "nothing.detx"), "nothing.detx"),
        (("diff", root, ORCA), "neither DETX text nor DATX"),
        (("info", tmp_path / "notes.txt"), "notes.txt, line 1"),
        (("info", tmp_path / "notes.txt" / "det.detx"), "cannot read"),
        (("info", tmp_path), "no detector file"),
        (("diff", ORCA, "testdata:detx/detx_v1.detx"), "no module in common"),
        (("convert", ORCA, tmp_path / "det.txt"), "name it *.detx or *.datx"),
        (("convert", ORCA, tmp_path / "det.detx", "--version", 6), "take 1 to 5"),
        (("convert", ORCA, tmp_path / "det.datx", "--version", 3), "version 5 is the only one"),
        (("convert", ORCA, tmp_path / "no" / "det.detx"), "cannot write"),
        (("convert", "testdata:detx/detx_v1.detx", tmp_path / "det.datx"), "no reference point"),
    ):
        said = km3gpu("detector", *words)
        assert said.code == 1
        assert expected in said.error()
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
