"""What goes wrong in thepipe does not here: errors, signals, threads, copies, several pipelines."""

from __future__ import annotations

import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from km3gpu.compat.thepipe import Blob, Module, Pipeline, Provenance
from km3gpu.errors import ConfigError, InputNotFoundError


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Provenance().reset()
    yield
    Provenance().reset()


class Sink(Module):
    """Opened, and to be closed."""

    def configure(self) -> None:
        self.open = True
        self.step = self.get("step", default=1)
        self.n = 0

    def process(self, blob: Any) -> Any:
        self.n += self.step
        return blob

    def finish(self) -> int:
        self.open = False
        return self.n


class Faulty(Module):
    """Raises where it is told to."""

    def configure(self) -> None:
        self.at = self.require("at")
        if self.at == "configure":
            raise ZeroDivisionError("in configure")

    def prepare(self) -> None:
        if self.at == "prepare":
            raise ZeroDivisionError("in prepare")

    def process(self, blob: Any) -> Any:
        if self.at == "process":
            raise ZeroDivisionError("in process")
        return blob

    def finish(self) -> None:
        if self.at == "finish":
            raise ZeroDivisionError("in finish")


def activity(name: str = "pipeline") -> dict[str, Any]:
    [found] = [a for a in Provenance().provenance if a["name"] == name]
    return found


@pytest.mark.parametrize("at", ["prepare", "process", "finish"])
def test_every_module_is_finished_and_the_record_tells_the_error(at: str) -> None:
    pipe = Pipeline()
    pipe.attach(Sink, "before")
    pipe.attach(Faulty, at=at)
    pipe.attach(Sink, "after")
    with pytest.raises(ZeroDivisionError, match=f"in {at}"):
        pipe.drain(3)
    assert [m.open for m in (pipe.modules[0], pipe.modules[2])] == [False, False]
    record = activity()
    assert record["status"] == "error"
    [error] = record["errors"]
    assert (error["type"], error["message"], error["module"]) == ("ZeroDivisionError", f"in {at}", "Faulty")
    assert record["configuration"]["cycles"] == (3 if at == "finish" else 0)
    assert record["stop"]


def test_an_error_while_attaching_is_in_the_record() -> None:
    pipe = Pipeline()
    with pytest.raises(ZeroDivisionError):
        pipe.attach(Faulty, at="configure")
    pipe.attach(Sink)
    assert pipe.drain(2)["Sink"] == 2  # type: ignore[index]
    assert activity()["errors"][0]["module"] == "Faulty"


def test_an_activity_that_raises_ends_with_an_error() -> None:
    with pytest.raises(KeyError), Provenance().activity("step"):
        raise KeyError("x")
    assert activity("step")["status"] == "error"
    assert activity("step")["errors"] == [{"type": "KeyError", "message": "'x'"}]


def test_modules_blobs_and_services_are_copied_and_pickled() -> None:
    pipe = Pipeline()
    pipe.attach(Sink, "sink", step=2)
    [module] = pipe.modules
    module({})
    module.services.register("limit", 5)
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert (other.name, other.n, other.parameters) == ("sink", 2, {"step": 2})
        assert other.services.limit == 5
        assert other.process({"a": 1}) == {"a": 1}
        assert other.log is module.log
        other.cprint("here")
    assert module.n == 2
    with pytest.raises(AttributeError, match="no service 'absent'"):
        _ = module.services.absent
    blob = pickle.loads(pickle.dumps(Blob(a=1)))
    assert (type(blob), blob) == (Blob, {"a": 1})


