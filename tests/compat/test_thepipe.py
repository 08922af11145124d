"""The same scripts through thepipe and through km3gpu.compat.thepipe: the same calls, blobs and results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import thepipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import km3gpu.compat.thepipe as ours
from km3gpu.errors import ConfigError, InputNotFoundError

Script = Callable[[ModuleType], Any]


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    for package in (thepipe, ours):
        package.Provenance().reset()
    yield
    signal.signal(signal.SIGINT, before)  # thepipe keeps it


def both(script: Script) -> Any:
    """Run a script with both packages, see that the results are equal, and give them."""
    expected, got = script(thepipe), script(ours)
    assert got == expected
    return got


def spies(tp: ModuleType, calls: list[Any]) -> tuple[type, type]:
    """Make a pump of four blobs, and a module that tells what happens to it."""

    class Pump(tp.Module):  # type: ignore[name-defined,misc]
        def configure(self) -> None:
            self.n = self.get("n", default=4)
            self.i = 0

        def process(self, blob: Any) -> Any:
            self.i += 1
            if self.i > self.n:
                raise StopIteration
            blob["i"] = self.i
            blob["squares"] = np.arange(self.i) ** 2
            return blob

    class Spy(tp.Module):  # type: ignore[name-defined,misc]
        def configure(self) -> None:
            calls.append((self.name, "configure", self.get("a"), self.get("b", default=7)))
            self.seen = 0

        def prepare(self) -> None:
            calls.append((self.name, "prepare"))

        def process(self, blob: Any) -> Any:
            self.seen += 1
            calls.append((self.name, [(k, str(v)) for k, v in blob.items()]))
            if self.get("stop_at") == self.seen:
                return None
            blob[self.name] = self.seen
            return blob

        def finish(self) -> Any:
            calls.append((self.name, "finish"))
            return {"seen": self.seen}

    return Pump, Spy


@pytest.mark.parametrize("cycles", [None, 0, 1, 3, 9])
def test_order_of_calls_and_results(cycles: int | None) -> None:
    def script(tp: ModuleType) -> Any:
        calls: list[Any] = []
        pump, spy = spies(tp, calls)
        pipe = tp.Pipeline()
        pipe.attach(pump)
        pipe.attach(spy, a=1)
        pipe.attach(spy, "second", b=2, stop_at=2)
        pipe.attach(lambda blob: calls.append(dict(blob).keys()) or blob, "function")
        pipe.attach(spy, "third")
        result = pipe.drain(cycles)
        return calls, list(result.items()), pipe.drain(), pipe._cycle_count

    calls, result, again, n = both(script)
    assert calls[-1] == ("third", "finish")
    assert [name for name, _ in result] == ["Pump", "Spy", "second", "third"]
    assert again is None
    assert n == min(cycles or 4, 4)


def test_what_modules_see() -> None:
    def script(tp: ModuleType) -> Any:
        calls: list[Any] = []
        pump, spy = spies(tp, calls)
        pipe = tp.Pipeline()
        pipe.attach(pump, n=6)
        pipe.attach(spy, "every", every=2)
        pipe.attach(spy, "key", only_if="every")
        pipe.attach(spy, "keys", only_if=["every", "nothing"])
        pipe.attach(spy, "some", blob_keys=["i", "key", "absent"])
        pipe.attach(spy, "none", blob_keys=["i"], stop_at=2)
        pipe.attach(spy, "last")
        pipe.drain()
        return calls

    calls = both(script)
    assert [c for c in calls if c[0] == "keys" and isinstance(c[1], list)] == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "only_if": st.sampled_from(["i", "m0", "m1", ["i", "m2"]]),
                "every": st.integers(1, 3),
                "blob_keys": st.lists(st.sampled_from(["i", "m0", "m1", "squares"]), max_size=3),
                "stop_at": st.integers(1, 3),
            },
        ),
        max_size=5,
    ),
    st.integers(0, 6),
)
def test_any_chain(chain: list[dict[str, Any]], cycles: int) -> None:
    def script(tp: ModuleType) -> Any:
        calls: list[Any] = []
        pump, spy = spies(tp, calls)
        pipe = tp.Pipeline()
        pipe.attach(pump)
        for i, how in enumerate(chain):
            pipe.attach(spy, f"m{i}", **how)
        return calls, list(pipe.drain(cycles).items())

    both(script)


def test_services() -> None:
    def script(tp: ModuleType) -> Any:
        class Offer(tp.Module):  # type: ignore[name-defined,misc]
            def configure(self) -> None:
                self.expose(lambda x: x + 1, "plus_one")

        class Use(tp.Module):  # type: ignore[name-defined,misc]
            def configure(self) -> None:
                self.require_service("plus_one", why="to add")

            def process(self, blob: Any) -> Any:
                blob["n"] = self.services["plus_one"](1)
                seen.append((blob["n"], "plus_one" in self.services, "x" in self.services))
                return blob

            def finish(self) -> str:
                return "done"

        seen: list[Any] = []
        pipe = tp.Pipeline()
        pipe.attach(Use)
        missing = pipe.services.get_missing_services(["plus_one", "b"])
        pipe.attach(Offer)
        result = pipe.drain(2)
        alone = tp.Pipeline()
        alone.attach(Use)
        return seen, result["Use"], missing, alone.drain(2)["Use"], len(seen)

    assert both(script)[-1] == 2


def test_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[VARIABLES]\nFILE = "run.root"\n[First]\na = "FILE"\nb = [1, 2]\n[Third]\na = 1\n'
    (tmp_path / "pipeline.toml").write_text(text)
    (tmp_path / "other.toml").write_text("[First]\na = 3\n")

    def script(tp: ModuleType) -> Any:
        calls: list[Any] = []
        _, spy = spies(tp, calls)
        for file in (None, "other.toml"):
            pipe = tp.Pipeline(configfile=file)
            pipe.attach(spy, "First", a="keyword")
            pipe.attach(spy, "Second", a="keyword")
        return calls

    assert both(script)[0] == ("First", "configure", "run.root", [1, 2])
    for package in (thepipe, ours):
        monkeypatch.setattr(package.core, "MODULE_CONFIGURATION", "other.toml")
    assert both(lambda tp: tp.Pipeline().module_configuration) == {"First": {"a": 3}}
    with pytest.raises(InputNotFoundError, match="absent"):
        ours.Pipeline(configfile="absent.toml")


def test_parameters(capfd: pytest.CaptureFixture[str]) -> None:
    def script(tp: ModuleType) -> Any:
        class Needs(tp.Module):  # type: ignore[name-defined,misc]
            def configure(self) -> None:
                self.add("late", 5)
                self.values = [self.require("a"), self.get("b"), self.get("late"), self.get("n", default=9)]

        module = Needs("mine", a=0, n=None, unused=1)
        with pytest.raises(TypeError, match="'a'"):
            Needs()
        return module.values, module.name, module.parameters, module.processed_parameters, module({"x": 1})

    both(script)
    assert capfd.readouterr().err.count("The following parameters were ignored: unused") == 2


def test_ctrl_c_ends_the_cycle_not_the_script() -> None:
    def script(tp: ModuleType) -> Any:
        calls: list[Any] = []
        pump, spy = spies(tp, calls)

        def interrupt(blob: Any) -> Any:
            if blob["i"] == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return blob

        pipe = tp.Pipeline()
        pipe.attach(pump)
        pipe.attach(interrupt)
        pipe.attach(spy)
        result = pipe.drain()
        return calls, list(result.items()), pipe.was_interrupted

    assert both(script)[-1]


def test_the_record() -> None:
    def script(tp: ModuleType) -> Any:
        record = tp.Provenance()

        class Writes(tp.Module):  # type: ignore[name-defined,misc]
            def configure(self) -> None:
                tp.Provenance().record_input("in.root", uuid="1", comment="read")

            def finish(self) -> None:
                tp.Provenance().record_output("out.h5", uuid="2")

        with record.activity("analysis"):
            record.record_configuration({"cuts": {1, 2}})
            pipe = tp.Pipeline()
            pipe.attach(Writes, only_if="nothing")
            pipe.attach(lambda blob: blob, "f")
            pipe.drain(3)
        names = {a["uuid"]: a["name"] for a in record.provenance}
        return [
            (
                a["name"],
                names.get(a["parent_activity"]),
                [names[c] for c in a["child_activities"]],
                a["status"],
                a["input"],
                a["output"],
                list(a),
                list(a["start"]),
                {k: list(v) if isinstance(v, dict) else type(v) for k, v in a["system"].items()},
                list(a["configuration"].items()),
                a["duration"] >= 0,
            )
            for a in record.provenance
        ]

    # thepipe spells one variable of conda wrongly
    expected, got = script(thepipe), script(ours)
    for activity in expected:
        names = activity[8]["environment"]
        names[names.index("CONDA_PROMOMPT_MODIFIER")] = "CONDA_PROMPT_MODIFIER"
    for mine in got:  # a dict keeps the order of its keys, which is not part of the format
        mine[6].sort()
    for theirs in expected:
        theirs[6].sort()
    assert got == expected
    assert [a[0] for a in got] == ["pipeline", "analysis"]


def test_a_module_passes_on_what_it_is_called_with() -> None:
    def script(tp: ModuleType) -> Any:
        class Add(tp.Module):  # type: ignore[name-defined,misc]
            def process(self, a: int, b: int = 0) -> int:
                return a + b

        return Add()(1), Add()(1, b=2), Add()(a=4)

    assert both(script) == (1, 3, 4)


def test_thepipe_s_own_tests_pass_with_ours() -> None:
    folder = Path(thepipe.__file__).parent / "tests"
    script = f"""
        import sys, unittest.mock
        sys.modules["mock"] = unittest.mock
        from km3gpu.compat import thepipe
        thepipe.take_over()
        import pytest
        options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null"]
        status = pytest.main([*options, {str(folder)!r}])
        assert sys.modules["thepipe"] is thepipe
        sys.exit(status)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_taking_over_must_come_first() -> None:
    with pytest.raises(ConfigError, match="thepipe was imported before"):
        ours.take_over()


def test_modules_of_thepipe_itself_can_be_attached() -> None:
    calls: list[Any] = []
    pump, spy = spies(thepipe, calls)
    pipe = ours.Pipeline()
    pipe.attach(pump)
    pipe.attach(spy, only_if="i", every=2)
    assert pipe.drain()["Spy"] == {"seen": 2}
