"""``km3gpu demo`` from the first line to the picture, and its limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# a process of its own waits for the demo, so that no other child of the tests is measured
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(code)
"""
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "km3gpu", "demo", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out, done


def test_the_table_says_what_was_done(demo):
    _, done = demo
    rows = {line[:16].strip(): line[16:].split() for line in done.stdout.splitlines()}
    assert rows["events"] == ["31", "250"]
    assert rows["hits"] == ["181,484", "319,713"]
    assert len(rows["clusters"]) == 2
    assert rows["calibrate time"][1::2] == ["s", "s"]
    assert (
        "largest difference to the file's own calibration of 181,484 hits: t 0 ns, pos 0 m, dir 0"
        in done.stdout
    )


def test_outputs_and_picture_are_where_it_says(demo):
    out, done = demo
    written = [line.split()[1] for line in done.stdout.splitlines() if line.strip().startswith("wrote ")]
    assert len(written) == 4
    assert all(Path(p).stat().st_size > 1_000_000 for p in written)
    assert f"event display: {out / 'event.png'}" in done.stdout
    assert (out / "event.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "event.png").stat().st_size > 50_000


def test_it_says_which_commands_it_runs(demo):
    out, done = demo
    commands = [line for line in done.stderr.splitlines() if line.startswith("$ km3gpu run ")]
    assert len(commands) == 2
    assert str(out / "offline.toml") in commands[0]


def test_a_second_demo_replaces_the_first(demo):
    out, _ = demo
    command = [sys.executable, "-m", "km3gpu", "demo", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "done before" not in done.stdout


def test_peak_memory_is_under_600_mb(demo):
    _, done = demo
    (peak,) = (int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("peak "))
    assert 200e6 < peak < 600e6
