"""The program as a whole: quick to start, help for everything, usage errors on one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from km3gpu.cli.main import app

COMMANDS = sorted(
    {str(c.name) for c in app.registered_commands} | {str(g.name) for g in app.registered_groups}
)
HEAVY = {"astropy", "awkward", "dask", "distributed", "h5py", "matplotlib", "numba", "pyarrow", "uproot"}

PROBE = """
import json, sys, time
start = time.process_time()
from km3gpu.cli.main import call
code = call(["--help"])
print(json.dumps([code, time.process_time() - start, sorted(sys.modules)]))
"""


def test_help_is_quick_and_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    code, seconds, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    assert seconds < 0.6
    assert not {m.partition(".")[0] for m in modules} & HEAVY


def test_every_command_is_in_the_help(km3gpu):
    out = km3gpu("--help").out
    assert [c for c in COMMANDS if f"│ {c} " not in out] == []
    assert {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups} == set(
        COMMANDS
    )


@pytest.mark.parametrize(
    "command", [*COMMANDS, "prov show", "detector info", "detector diff", "detector convert"]
)
def test_every_command_has_help(km3gpu, command):
    said = km3gpu(*command.split(), "--help")
    assert said.code == 0
    assert f"Usage: km3gpu {command}" in said.out
    if command in {c.name for c in app.registered_commands}:
        assert "--debug" in said.out


@pytest.mark.parametrize("words", [[], ["prov"], ["detector"]])
def test_no_command_shows_the_help(km3gpu, words):
    said = km3gpu(*words)
    assert said.code == 2
    assert " ".join(["Usage: km3gpu", *words]) in said.out + said.err
    assert "error" not in said.err


def test_an_unknown_command(km3gpu):
    said = km3gpu("rum")
    assert said.code == 2
    assert said.error().startswith("No such command 'rum'")


def test_version(km3gpu):
    from km3gpu import __version__

    assert km3gpu("version").out == __version__ + "\n"
    assert km3gpu("version", "--source").out.startswith(__version__ + "+")


def test_a_terminal_that_knows_ascii_only():
    words = [sys.executable, "-m", "km3gpu", "tree", "testdata:online/muon_cc_daqevents.root"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    said = subprocess.run(words, env=environment, capture_output=True, check=True)
    assert b"+-- KM3NET_EVENT  250 entries" in said.stdout


def test_a_pipe_that_closes_early_is_no_error():
    command = f"{sys.executable} -m km3gpu tree testdata:offline/km3net_offline.root | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout == "testdata:offline/km3net_offline.root\n"
    assert done.stderr == ""
