"""What thepipe does wrong, and `km3gpu.compat.thepipe` right: each script is run with both.

A script gives what it saw; that of thepipe is written down, so that a version of
thepipe that is right, too, is noticed.
"""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import thepipe

import km3gpu.compat.thepipe as ours

Script = Callable[[ModuleType], Any]


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    for package in (thepipe, ours):
        package.Provenance().reset()
    yield
    signal.signal(signal.SIGINT, before)  # thepipe keeps it


def outcome(script: Callable[[], Any]) -> Any:
    """Give what a script gives, or the name of what it raises."""
    try:
        return script()
    except (Exception, RecursionError) as error:
        return type(error).__name__


def statuses(tp: ModuleType, name: str = "pipeline") -> list[str]:
    return [a["status"] for a in tp.Provenance().provenance if a["name"] == name]


def a_sink_is_closed_after_an_error(tp: ModuleType) -> Any:
    class Sink(tp.Module):  # type: ignore[name-defined,misc]
        def process(self, blob: Any) -> Any:
            raise ValueError("bad data")

        def finish(self) -> None:
            closed.append(True)

    closed: list[bool] = []
    pipe = tp.Pipeline()
    pipe.attach(Sink)
    return outcome(pipe.drain), closed, statuses(tp)


def drained_in_a_thread(tp: ModuleType) -> Any:
    pipe = tp.Pipeline()
    pipe.attach(lambda blob: blob)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(outcome(lambda: dict(pipe.drain(2)))))
    thread.start()
    thread.join()
    return results


def modules_and_services_are_copied(tp: ModuleType) -> Any:
    module = tp.Module("mine", a=1)
    copies = (lambda: pickle.loads(pickle.dumps(module)).parameters, lambda: copy.deepcopy(module.services))
    return [outcome(lambda c=c: isinstance(c(), dict | type(module.services))) for c in copies]


def records_of_two_pipelines(tp: ModuleType) -> Any:
    first, second = tp.Pipeline(), tp.Pipeline()
    for pipe in (first, second):
        pipe.attach(tp.Module, "first" if pipe is first else "second")
    first.drain(1)
    second.drain(1)
    found = [a["configuration"] for a in tp.Provenance().provenance if a["name"] == "pipeline"]
    return [[m["name"] for m in c.get("modules", ())] for c in found]


def a_function_attached_twice(tp: ModuleType) -> Any:
    def count(blob: Any) -> Any:
        seen.append(1)
        return blob

    seen: list[int] = []
    pipe = tp.Pipeline()
    pipe.attach(count)
    pipe.attach(count, "rarely", every=4)
    pipe.drain(4)
    return len(seen)


def modules_of_one_name(tp: ModuleType) -> Any:
    class Give(tp.Module):  # type: ignore[name-defined,misc]
        def finish(self) -> Any:
            return self.get("what")

    pipe = tp.Pipeline()
    pipe.attach(Give, what=1)
    pipe.attach(Give, what=2)
    return sorted(pipe.drain(1).values())


def an_interrupted_pipeline(tp: ModuleType) -> Any:
    pipe = tp.Pipeline()
    pipe.attach(lambda blob: os.kill(os.getpid(), signal.SIGINT) or blob)
    before = signal.getsignal(signal.SIGINT)
    pipe.drain()
    return statuses(tp), signal.getsignal(signal.SIGINT) is before


def an_activity_that_raises(tp: ModuleType) -> Any:
    def script() -> None:
        with tp.Provenance().activity("step"):
            raise KeyError("x")

    return outcome(script), statuses(tp, "step")


@pytest.mark.parametrize(
    ("script", "wrong", "right"),
    [
        (a_sink_is_closed_after_an_error, ("ValueError", [], []), ("ValueError", [True], ["error"])),
        (drained_in_a_thread, ["ValueError"], [{}]),
        (modules_and_services_are_copied, ["AttributeError", "RecursionError"], [True, True]),
        (records_of_two_pipelines, [[], ["second"]], [["first"], ["second"]]),
        (a_function_attached_twice, 2, 5),
        (modules_of_one_name, [2], [1, 2]),
        (an_interrupted_pipeline, (["completed"], False), (["interrupted"], True)),
        (an_activity_that_raises, ("KeyError", []), ("KeyError", ["error"])),
    ],
)
def test_a_fault_of_thepipe(script: Script, wrong: Any, right: Any) -> None:
    assert script(ours) == right
    assert script(thepipe) == wrong


def test_a_process_that_is_killed_leaves_a_record(tmp_path: Path) -> None:
    script = """
        import os, signal
        from {} import Module, Pipeline, Provenance
        Provenance().outfile = "out/{}.json"
        pipe = Pipeline()
        pipe.attach(lambda blob: os.kill(os.getpid(), signal.{}))
        pipe.drain(2)
        """
    for package, name, number, left in (
        ("thepipe", "a", "SIGTERM", False),
        ("thepipe", "b", "SIGKILL", False),
        ("km3gpu.compat.thepipe", "c", "SIGTERM", True),
        ("km3gpu.compat.thepipe", "d", "SIGKILL", True),
    ):
        text = textwrap.dedent(script.format(package, name, number))
        assert subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True).returncode
        assert (tmp_path / "out" / f"{name}.json").exists() == left, (package, number)


def test_what_is_called_ignored(capfd: pytest.CaptureFixture[str]) -> None:
    told = []
    for tp in (thepipe, ours):
        pipe = tp.Pipeline()
        pipe.attach(tp.Module, blob_keys=["a"])
        told.append("ignored" in capfd.readouterr().err)
    assert told == [True, False]
