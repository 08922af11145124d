"""``km3gpu plan``, ``top``, ``run --slice`` and ``prov verify | diff | replay | export``."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import prov.model
import pytest

from km3gpu.chunk import Chunk, Origin
from km3gpu.cli.main import call
from km3gpu.io.parquet import ParquetSink

PLAN = """
[source]
files = ["testdata:online/muon_cc_daqevents.root"]
chunk = 100

[[stage]]
use = "calibrate"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"

[[stage]]
use = "coincidences"
window = 25.0

[[sink]]
format = "parquet"
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "plan.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture(scope="module")
def run(plan: Path) -> Path:
    out = plan.parent / "out"
    assert call(["run", str(plan), "-o", str(out)]) == 0
    return out


def test_a_plan_is_shown_and_nothing_is_written(km3gpu, plan, tmp_path):
    before = sorted(plan.parent.iterdir())
    said = km3gpu("plan", plan)
    assert said.code == 0
    assert "3 of 50 to 100 events" in said.out
    assert "dom_id, channel_id, tdc, tot" in said.out
    assert "for each worker" in said.out
    assert said.out.count("muon_cc_daqevents.root") == 1
    assert km3gpu("plan", "--chunks", plan).out.count("muon_cc_daqevents.root") == 4
    found = json.loads(km3gpu("plan", "--json", "--chunk", "50", plan).out)
    assert [c["entries"] for c in found["chunks"]] == [[i, i + 50] for i in range(0, 250, 50)]
    assert [s["name"] for s in found["memory_steps"]] == ["read", "calibrate", "coincidences"]
    assert "largest chunk" in said.out
    auto = json.loads(km3gpu("plan", "--json", "--chunk", "auto", plan).out)
    assert len(auto["chunks"]) == 1
    assert sorted(plan.parent.iterdir()) == before


def test_a_plan_with_a_fault(km3gpu, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN.replace("window", "windw"))
    said = km3gpu("plan", tmp_path / "plan.toml")
    assert said.code == 1
    assert "unknown key 'windw'" in said.error()
    assert "plan.toml, line 12" in said.error()


def test_top_of_a_run_that_ended(km3gpu, run):
    said = km3gpu("top", run)
    assert said.code == 0
    assert "250 of 250 (100.0%)" in said.out
    assert "complete" in said.out
    assert "coincidences" in said.out
    now = json.loads(km3gpu("top", "--json", run).out)
    assert (now["running"], now["done"], now["failed"], now["events_done"]) == (False, 3, 0, 250)
    assert now["rate"] > 0
    assert km3gpu("top", run.parent).code == 1


def test_slices(km3gpu, plan, run, tmp_path):
    for part in ("1/2", "2/2"):
        assert km3gpu("run", plan, "-o", tmp_path / "out", "--slice", part).code == 0
    assert not (tmp_path / "out" / "events.parquet").exists()
    assert km3gpu("resume", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "events.parquet").read_bytes() == (run / "events.parquet").read_bytes()
    assert "'3/2' is no slice" in km3gpu("run", plan, "-o", tmp_path / "b", "--slice", "3/2").error()


def test_progress_for_programs(km3gpu, plan, tmp_path):
    said = km3gpu("run", plan, "-o", tmp_path / "out", "--progress", "json")
    assert said.code == 0
    events = [json.loads(line) for line in said.err.splitlines()]
    assert [e["done"] for e in events if e["event"] == "chunk"] == [100, 200, 250]
    assert events[-2] == {"event": "step", "what": "merging events.parquet"}
    assert (events[0]["event"], events[-1]["event"], events[-1]["chunks"]) == ("began", "ended", 3)


def test_verify(km3gpu, run, plan):
    assert km3gpu("prov", "verify", run).code == 0
    extra = run / "events.parquet"
    good = extra.read_bytes()
    extra.write_bytes(good + b"!")
    said = km3gpu("prov", "verify", run)
    extra.write_bytes(good)
    assert said.code == 1
    assert "events.parquet" in said.out
    assert "changed" in said.out
    assert {f["state"] for f in json.loads(km3gpu("prov", "verify", "--json", run).out)} == {"same"}


def test_verify_an_output_alone(km3gpu, run, tmp_path, monkeypatch):
    """It cannot hold its own digest: the record beside it tells, or the catalogue."""

    def output(path):
        said = json.loads(km3gpu("prov", "verify", "--json", path).out)
        return next(f["state"] for f in said if f["kind"] == "output")

    assert output(run / "events.parquet") == "same"
    away = tmp_path / "away.parquet"
    good = (run / "events.parquet").read_bytes()
    away.write_bytes(good)
    monkeypatch.setenv("KM3GPU_CATALOGUE", "none")
    assert output(away) == "unknown"
    assert km3gpu("prov", "verify", away).code == 0
    monkeypatch.setenv("KM3GPU_CATALOGUE", str(tmp_path / "catalogue.sqlite"))
    assert km3gpu("prov", "index", run).code == 0
    assert output(away) == "same"
    away.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    assert output(away) == "changed"


