"""Damaged files: an error of ours that names the file, or data; no crash, no hang, no huge allocation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.io import damage

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    [
        "offline/km3net_offline.root",
        "online/km3net_online.root",
        "mupage/mcv8.1.mupage_tuned_100G.sirene.jterbr00013288.10.root",
    ],
)
def test_a_damaged_file_gives_an_error_or_data(data, name):
    run = subprocess.run(
        [sys.executable, "-m", "tests.io.damage", str(data / name), "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["bad"] == []
    outcomes = found["outcomes"]
    assert outcomes["cut: TruncatedFileError"] == damage.TRUNCATIONS
    assert sum(outcomes.values()) == 600
    assert outcomes["flip: FormatError"] > 50
    assert outcomes["record: FormatError"] > 50
