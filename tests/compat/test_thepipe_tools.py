"""Blobs, loggers, tools and times of thepipe and of km3gpu.compat.thepipe: the same; and a pump of ours."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import thepipe.tools as their_tools

import km3gpu.compat.thepipe as ours
from km3gpu.compat.thepipe import tools as our_tools
from km3gpu.compat.thepipe.pump import EventPump

from .test_thepipe import _fresh, both, spies

__all__ = ["_fresh"]


def test_what_is_logged_and_printed(capfd: pytest.CaptureFixture[str]) -> None:
    def script(tp: ModuleType) -> Any:
        name = f"speaker of {tp.__name__}"
        log = tp.logger.get_logger(name)
        log.warning("%d hits", 3)
        for _ in range(2):
            log.once("once")
        log.deprecation("old")
        tp.logger.set_level(name, "CRITICAL")
        log.error("not told")
        tp.logger.get_printer(name)("hello")
        printed = capfd.readouterr()
        text = (printed.out + printed.err).replace(tp.__name__, "it")
        text = re.sub(r"\033\[[\d;]+m", "", text)  # thepipe colours what goes into files, too
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "now", text).splitlines()

    assert both(script)[1] == "now WARNING  ++ speaker of it: 3 hits"


def test_blob() -> None:
    def script(tp: ModuleType) -> Any:
        blob = tp.Blob({"a": 1, "long_key": "x"})
        blob["b"] = [1]
        with pytest.raises(KeyError):
            blob["c"]
        return str(blob), str(tp.Blob()), list(blob), blob == {"a": 1, "long_key": "x", "b": [1]}

    both(script)


def test_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["x", our_tools.colored("y", "red", "on_white", ["bold"]) + "z"]
    for text, color, on, attrs in itertools.product(
        texts, (None, "red", "white"), (None, "on_blue"), (None, [], ["bold", "underline"])
    ):
        # thepipe writes out the code that ends a colour, letter by letter
        expected = their_tools.colored(text, color, on, attrs).replace(r"\033[0m", "\033[0m")
        assert our_tools.colored(text, color, on, attrs) == expected
    assert our_tools.colored("x", ansi_code=3) == their_tools.colored("x", ansi_code=3)
    lines: list[str] = []
    for tools in (their_tools, our_tools):
        with tools.Timer("Sleep", precision=1, callback=lines.append):
            pass
        calls: list[int] = []
        cuckoo = tools.Cuckoo(60, calls.append)
        for i in range(3):
            cuckoo(i)
        assert calls == [0]
        with tools.ignored(KeyError):
            raise KeyError
    assert lines[0] == lines[1] == "Sleep took 0.0s (CPU 0.0s)."
    assert our_tools.peak_memory_usage() == pytest.approx(their_tools.peak_memory_usage(), rel=0.5)
    monkeypatch.setenv("ANSI_COLORS_DISABLED", "")
    assert our_tools.colored("x", "red") == "x"


def test_statistics_are_printed_and_can_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    def script(tp: ModuleType) -> Any:
        pump, spy = spies(tp, [])
        pipe = tp.Pipeline(timeit=True, stats_limit=2)
        pipe.attach(pump)
        pipe.attach(spy)
        pipe.drain()
        lines = capsys.readouterr().out.splitlines()
        return [line.split(":")[0].split(" took")[0].split(" in ")[0] for line in lines]

    lines = both(script)
    assert "4 cycles drained" in lines
    pump, _ = spies(ours, [])
    pipe = ours.Pipeline()
    pipe.attach(pump, timeit=True)
    pipe.drain()
    [module] = pipe.statistics["modules"]
    assert (module["name"], module["n"]) == ("Pump", 4)
    assert module["wall"]["min"] <= module["wall"]["medi"] <= module["wall"]["max"] <= module["wall"]["sum"]
    assert pipe.statistics["cycles"]["n"] == 4


# -- a pump for real files -----------------------------------------------------
def test_event_pump(data: Path) -> None:
    pipe = ours.Pipeline()
    seen: list[Any] = []
    pipe.attach(EventPump, filename=str(data / "offline/numucc.root"), chunk=3)
    pipe.attach(lambda blob: seen.append(blob) or blob)
    pipe.drain()
    assert len(seen) == 10
    hits = [blob["Hits"] for blob in seen]
    import km3io

    file = km3io.OfflineReader(str(data / "offline/numucc.root"))
    assert [len(h) for h in hits] == file.n_hits.tolist()
    assert hits[3].dom_id.tolist() == file[3].hits.dom_id.tolist()
    assert hits[3].time.tolist() == file[3].hits.t.tolist()
    assert [int(b["EventInfo"].run_id[0]) for b in seen] == file.run_id.tolist()
    assert seen[0]["McTracks"].pdgid.tolist() == file[0].mc_tracks.pdgid.tolist()
    [record] = [a for a in ours.Provenance().provenance if a["name"] == "pipeline"]
    assert record["input"][0]["url"].endswith("numucc.root")
    assert len(list(EventPump(filename=str(data / "offline/numucc.root")))) == 10