def test_a_run_that_was_put_away(km3gpu, run, tmp_path):
    """Parts, journal and plan are removed to make room: the record is still the record."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "parts")
    [gone] = [f for f in json.loads(km3gpu("prov", "verify", "--json", copy).out) if f["state"] != "same"]
    assert (gone["kind"], gone["state"], gone["detail"]) == ("part", "gone", "all 3")
    (copy / "plan.json").unlink()
    (copy / "journal.jsonl").unlink()
    assert km3gpu("prov", "verify", "--no-parts", copy).code == 0
    assert "3 done, 0 missing" in km3gpu("prov", "show", copy).out


def test_dry_run(km3gpu, run, plan, tmp_path):
    other = tmp_path / "plan.toml"
    other.write_text(PLAN.replace("25.0", "20.0"))
    said = km3gpu("run", other, "-o", run, "--dry-run")
    assert said.code == 0
    assert re.search(r"3 +stage +coincidences.window +25.0 +20.0", said.out)
    assert "the run would not start: " in said.out
    found = json.loads(km3gpu("resume", run, "-n", "--json").out)
    assert (len(found["done"]), found["left"], found["causes"], found["refusal"]) == (3, [], [], "")


def test_diff(km3gpu, run, plan, tmp_path):
    assert km3gpu("prov", "diff", run, run).out == "no difference\n"
    other = tmp_path / "plan.toml"
    other.write_text(PLAN.replace("25.0", "20.0"))
    assert km3gpu("run", other, "-o", tmp_path / "out").code == 0
    said = km3gpu("prov", "diff", run, tmp_path / "out")
    assert said.code == 1
    assert "coincidences.window" in said.out
    found = json.loads(km3gpu("prov", "diff", "--json", run, tmp_path / "out").out)
    assert {"section": "stage", "key": "coincidences.window", "a": "25.0", "b": "20.0"} in found


def test_replay(km3gpu, run):
    said = km3gpu("prov", "replay", run)
    assert said.code == 0
    assert said.out.count("identical") == 3
    chunk = json.loads(km3gpu("prov", "replay", "--json", run).out)[1]["id"]
    assert km3gpu("prov", "replay", run, "--chunk", chunk[:8]).out.count("identical") == 1
    assert "no chunk 'zz'" in km3gpu("prov", "replay", run, "--chunk", "zz").error()


def test_a_run_and_its_output_tell_the_same(km3gpu, run):
    assert km3gpu("prov", "diff", run, run / "events.parquet").out == "no difference\n"


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ((), "different"),
        (("--tolerance", "hits/t=1e-3"), "equal"),
        (("--tolerance", "hits/*=1e-3"), "equal"),
        (("--tolerance", "hits/t=1e-6", "--atol", "1"), "different"),
    ],
)
def test_tolerance_of_a_column(km3gpu, run, tmp_path, given, state):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    part = min((copy / "parts").iterdir())
    sink = ParquetSink()
    tables = sink.read(part)
    t = tables["hits"].flat("t").copy()
    t[7] += 1e-4
    tables["hits"] = tables["hits"].with_columns(t=t)
    made = sink.write(Chunk(Origin("x", "daq", "E", 0, len(tables["events"])), tables), part)
    lines = [json.loads(line) for line in (copy / "journal.jsonl").read_text().splitlines()]
    for output in (o for e in lines if e["event"] == "receipt" for o in e["outputs"]):
        if output["name"] == part.name:
            output |= {"digest": made.digest, "bytes": made.bytes}
    (copy / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in lines))
    args = ("--rtol", "0", "--chunk", part.name[:8], "--json", *given)
    (found,) = json.loads(km3gpu("prov", "replay", copy, *args).out)
    assert found["state"] == state
    assert found["columns"][0].startswith("hits/t: 0.0001")


def test_tolerances_that_are_none(km3gpu, run):
    for words in ("hits/t", "hits/t=x", "hits/t=-1", "=1"):
        assert "is no tolerance" in km3gpu("prov", "replay", run, "--tolerance", words).error()


@pytest.mark.parametrize("command", ["show", "verify", "export"])
def test_damaged_records(km3gpu, run, tmp_path, command):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "provenance.json").write_text("{")  # the journals say the same
    assert km3gpu("prov", command, copy).code == 0
    good = (copy / "events.parquet").read_bytes()
    (copy / "events.parquet").write_bytes(good[:-100])
    assert "does not read" in km3gpu("prov", command, copy / "events.parquet").error()
    (copy / "plan.json").write_text("rubbish")
    assert "no plan of km3gpu" in km3gpu("prov", command, copy).error()
    assert "no run" in km3gpu("top", tmp_path).error()


def test_export(km3gpu, run, tmp_path):
    text = km3gpu("prov", "export", run).out
    assert prov.model.ProvDocument.deserialize(io.StringIO(text), format="json").get_records()
    assert km3gpu("prov", "export", run, "--format", "ro-crate", "-o", tmp_path / "crate.json").out == ""
    assert "@graph" in json.loads((tmp_path / "crate.json").read_text())
    alone = km3gpu("prov", "export", run / "events.parquet", "--format", "ro-crate")
    assert "the directory of a run" in alone.error()
    assert km3gpu("prov", "export", run, "--license", "https://x.org/l").code == 2
    assert "no directory" in km3gpu("prov", "export", run, "-o", tmp_path / "none" / "x.json").error()
