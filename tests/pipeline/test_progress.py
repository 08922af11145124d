"""Progress: JSON lines for programs, a bar for people, nothing in a pipe."""

from __future__ import annotations

import io
import json
import sys

import pytest

from km3gpu.chunk import Origin
from km3gpu.pipeline.faults import Fault
from km3gpu.pipeline.plan import PlannedChunk
from km3gpu.pipeline.progress import progress, short
from km3gpu.pipeline.receipt import Receipt

CHUNKS = [
    PlannedChunk(str(i), Origin("x.root", "daq", "KM3NET_EVENT", 100 * i, 100 * i + 100)) for i in range(4)
]


def receipt(i, state="done"):
    fault = None if state == "done" else Fault("data", "FormatError", "bytes that make no sense")
    return Receipt(
        str(i), state, 1, "x.root", "KM3NET_EVENT", (100 * i, 100 * i + 100), n_in=100, n_out=90,
        rows={"hits": 5000, "events": 90}, bytes_in=2_000_000, worker="h:1", fault=fault,
    )  # fmt: skip


class Terminal(io.StringIO):
    """A terminal of which the text can be had."""

    def isatty(self):
        return True


def run(show):
    with progress(CHUNKS, {"0"}, show) as bar:
        bar.note(dashboard="http://host:8787/status")
        bar.tell(receipt(1))
        bar.tell(receipt(2, "failed"))
        bar.tell(receipt(3))
        bar.say("merging events.parquet")


def test_a_run_goes_on_when_nobody_listens_any_more(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    run("json")


def test_json_lines(capsys):
    run("json")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [e["event"] for e in lines] == ["began", "note", "chunk", "chunk", "chunk", "step", "ended"]
    assert lines[0] == {"event": "began", "chunks": 4, "events": 400, "done": 100}
    assert lines[1]["dashboard"] == "http://host:8787/status"
    one, bad, last = lines[2:5]
    assert (one["state"], one["done"], one["failed"], one["why"]) == ("done", 200, 0, None)
    assert (bad["state"], bad["done"], bad["why"]) == ("failed", 200, "bytes that make no sense")
    assert last["left"] == pytest.approx(100 / last["rate"])
    assert last["hits_rate"] == pytest.approx(last["rate"] * 50)
    assert last["bytes_rate"] == pytest.approx(last["rate"] * 20_000)
    assert lines[-1] == {"event": "ended", "done": 300, "events": 400, "chunks": 2, "failed": 1}


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    run(None)
    said = terminal.getvalue()
    assert "http://host:8787/status" in said
    assert "300/400" in said
    assert "events/s" in said
    assert "hits/s" in said
    assert "MB/s" in said
    assert "1 failed" in said
    assert "merging events.parquet" in said


def test_nothing_in_a_pipe(capsys):
    run(None)
    assert capsys.readouterr().err == ""


def test_rates_in_short():
    words = [short(n) for n in (0, 7.246, 999.4, 999.6, 12_345, 4.56e6)]
    assert words == ["0", "7.25", "999", "1k", "12.3k", "4.56M"]
