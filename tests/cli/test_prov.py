"""``km3gpu prov show`` and ``km3gpu failures`` on a run, a file, and things that are neither."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from km3gpu.cli.main import call
from km3gpu.cli.printing import show
from km3gpu.cli.prov import tree

PLAN = """
[source]
files = ["testdata:online/muon_cc_daqevents.root"]
chunk = 100

[[stage]]
use = "calibrate"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"

[[sink]]
format = "parquet"

[[sink]]
format = "hdf5"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prov")
    (folder / "plan.toml").write_text(PLAN)
    assert call(["run", str(folder / "plan.toml"), "-o", str(folder / "out")]) == 0
    return folder / "out"


@pytest.mark.parametrize("what", ["", "provenance.json", "events.parquet", "events.h5"])
def test_inputs_stages_and_environment_are_shown(km3gpu, run, what):
    said = km3gpu("prov", "show", run / what)
    assert said.code == 0
    assert "muon_cc_daqevents.root" in said.out
    assert "made by JConvert 18.4.0" in said.out
    assert "daq, tree KM3NET_EVENT, 250 entries" in said.out
    assert re.search(r"calibrate  .*detector = .sha256:", said.out)
    assert "GPU none: " in said.out or "driver" in said.out
    assert "0 missing, 250 events" in said.out


def test_a_run_has_sessions_and_outputs(km3gpu, run):
    out = km3gpu("prov", "show", run).out
    assert " UTC  complete after " in out
    assert "events.parquet  sha256:" in out
    assert "sessions" not in km3gpu("prov", "show", run / "events.parquet").out


def test_many_inputs_are_a_few_lines(capsys):
    inputs = [
        {
            "path": f"/d/{n}.root", "role": "data", "digest": "sha256:0", "kind": "daq", "tree": "T",
            "n_entries": 5, "uuid": "", "meta": [],
        }
        for n in range(100)
    ]  # fmt: skip
    record = {
        "plan": "p", "code": "0", "inputs": inputs, "stages": [], "environments": {}, "chunks": [],
        "missing": [],
    }  # fmt: skip
    show(tree("many", record))
    out = capsys.readouterr().out
    assert out.count(".root") == 3
    assert "97 more, 500 entries in all" in out
    show(tree("many", record, inputs=True))
    assert capsys.readouterr().out.count(".root") == 100


def test_many_sessions_and_missing_chunks_are_a_few_lines(capsys):
    session = {"time": 0.0, "worker": "h:1", "command": ["km3gpu"], "resumed": 0}
    record = {
        "plan": "p", "code": "0", "inputs": [], "stages": [], "environments": {}, "chunks": [],
        "missing": [f"chunk{n}" for n in range(100)], "sessions": [session] * 1000,
    }  # fmt: skip
    show(tree("many", record))
    out = capsys.readouterr().out
    assert "1,000 sessions in all" in out
    assert (out.count("chunk9"), out.count("UTC")) == (4, 8)


def test_every_chunk(km3gpu, run):
    short, long = km3gpu("prov", "show", run).out, km3gpu("prov", "show", "--chunks", run).out
    assert "KM3NET_EVENT[0:" not in short
    assert long.count("muon_cc_daqevents.root KM3NET_EVENT[") == len(json.loads(
        km3gpu("prov", "show", "--json", run).out)["chunks"])  # fmt: skip


def test_json_is_the_record_itself(km3gpu, run):
    assert json.loads(km3gpu("prov", "show", "--json", run).out) == json.loads(
        (run / "provenance.json").read_text()
    )


def test_not_a_record(km3gpu, tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    for what in (tmp_path, tmp_path / "nothing.parquet", tmp_path / "notes.json"):
        said = km3gpu("prov", "show", what)
        assert said.code == 1
        assert str(what) in said.error()


def test_no_failures(km3gpu, run):
    said = km3gpu("failures", run)
    assert (said.code, said.out) == (0, f"no chunk of {run} failed\n")
    assert json.loads(km3gpu("failures", "--json", run).out) == []


def test_failures_are_listed_with_the_reason(km3gpu, tmp_path):
    """A user's stage that fails on the events from 100 on; its chunks are quarantined."""
    (tmp_path / "picky_stage.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "from km3gpu.errors import KernelError\n"
        "from km3gpu.stages import Stage\n"
        "@dataclass(frozen=True)\n"
        "class Picky(Stage):\n"
        "    name: ClassVar[str] = 'picky'\n"
        "    def reads(self, kind): return {'hits': ('tot',)}\n"
        "    def writes(self, kind): return {}\n"
        "    def apply(self, chunk):\n"
        "        if chunk.source.start >= 100:\n"
        "            raise KernelError(f'event {chunk.source.start} looks odd')\n"
        "        return {}, {}\n"
    )
    start, stop = PLAN.index("[[stage]]"), PLAN.index("[[sink]]")
    plan = PLAN[:start] + '[[stage]]\nuse = "picky_stage:Picky"\n\n' + PLAN[stop:]
    (tmp_path / "plan.toml").write_text(plan)
    ran = km3gpu("run", tmp_path / "plan.toml", "-o", tmp_path / "out")
    assert ran.code == 3
    assert "failed" in ran.out
    assert "looks odd" in ran.error()
    said = km3gpu("failures", tmp_path / "out")
    assert said.code == 3
    assert "looks odd" in said.out
    found = json.loads(km3gpu("failures", "--json", tmp_path / "out").out)
    assert {f["kind"] for f in found} == {"data"}
    assert all(f["entries"][0] >= 100 for f in found)
    # the command that it names makes the chunk alone, and fails in the same place
    again = shlex.split(found[0]["command"])
    alone = km3gpu(*again[1:])
    assert alone.code == 3
    assert "looks odd" in alone.err
    assert "picky_stage.py" in alone.err
    assert "looks odd" in km3gpu("prov", "show", tmp_path / "out" / "events.parquet").out


def test_failures_of_something_else(km3gpu, tmp_path):
    assert str(tmp_path) in km3gpu("failures", tmp_path).error()
