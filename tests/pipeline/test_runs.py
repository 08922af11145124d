"""Plans with a run list: good runs only, and their livetime once, however the run is cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu import stages
from km3gpu.errors import CalibrationError, Km3GpuError
from km3gpu.io.histogram_sink import read_histograms
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import RunResult, make_plan, read_recipe, resume, run
from km3gpu.pipeline.livetimes import livetimes, told

MUONS, OTHER = "online/muon_cc_daqevents.root", "online/KM3NeT_00000133_JDAQEvent.root"
LIST = (
    "RUN\tUNIXJOBSTART\tUNIXJOBEND\tJOBTARGET\tHRV\n"
    "13338\t1664330000000\t1664339000000\tRun\t0.1\n"
    "13339\t1664339000000\t1664344000000\tRun\t0.3\n"
    "13340\t1664344000000\t1664354000000\tOn\t0.2\n"
)
PLAN = f"""
[source]
files = ["testdata:{MUONS}", "testdata:{OTHER}"]
[[stage]]
use = "runs"
file = "runs.tsv"
where = "JOBTARGET == 'Run' & HRV < 0.5"
[[sink]]
format = "parquet"
[[sink]]
format = "histogram"
[[sink.histogram]]
name = "rate"
x = "run_id"
bins = 3
range = [13338, 13341]
weight = "1 / run_livetime"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "runs.tsv").write_text(LIST)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


def facts(result: RunResult) -> dict[str, object]:
    found = livetimes(result.plan, result.total.counters)
    assert found is not None
    return found


def test_livetime_counts_once_for_any_chunks(plan: Path, tmp_path: Path, data: Path) -> None:
    whole = run(plan, out=tmp_path / "whole")
    cut = run(plan, out=tmp_path / "cut", chunk=7)
    assert facts(whole) == facts(cut)
    time = k3.open(data / MUONS).read(tables="events").events.flat("time_ns")
    outside = int(((time < 1664339 * 10**12) | (time >= 1664344 * 10**12)).sum())
    assert 0 < outside < 250
    assert facts(cut)["livetime"] == 5000.0
    assert told(facts(cut)) == [
        "runs: 1 good, livetime 1.389 h (5,000.0 s)",
        "left out 1: 13340 is not good",
        "good runs of the list that no input has, 1: 13338",
        f"events outside of the times of their run: {outside} of run 13339",
    ]
    events = ParquetSink().read(cut.outputs[0])["events"]
    assert len(events) == 250
    assert set(events.flat("run_livetime").tolist()) == {5000.0}
    rate = read_histograms(cut.outputs[1])["rate"].values()
    assert rate.tolist() == pytest.approx([0.0, 250 / 5000.0, 0.0])
    assert {c.origin.path for c in cut.plan.chunks} == {str(data / MUONS)}  # the other file is not read
    embedded = json.loads(cut.outputs[1].read_text())["rate"]["metadata"]["km3gpu:provenance"]
    assert '"livetime":5000.0' in json.dumps(embedded["inputs"]).replace("\\", "")


def test_another_line_makes_no_chunk_new(plan: Path, tmp_path: Path) -> None:
    first = run(plan, out=tmp_path / "out", chunk=60)
    (tmp_path / "runs.tsv").write_text(LIST + "13341\t1664354000000\t1664359000000\tRun\t0.1\n")
    with pytest.raises(Km3GpuError, match=r"a table or run list has changed since .* --existing update"):
        resume(tmp_path / "out")
    again = run(plan, out=tmp_path / "out", chunk=60, existing="update")
    assert again.resumed == len(again.receipts) == len(first.receipts)
    (tmp_path / "runs.tsv").write_text(LIST.replace("1664344000000\tRun", "1664344000001\tRun"))
    changed = run(plan, out=tmp_path / "out", chunk=60, existing="update")
    assert changed.resumed == 0


