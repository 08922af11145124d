"""Clocks that are set back while a run is at work, or between two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from km3gpu.pipeline import provenance, resume, run
from km3gpu.pipeline.watch import standing

PlanMaker = Callable[..., Path]

# every process of the run starts with a clock that jumps to and fro by an hour
JUMPY = """
    import os, time
    _time, _calls = time.time, [0]
    def jumpy():
        _calls[0] += 1
        return _time() + float(os.environ["CLOCK"]) + (3600.0 if _calls[0] % 3 else -3600.0)
    time.time = jumpy
    """


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(JUMPY))

    def begin(plan: Path, out: Path, clock: float, **how: object) -> subprocess.Popen[str]:
        code = f"from km3gpu.pipeline import run; run({str(plan)!r}, out={str(out)!r}, **{how!r})"
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=plan.parent,
            env={**os.environ, "PYTHONPATH": path, "CLOCK": str(clock)},
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


def test_order_and_durations_hold(
    tmp_path: Path, odd: PlanMaker, start: Callable[..., subprocess.Popen[str]]
) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    plan, out = odd(seconds=0.1), tmp_path / "out"
    journal, end = out / "journal.jsonl", time.monotonic() + 60
    process = start(plan, out, 50_000.0, workers=2)
    while not journal.exists() or journal.read_text().count('"receipt"') < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    now = standing(out)
    assert now.running
    assert 0 < now.elapsed < 60
    assert now.rate > 0
    process.kill()
    process.communicate()
    process = start(plan, out, -50_000.0)  # half a day before the first
    while journal.read_text().count('"receipt"') < 5:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert "stopped by SIGTERM" in err
    record = json.loads((out / "provenance.json").read_text())
    assert record["status"] == "interrupted"
    process = start(plan, out, -200_000.0)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (out / "events.parquet").read_bytes() == whole.outputs[0].read_bytes()
    record = provenance.read(out)
    statuses = [s["ended"]["status"] for s in record["sessions"]]
    assert statuses == ["killed", "interrupted", "complete"]
    assert (record["status"], record["complete"]) == ("complete", True)
    times = [s["time"] for s in record["sessions"]]
    assert times == sorted(times, reverse=True)  # the clocks did go backwards
    for session in record["sessions"][1:]:
        assert 0 < session["ended"]["seconds"] < 60
    assert len(record["chunks"]) == 10
    assert all(v >= 0 for c in record["chunks"] for v in c["seconds"].values())
    after = standing(out)
    assert (after.status, after.done) == ("complete", 10)
    assert 0 < after.elapsed < 60
    assert resume(out).resumed == 10


def test_a_record_older_than_its_journal_by_the_clock_is_known(tmp_path: Path, odd: PlanMaker) -> None:
    result = run(odd(chunk=125), out=tmp_path / "out")
    os.utime(result.provenance, (1, 1))
    assert provenance.read(tmp_path / "out")["status"] == "complete"
    with open(tmp_path / "out" / "journal.jsonl", "a") as file:
        file.write(json.dumps({"event": "started", "session": "x", "time": 5.0, "worker": "w:1"}) + "\n")
    os.utime(tmp_path / "out" / "journal.jsonl", (0, 0))  # written by a machine whose clock is behind
    assert provenance.read(tmp_path / "out")["status"] == "killed"
