"""``km3gpu run``: the main job on both inputs, and every bad input that one can type."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

import km3gpu
from km3gpu.cli.main import call

OFFLINE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
DAQ = "online/muon_cc_daqevents.root"
PLANS = Path(km3gpu.__file__).parent / "plans"

DAQ_PLAN = """
[source]
files = ["testdata:online/muon_cc_daqevents.root"]
columns = ["events/*"]

[[stage]]
use = "calibrate"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"

[[sink]]
format = "parquet"
"""


def run_json(*arguments):
    """Run in a process of its own, as a user does, and give the JSON it prints."""
    command = [sys.executable, "-m", "km3gpu", "run", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    # a pipe gets no progress bar
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    out = tmp_path_factory.mktemp("offline") / "out"
    return run_json(PLANS / "offline.toml", "-o", out, "--check-calibration")


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    out = tmp_path_factory.mktemp("online") / "out"
    return run_json(PLANS / "online.toml", "-o", out)


@pytest.fixture
def plan(tmp_path):
    """Write a plan file: the one above, changed by pairs of old and new text."""

    def write(*changes):
        text = DAQ_PLAN
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "plan.toml"
        path.write_text(text)
        return path

    return write


def digests(folder):
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


# -- the main job ---------------------------------------------------------------------------------


def test_offline_agrees_with_jpp(offline):
    assert offline["rows"]["hits"] == 181_484
    assert offline["check"] == {"hits": 181_484, "t": pytest.approx(0, abs=1e-6), "pos": 0.0, "dir": 0.0}


def test_offline_output_is_the_calibration_of_the_file(offline, data):
    """The same, without any code of ours in between: Parquet read by pyarrow, ROOT by uproot."""
    table = pq.read_table(next(p for p in offline["outputs"] if p.endswith(".parquet")))
    hits = table["hits"].combine_chunks().values
    with uproot.open(data / OFFLINE) as file:
        stored = file["E"].arrays(["hits.t", "hits.pos.x", "hits.dir.z", "hits.dom_id"])
    ours = {name: hits.field(name).to_numpy() for name in ("t", "pos_x", "dir_z", "dom_id")}
    theirs = {n: ak.to_numpy(ak.flatten(stored[f"hits.{n.replace('_x', '.x').replace('_z', '.z')}"]))
              for n in ours}  # fmt: skip
    assert np.array_equal(ours["dom_id"], theirs["dom_id"])
    assert np.abs(ours["t"] - theirs["t"]).max() <= 1e-6
    assert np.array_equal(ours["pos_x"], theirs["pos_x"])
    assert np.array_equal(ours["dir_z"], theirs["dir_z"])


def test_offline_events_are_on_the_sky(offline):
    table = pq.read_table(next(p for p in offline["outputs"] if p.endswith(".parquet")))
    ra, dec = (table[name].to_numpy() for name in ("ra", "dec"))
    assert len(ra) == 31
    assert ((ra >= 0) & (ra < 2 * np.pi)).all()
    assert (np.abs(dec) <= np.pi / 2).all()


def test_online(online):
    assert online["events"] == {"read": 250, "written": 250}
    assert online["rows"]["hits"] == 319_713
    assert online["rows"]["triggered_hits"] == 141_244
    assert online["rows"]["clusters"] > 10_000
    assert online["check"] is None


def test_outputs_and_record_are_there(offline, online):
    for summary in (offline, online):
        names = {Path(p).name for p in summary["outputs"]}
        assert names == {"events.parquet", "events.h5"}
        assert all(Path(p).stat().st_size == size for p, size in summary["outputs"].items())
        assert json.loads(Path(summary["provenance"]).read_text())["status"] == "complete"


def test_memory_of_the_job(offline, online):
    assert max(offline["peak_memory"], online["peak_memory"]) < 600e6


def test_a_table_for_people(km3gpu, plan, tmp_path):
    said = km3gpu("run", plan(), "-o", tmp_path / "out", "--chunk", "100")
    assert said.code == 0
    rows = {line[:16].strip(): line[16:].split() for line in said.out.splitlines()}
    assert rows["events"] == ["250"]
    assert rows["hits"] == ["319,713"]
    assert rows["calibrate time"][-1] == "s"
    assert f"wrote {tmp_path / 'out' / 'events.parquet'}" in said.out


def test_again_does_nothing(km3gpu, plan, tmp_path):
    path = plan()
    first = km3gpu("run", path, "-o", tmp_path / "out")
    before = digests(tmp_path / "out" / "parts")
    again = km3gpu("run", path, "-o", tmp_path / "out", "--json")
    assert (first.code, again.code) == (0, 0)
    assert json.loads(again.out)["chunks"]["resumed"] == 1
    assert digests(tmp_path / "out" / "parts") == before


def test_files_of_the_command_line_replace_those_of_the_plan(km3gpu, plan, tmp_path, data):
    shutil.copy(data / DAQ, tmp_path / "mine.root")
    path = plan((f"testdata:{DAQ}", "nothing.root"))
    said = km3gpu("run", path, tmp_path / "mine.root", "-o", tmp_path / "out", "--json")
    assert json.loads(said.out)["inputs"] == [str(tmp_path / "mine.root")]


def test_resume_does_what_was_left(km3gpu, plan, tmp_path):
    out = tmp_path / "out"
    whole = json.loads(km3gpu("run", plan(), "-o", out, "--chunk", "100", "--json").out)
    merged = hashlib.sha256((out / "events.parquet").read_bytes()).hexdigest()
    next((out / "parts").iterdir()).unlink()
    (out / "events.parquet").unlink()
    said = km3gpu("resume", out, "--json")
    again = json.loads(said.out)
    assert said.code == 0
    assert again["chunks"]["resumed"] == whole["chunks"]["planned"] - 1
    assert hashlib.sha256((out / "events.parquet").read_bytes()).hexdigest() == merged
    assert km3gpu("resume", out).code == 0


def test_resume_of_what_is_no_run(km3gpu, tmp_path):
    assert "no run in" in km3gpu("resume", tmp_path).error()


# -- bad input ------------------------------------------------------------------------------------


def refused(km3gpu, tmp_path, *arguments, code=1):
    """Run into a directory with results, check that they stay as they were, and give the one line."""
    out = tmp_path / "out"
    before = digests(out) if out.exists() else {}
    said = km3gpu("run", *arguments, "-o", out)
    assert said.code == code
    assert said.out == ""
    line = said.error()
    after = digests(out) if out.exists() else {}
    assert {p: d for p, d in after.items() if p in before} == before
    return line


def test_a_missing_file(km3gpu, plan, tmp_path):
    line = refused(km3gpu, tmp_path, plan(), tmp_path / "nothing.root")
    assert "nothing.root" in line
    assert not (tmp_path / "out").exists()


def test_a_pattern_that_matches_nothing(km3gpu, plan, tmp_path):
    assert "none*.root" in refused(km3gpu, tmp_path, plan(), str(tmp_path / "none*.root"))


def test_a_file_that_is_not_root(km3gpu, plan, tmp_path):
    (tmp_path / "notes.root").write_text("dear diary\n" * 100)
    line = refused(km3gpu, tmp_path, plan(), tmp_path / "notes.root")
    assert "notes.root" in line
    assert "not a ROOT file" in line


def test_an_unknown_tree_names_the_closest(km3gpu, plan, tmp_path):
    line = refused(km3gpu, tmp_path, plan(("[source]", '[source]\ntree = "KM3NET_EVENTS"')))
    assert "'KM3NET_EVENTS'" in line
    assert "KM3NET_EVENT" in line.split("there is: ")[1].split(",")[0]


def test_a_truncated_file(km3gpu, plan, tmp_path, data):
    shutil.copy(data / DAQ, tmp_path / "cut.root")
    with open(tmp_path / "cut.root", "r+b") as f:
        f.truncate(3_000_000)
    assert "cut.root" in refused(km3gpu, tmp_path, plan(), tmp_path / "cut.root")


def test_a_detector_that_does_not_belong_to_the_data(km3gpu, plan, tmp_path):
    other = "detx/KM3NeT_-00000001_20171212.detx"
    line = refused(km3gpu, tmp_path, plan(("datx/KM3NeT_00000133_20221025.datx", other)))
    assert "345 of 345 modules of the data (319713 of 319713 hits) are not in" in line
    assert "this one is detector 20, the data are of detector 133" in line


def test_a_channel_above_30(km3gpu, plan, tmp_path, data):
    file = tmp_path / "channel.root"
    shutil.copy(data / DAQ, file)
    patch_first_basket(file, "snapshotHits")
    line = refused(km3gpu, tmp_path, plan(), file)
    assert "channel 31" in line


def patch_first_basket(file, branch):
    """Give the first hit of a DAQ branch channel 31; the baskets of this file are not compressed."""
    with uproot.open(file) as f:
        seek = int(f["KM3NET_EVENT"][branch].member("fBasketSeek")[0])
    raw = bytearray(file.read_bytes())
    start = seek + int.from_bytes(raw[seek + 14 : seek + 16], "big")  # behind the basket's key
    # a hit is dom_id (4 bytes), channel (1), tdc (4), tot (1); module ids are just above 8e8
    first = next(i for i in range(start, start + 40) if 8e8 < int.from_bytes(raw[i : i + 4], "big") < 9e8)
    raw[first + 4] = 31
    file.write_bytes(raw)


def test_an_unknown_key_names_file_line_and_the_closest(km3gpu, plan, tmp_path):
    line = refused(km3gpu, tmp_path, plan(('use = "calibrate"', 'use = "calibrate"\nslew = "table"')))
    assert "slew" in line
    assert "slewing" in line
    assert "plan.toml, line 8" in line


def test_an_unknown_stage(km3gpu, plan, tmp_path):
    line = refused(km3gpu, tmp_path, plan(('use = "calibrate"', 'use = "calibrat"')))
    assert "unknown stage 'calibrat'" in line
    assert "calibrate" in line


def test_a_plan_that_is_no_toml(km3gpu, tmp_path):
    (tmp_path / "plan.toml").write_text("[source\n")
    assert "plan.toml" in refused(km3gpu, tmp_path, tmp_path / "plan.toml")


def test_a_missing_plan(km3gpu, tmp_path):
    assert "plan.toml" in refused(km3gpu, tmp_path, tmp_path / "plan.toml")


def test_a_missing_detector(km3gpu, plan, tmp_path):
    assert "mine.detx" in refused(
        km3gpu, tmp_path, plan(("testdata:datx/KM3NeT_00000133_20221025.datx", "mine.detx"))
    )


def test_another_plans_results_stay(km3gpu, plan, tmp_path):
    assert km3gpu("run", plan(), "-o", tmp_path / "out").code == 0
    line = refused(km3gpu, tmp_path, plan(('use = "calibrate"', 'use = "calibrate"\nslewing = "none"')))
    assert "holds the results of another plan (other stages" in line


def test_other_files_in_the_output_directory_stay(km3gpu, plan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("...")
    assert "holds other files" in refused(km3gpu, tmp_path, plan())


def test_an_output_that_is_a_file(km3gpu, plan, tmp_path):
    (tmp_path / "out").write_text("a file")
    said = km3gpu("run", plan(), "-o", tmp_path / "out")
    assert "is a file" in said.error()
    assert (tmp_path / "out").read_text() == "a file"


def test_checking_a_plan_that_does_not_calibrate(km3gpu, plan, tmp_path):
    text = plan().read_text()
    start, stop = text.index("[[stage]]"), text.index("[[sink]]")
    plan((text[start:stop], ""))
    line = refused(km3gpu, tmp_path, tmp_path / "plan.toml", "--check-calibration")
    assert "nothing to check" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument 'PLAN'"),
        (["plan.toml"], "Missing option '--out'"),
        (["plan.toml", "-o", "out", "--workers", "0"], "Invalid value for '--workers'"),
        (["plan.toml", "-o", "out", "--backend", "gpu"], "Invalid value for '--backend'"),
        (["plan.toml", "-o", "out", "--worker", "2"], "No such option: --worker"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_usage(km3gpu, arguments, words):
    said = km3gpu("run", *arguments)
    assert said.code == 2
    line = said.error()
    assert words in line
    assert line.endswith("see `km3gpu run --help`")


def test_no_gpu_is_said_before_anything_runs(km3gpu, plan, tmp_path, monkeypatch):
    from km3gpu import backend

    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")
    line = refused(km3gpu, tmp_path, plan(), "--backend", "cuda")
    assert "no GPU can be used: the driver reports no device" in line


def test_exit_code_of_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "km3gpu", "run", "none.toml", "-o", "out"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("km3gpu: error: ")
    assert done.stderr.count("\n") == 1
    assert call(["run", "none.toml", "-o", str(tmp_path / "out")]) == 1