def test_good_times(plan: Path, tmp_path: Path, data: Path) -> None:
    """Two good times of a run, and nothing else of it."""
    spans = [(1664339000, 1664340000), (1664342000, 1664343000)]
    lines = "".join(f"133,13339,{a},{b}\n" for a, b in spans)
    (tmp_path / "runs.tsv").write_text("det_id,run,start,stop\n" + lines)
    text = PLAN.replace("where = \"JOBTARGET == 'Run' & HRV < 0.5\"", 'outside = "drop"')
    plan.write_text(text)
    result = run(plan, out=tmp_path / "out", chunk=33)
    time = k3.open(data / MUONS).read(tables="events").events.flat("time_ns")
    within = np.any([(time >= a * 10**9) & (time < b * 10**9) for a, b in spans], axis=0)
    assert result.total.n_out == within.sum() > 0
    assert result.total.counters["runs/outside"] == (~within).sum()
    assert facts(result)["livetime"] == 2000.0
    assert told(facts(result))[1] == "left out 1: 13340 is not in the run list"


def test_slices_are_held_against_the_list(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("run_id,T\n3246,103.4\n")
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles = ['testdata:online/summaryslices.root']\nchunk = 300\n"
        "[[stage]]\nuse = 'runs'\nfile = 'runs.csv'\nnames = { livetime = 'T' }\n"
        "[[stage]]\nuse = 'livetime'\n"
        "[[sink]]\nformat = 'parquet'\n"
    )
    result = run(tmp_path / "plan.toml", out=tmp_path / "out")
    assert told(facts(result))[1] == "counted in slices: run 3246 100.0 s of 103.4 s"


def test_policies(plan: Path, data: Path) -> None:
    chunk = k3.open(data / MUONS).read()
    path = str(plan.parent / "runs.tsv")
    assert stages.runs(chunk, path, "HRV > 0.5").n_events == 0
    assert stages.runs(chunk, path).n_events == 250
    with pytest.raises(CalibrationError, match="run 13339 of detector 133 is not good"):
        stages.runs(chunk, path, "HRV > 0.5", others="error")
    with pytest.raises(CalibrationError, match="events of run 13339 are outside of its times"):
        stages.runs(chunk, path, outside="error")
    (plan.parent / "bare.csv").write_text("run\n13339\n")
    bare = stages.runs(chunk, str(plan.parent / "bare.csv"), outside="error")
    assert bare.n_events == 250
    assert "run_livetime" not in bare.events
    (plan.parent / "det.csv").write_text("run,det_id\n13339,44\n")
    assert stages.runs(chunk, str(plan.parent / "det.csv")).n_events == 0


BAD = {
    "where = \"JOBTARGT == 'Run' & HRV < 0.5\"": (
        "where = \"JOBTARGT == 'Run' & HRV < 0.5\": no column 'JOBTARGT' (in LIST); there is: JOBTARGET,"
    ),
    'where = "HRV <"': "where = 'HRV <': no valid expression: invalid syntax (in PLAN, line 7)",
    'where = "HRV"': "'HRV' is no condition but float64",
    'where = "HRV > 5"': "no good run: 13339 is not good, 13340 is not good",
    "others = 'leave'": "others = 'leave' (in PLAN, line 7); take drop or error",
    "names = { start = 'from' }": "no column 'from'",
    "names = { begin = 'from' }": "names: 'begin' (in PLAN, line 7)",
    "wehre = 'HRV > 5'": "unknown key 'wehre' (in PLAN, line 7); did you mean 'where'?",
    "file = 'none.tsv'": "no file",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_plans_are_refused_before_anything_runs(plan: Path, tmp_path: Path, line: str) -> None:
    text = PLAN.replace("where = \"JOBTARGET == 'Run' & HRV < 0.5\"", line)
    if line.startswith("file"):
        text = text.replace('file = "runs.tsv"\n', "", 1)
    plan.write_text(text)
    with pytest.raises(Km3GpuError) as error:
        run(plan, out=tmp_path / "out")
    assert BAD[line] in str(error.value).replace(str(plan), "PLAN").replace(
        str(tmp_path / "runs.tsv"), "LIST"
    )
    assert not (tmp_path / "out").exists()


def test_a_plan_without_a_run_list_says_nothing_of_runs(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        f"[source]\nfiles = ['testdata:{OTHER}']\n[[stage]]\nuse = 'sample'\nfraction = 1\n"
        "[[sink]]\nformat = 'parquet'\n"
    )
    assert livetimes(make_plan(read_recipe(tmp_path / "plan.toml")), {}) is None
