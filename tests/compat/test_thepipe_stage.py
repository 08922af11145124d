"""Modules of thepipe as stages of a plan."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.compat.thepipe.pump import EventPump
from km3gpu.compat.thepipe.stage import ModuleStage
from km3gpu.errors import ConfigError, RunFailedError
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import make_plan, read_recipe, resume, run

MODULES = '''
import numpy as np
from thepipe import Module
from km3gpu.compat.thepipe import Module as Ours

class Late(Module):
    """Count late hits, drop events with few, shift times."""

    def configure(self):
        self.threshold = self.require("threshold")
        self.offsets = self.get("offsets", default=[0.0])
        self.seen = self.dropped = 0

    def process(self, blob):
        self.seen += 1
        hits = blob["Hits"]
        if len(hits) < self.threshold:
            self.dropped += 1
            return None
        hits["time"] += self.offsets[0]
        blob["n_late"] = np.sum(hits.tot > 30)
        blob["Big"] = hits[hits.tot > 30][["dom_id", "tot"]]
        blob["EventInfo"]["run_id"] = 7
        blob["helper"] = object()
        return blob

    def finish(self):
        return {"seen": self.seen, "few": self.dropped, "words": "no number"}

class Halve(Ours):
    def process(self, blob):
        blob["Hits"] = blob["Hits"][::2]
        return blob

class Closes(Ours):
    def configure(self):
        self.path = self.require("path")

    def process(self, blob):
        if len(blob["Hits"]) == self.get("bad_length"):
            raise ValueError("cannot")
        return blob

    def finish(self):
        with open(self.path, "a") as f:
            f.write("closed\\n")

class Pump(Ours):
    def process(self, blob):
        raise StopIteration

class Sink(Ours):
    def configure(self):
        from km3gpu.compat.thepipe import Provenance
        Provenance().record_output("out.h5")

class Needs(Ours):
    def configure(self):
        self.require_service("calibrate")

def mark(blob):
    blob["mark"] = float(blob["EventInfo"].frame_index[0]) / 2
    return blob

def forget(blob):
    return blob
'''

FILE = "testdata:offline/numucc.root"


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.delitem(sys.modules, "pipemodules", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "pipemodules.py").write_text(MODULES)

    def make(stages: str, chunk: int = 3) -> Path:
        text = f'[source]\nfiles = ["{FILE}"]\nchunk = {chunk}\n{stages}\n[[sink]]\nformat = "parquet"\n'
        (tmp_path / "plan.toml").write_text(text)
        return tmp_path / "plan.toml"

    return make


LATE = """
[[stage]]
use = "thepipe:pipemodules.Late"
threshold = 4100
offsets = [2.5, 1]
km3gpu = { makes = ["events/n_late: int32", "big/dom_id: i4", "big/tot: u1"] }
"""


def expected() -> dict[str, Any]:
    """Do by hand what `Late` does."""
    [chunk] = k3.open(FILE).chunks("1 GB")
    hits = chunk.hits
    n = np.asarray(hits.counts)
    keep = n >= 4100
    assert 0 < keep.sum() < len(n)
    tot = [np.asarray(hits.tot[i]) for i in np.flatnonzero(keep)]
    return {
        "kept": np.flatnonzero(keep),
        "t": np.concatenate([np.asarray(hits.t[i]) + 2.5 for i in np.flatnonzero(keep)]),
        "n_late": [int((t > 30).sum()) for t in tot],
        "big": np.concatenate([t[t > 30] for t in tot]),
    }


def test_what_comes_back(tmp_path: Path, plan: Callable[..., Path]) -> None:
    result = run(plan(LATE), out=tmp_path / "out")
    got, want = ParquetSink().read(result.outputs[0]), expected()
    events = got["events"]
    assert events.flat("entry").tolist() == want["kept"].tolist()
    assert (events.flat("n_late").dtype, events.flat("n_late").tolist()) == (np.int32, want["n_late"])
    assert set(events.flat("run_id").tolist()) == {7}
    assert np.array_equal(got["hits"].flat("t"), want["t"])
    assert got["hits"].flat("tot").dtype == np.uint32
    assert np.array_equal(got["big"].flat("tot"), want["big"])
    assert got["big"].flat("tot").dtype == np.uint8
    assert np.array_equal(np.diff(got["big"].offsets), want["n_late"])
    assert result.total.counters == {
        "Late/dropped": 10 - len(want["kept"]),
        "Late/seen": 10,
        "Late/few": 10 - len(want["kept"]),
        "Late/left_helper": len(want["kept"]),
    }


def test_the_same_bytes_for_processes_and_nearly_so_for_other_chunks(
    tmp_path: Path, plan: Callable[..., Path]
) -> None:
    text = LATE + '[[stage]]\nuse = "thepipe:pipemodules.Halve"\nevery = 2\nblob_keys = ["Hits"]\n'
    one = run(plan(text), out=tmp_path / "one")
    two = run(plan(text), out=tmp_path / "two", workers=2)
    assert one.outputs[0].read_bytes() == two.outputs[0].read_bytes()
    other = run(plan(text, chunk=4), out=tmp_path / "other")
    a, b = (ParquetSink().read(r.outputs[0]) for r in (one, other))
    for name in a:
        for column in a[name].columns:
            assert a[name].to_awkward([column]).tolist() == b[name].to_awkward([column]).tolist(), column
    assert resume(tmp_path / "one").resumed == 4


def test_functions_conditions_and_columns(tmp_path: Path, plan: Callable[..., Path]) -> None:
    stages = """
        [[stage]]
        use = "thepipe:pipemodules.mark"
        km3gpu = { columns = ["events/frame_index"], makes = ["events/mark: f8"] }
        [[stage]]
        use = "thepipe:pipemodules.forget"
        only_if = "Nothing"
        km3gpu = { columns = ["events/frame_index"] }
        """
    result = run(plan(stages), out=tmp_path / "out")
    events = ParquetSink().read(result.outputs[0])["events"]
    assert events.flat("mark").tolist() == (events.flat("frame_index") / 2).tolist()
    assert "hits" not in ParquetSink().read(result.outputs[0])
    assert result.total.n_out == 10


def test_a_chunk_of_which_no_event_is_left(tmp_path: Path, plan: Callable[..., Path]) -> None:
    text = LATE.replace("threshold = 4100", "threshold = 4205")
    result = run(plan(text, chunk=2), out=tmp_path / "out")
    [chunk] = k3.open(FILE).chunks("1 GB")
    want = np.flatnonzero(np.asarray(chunk.hits.counts) >= 4205)
    assert any(not ((want >= start) & (want < start + 2)).any() for start in range(0, 10, 2))
    assert ParquetSink().read(result.outputs[0])["events"].flat("entry").tolist() == want.tolist()


def test_columns_are_those_of_km3pipe_unless_named(plan: Callable[..., Path]) -> None:
    stage = ModuleStage("km3gpu.compat.thepipe.Module")
    assert set(stage.reads("offline")) == {"events", "hits", "mc_hits", "tracks", "mc_tracks"}
    assert set(ModuleStage("a.B", '{"blob_keys": ["Hits"]}').reads("offline")) == {"hits"}
    assert ModuleStage("a.B", columns=("hits/tot", "hits/t")).reads("daq") == {"hits": ("tot", "t")}
    assert ModuleStage("a.B", makes=("x/y: i4",)).writes("daq") == {"x": ("y",)}


def test_the_identity_follows_source_parameters_and_files(tmp_path: Path, plan: Callable[..., Path]) -> None:
    (tmp_path / "limit.txt").write_text("1")
    text = '[[stage]]\nuse = "thepipe:pipemodules.Closes"\npath = "limit.txt"\nkm3gpu = {files = ["path"]}\n'
    recipe = read_recipe(plan(text))
    [stage] = recipe.stages
    assert stage.inputs() == (str(tmp_path / "limit.txt"),)
    first = recipe.history
    again = type(recipe).from_json(json.loads(json.dumps(recipe.to_json())), "plan.json")
    assert again.history == first
    assert [i.path for i in make_plan(recipe).inputs if i.role != "data"] == list(stage.inputs())
    (tmp_path / "limit.txt").write_text("22")
    changed = read_recipe(plan(text)).history
    assert changed != first
    with open(tmp_path / "pipemodules.py", "a") as file:
        file.write("\n# edited\n")
    assert read_recipe(plan(text)).history != changed
    assert read_recipe(plan(LATE)).history != read_recipe(plan(LATE.replace("4100", "4099"))).history


def test_the_record_says_where_each_parameter_came_from(plan: Callable[..., Path]) -> None:
    origins = read_recipe(plan(LATE)).origins
    lines = LATE.splitlines()
    first = next(n for n, line in enumerate(plan(LATE).read_text().splitlines(), 1) if "[[stage]]" in line)
    for key in ("use", "threshold", "offsets", "km3gpu"):
        line = next(n for n, text in enumerate(lines) if text.startswith(key)) - lines.index("[[stage]]")
        assert origins[f"stage.0.{key}"].endswith(f"plan.toml, line {first + line}")
    assert "stage.0.parameters" not in origins


def test_a_module_that_raises_is_finished_and_its_chunk_put_aside(
    tmp_path: Path, plan: Callable[..., Path]
) -> None:
    [chunk] = k3.open(FILE).chunks("1 GB")
    bad = int(chunk.hits.counts[4])
    assert list(chunk.hits.counts).count(bad) == 1
    text = f"""
        [[stage]]
        use = "thepipe:pipemodules.Closes"
        path = "{tmp_path / "closed"}"
        bad_length = {bad}
        """
    with pytest.raises(RunFailedError, match="1 of 4 chunks failed, the first: ValueError: cannot") as error:
        run(plan(text), out=tmp_path / "out")
    assert (tmp_path / "closed").read_text().count("closed") == 4
    [failure] = error.value.result.failures  # type: ignore[attr-defined]
    assert failure.entries[0] <= 4 < failure.entries[1]
    assert "in entry 4" in failure.fault.traceback


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('use = "thepipe:absent.X"', r"cannot import the module 'absent\.X'.*plan.toml, line 5"),
        ('use = "thepipe:pipemodules.np.pi"', "cannot import|neither a class"),
        (
            'use = "thepipe:pipemodules.Halve"\nkm3gpu = { coloms = [] }',
            "km3gpu = .*write a table of columns",
        ),
        ('use = "thepipe:pipemodules.Halve"\nkm3gpu = { makes = ["hits"] }', "no dtype|names no column"),
        ('use = "thepipe:pipemodules.Halve"\nkm3gpu = { makes = ["a/b: nix"] }', "'a/b: nix' has no dtype"),
        ('use = "thepipe:pipemodules.Halve"\nkm3gpu = { columns = ["hits"] }', "columns: 'hits'"),
        ('use = "thepipe:pipemodules.Halve"\nkm3gpu = { files = ["x"] }', "files names 'x'"),
        ('use = "thepipe:pipemodules.Pump"', "a pump is no stage"),
        ('use = "thepipe:pipemodules.Sink"', "writes 'out.h5', anew for each chunk: a sink is no stage"),
        ('use = "thepipe:pipemodules.Needs"', "needs the service 'calibrate'"),
        (
            'use = "thepipe:pipemodules.forget"\nkm3gpu = { makes = ["events/x: i4"] }',
            r"gave no 'x' \[.*entry 0|the module gave no 'x'",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, plan: Callable[..., Path], table: str, words: str) -> None:
    with pytest.raises(k3.errors.Km3GpuError, match=words):
        run(plan("[[stage]]\n" + table), out=tmp_path / "out")


def test_lists_are_objects_and_stay(tmp_path: Path, plan: Callable[..., Path]) -> None:
    text = (
        '[[stage]]\nuse = "thepipe:pipemodules.forget"\nkm3gpu = {columns = ["tracks/fitinf", "tracks/t"]}\n'
    )
    plan_file = plan(text)
    name = "testdata:offline/km3net_offline.root"
    result = run(plan_file, name, out=tmp_path / "out", chunk=5)
    got = ParquetSink().read(result.outputs[0])["tracks"]
    [whole] = k3.open(name).chunks("1 GB", tables=["tracks"])
    fitinf = whole.tracks.flat("fitinf").content
    assert np.array_equal(got.flat("fitinf").content, fitinf, equal_nan=True)
    assert np.array_equal(got.flat("t"), whole.tracks.flat("t"))
    blob = next(iter(EventPump(filename=name, tables=["tracks"])))
    assert np.array_equal(blob["Tracks"].fitinf[0], whole.tracks.fitinf[0][0], equal_nan=True)


def test_values_that_are_not_plain(tmp_path: Path, plan: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="no plain value"):
        read_recipe(plan('[[stage]]\nuse = "thepipe:pipemodules.Halve"\nwhen = {a = 2020-01-01}\n'))