def test_pipelines_in_threads_keep_their_records_apart(tmp_path: Path) -> None:
    results: dict[str, Any] = {}
    barrier = threading.Barrier(2)

    class Reader(Module):
        def process(self, blob: Any) -> Any:
            barrier.wait(10)
            Provenance().record_input(f"{self.require('file')}")
            with Provenance().activity(f"inner {self.require('file')}"):
                barrier.wait(10)
            return blob

    def work(name: str) -> None:
        pipe = Pipeline()
        pipe.attach(Reader, file=name)
        pipe.attach(Sink)
        results[name] = pipe.drain(2)["Sink"]  # type: ignore[index]

    threads = [threading.Thread(target=work, args=(n,)) for n in ("a.root", "b.root")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {"a.root": 2, "b.root": 2}
    records = [a for a in Provenance().provenance if a["name"] == "pipeline"]
    inputs = sorted([i["url"] for i in r["input"]] for r in records)
    assert inputs == [["a.root"] * 2, ["b.root"] * 2]
    for record in records:
        children = [a for a in Provenance().provenance if a["uuid"] in record["child_activities"]]
        assert {c["name"] for c in children} == {f"inner {record['input'][0]['url']}"}
        assert {c["parent_activity"] for c in children} == {record["uuid"]}


def test_two_pipelines_built_before_draining() -> None:
    first, second = Pipeline(), Pipeline()
    first.attach(Sink, "one")
    second.attach(Sink, "two")
    second.drain(2)
    first.drain(1)
    records = [a for a in Provenance().provenance if a["name"] == "pipeline"]
    assert [r["configuration"]["modules"][0]["name"] for r in records] == ["two", "one"]
    assert [r["configuration"]["cycles"] for r in records] == [2, 1]
    assert [r["parent_activity"] for r in records] == [None, None]


def test_a_function_attached_twice_and_modules_of_one_name() -> None:
    seen = []

    def look(blob: Any) -> Any:
        seen.append(sorted(blob))
        return blob

    pipe = Pipeline()
    pipe.attach(look, "first")
    pipe.attach(lambda blob: {**blob, "x": 1})
    pipe.attach(look, "second", every=2, only_if="x")
    pipe.attach(Sink)
    pipe.attach(Sink, step=5)
    result = pipe.drain(4)
    assert [m.name for m in pipe.modules] == ["first", "<lambda>", "second", "Sink", "Sink"]
    assert seen == [[], [], ["x"], [], [], ["x"]]
    assert result == {"Sink#1": 4, "Sink": 20}
    assert not hasattr(look, "every")


def test_a_reserved_parameter_is_not_called_ignored(capfd: pytest.CaptureFixture[str]) -> None:
    pipe = Pipeline()
    pipe.attach(Sink, blob_keys=["a"], every=1, only_if=[], timeit=True)
    assert "ignored" not in capfd.readouterr().err


def test_what_cannot_be_attached_or_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot attach 3"):
        Pipeline().attach(3)
    module = Sink()
    (tmp_path / "x").write_bytes(b"y")
    with module.open_file(str(tmp_path / "x")) as file:
        assert file.read() == b"y"
    with pytest.raises(InputNotFoundError, match="no file 'absent'"):
        module.open_file("absent")


def test_an_instance_can_be_attached() -> None:
    pipe = Pipeline()
    pipe.attach(Sink(step=3), "mine")
    assert pipe.drain(2) == {"mine": 6}


def test_handlers_of_signals_are_given_back() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    pipe = Pipeline()
    pipe.attach(Sink)
    pipe.drain(1)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_interrupted_pipeline_is_recorded_as_such() -> None:
    pipe = Pipeline()
    pipe.attach(Sink)
    pipe.attach(lambda blob: os.kill(os.getpid(), signal.SIGINT) or blob)
    assert pipe.drain() == {"Sink": 1}
    assert (activity()["status"], activity()["configuration"]["interrupted"]) == ("interrupted", True)

    def stop(blob: Any) -> Any:
        raise KeyboardInterrupt

    pipe = Pipeline()
    pipe.attach(Sink)
    pipe.attach(stop)
    assert pipe.drain() == {"Sink": 1}
    assert pipe.was_interrupted


# -- the end of a process ------------------------------------------------------
SCRIPT = """
import os, signal, sys, time
from km3gpu.compat.thepipe import Module, Pipeline, Provenance

class Sink(Module):
    def configure(self):
        if self.get("broken"):
            raise ValueError("bad data")

    def process(self, blob):
        if self.get("kill"):
            for _ in range(self.get("times", default=1)):
                os.kill(os.getpid(), getattr(signal, self.get("kill")))
                time.sleep(0.01)
        if self.get("bad"):
            raise ValueError("bad data")
        return blob

    def finish(self):
        Provenance().record_output("out.h5")
        open("closed", "w").close()

Provenance().outfile = "sub/record.json"
pipe = Pipeline()
pipe.attach(Sink, **eval(sys.argv[1]))
pipe.drain(3)
print("went on")
"""


@pytest.mark.parametrize(
    ("how", "code", "status", "session"),
    [
        ("{}", 0, "completed", "completed"),
        ("dict(bad=True)", 1, "error", "error"),
        ("dict(broken=True)", 1, "error", "error"),
        ("dict(kill='SIGINT')", 0, "interrupted", "completed"),
        ("dict(kill='SIGINT', times=2)", 130, "interrupted", "completed"),
        ("dict(kill='SIGTERM')", 143, "interrupted", "completed"),
        ("dict(kill='SIGKILL')", -9, "unfinished", "unfinished"),
    ],
)
def test_there_is_a_record_whatever_ends_the_process(
    tmp_path: Path, how: str, code: int, status: str, session: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), how], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert ("went on" in done.stdout) == (code == 0)
    told = "Provenance information has been written to 'sub/record.json'"
    assert (told in done.stdout) == (code != -9)
    record = json.loads((tmp_path / "sub" / "record.json").read_text())
    states = {a["name"]: a["status"] for a in record}
    assert states == {"pipeline": status, "main session": session}
    finished = code != -9 and "broken" not in how
    assert (tmp_path / "closed").exists() == finished
    [pipeline] = [a for a in record if a["name"] == "pipeline"]
    assert [o["url"] for o in pipeline["output"]] == (["out.h5"] if finished else [])
    if status == "error":
        assert pipeline["errors"][0]["message"] == "bad data"
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["record.json"]
