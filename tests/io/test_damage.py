"""Damaged files: an error of ours that names the file, or data; no crash, no hang, no huge allocation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from km3gpu.cli.main import call
from tests.io import damage

ROOT = Path(__file__).parents[2]


def damaged(path: Path) -> dict[str, Any]:
    """Damage a file in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.io.damage", str(path), "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "name",
    [
        "offline/km3net_offline.root",
        "online/km3net_online.root",
        "mupage/mcv8.1.mupage_tuned_100G.sirene.jterbr00013288.10.root",
    ],
)
def test_a_damaged_file_gives_an_error_or_data(data, name):
    found = damaged(data / name)
    assert found["bad"] == []
    outcomes = found["outcomes"]
    assert outcomes["cut: TruncatedFileError"] == damage.TRUNCATIONS
    assert sum(outcomes.values()) == 600
    assert outcomes["flip: FormatError"] > 50
    assert outcomes["record: FormatError"] > 50


@pytest.mark.parametrize("name", ["own.parquet", "own.h5", "km3pipe.h5", "evt/KM3Sim.evt"])
def test_other_formats(data, tmp_path, name):
    path = data / name if "/" in name else tmp_path / name
    if not path.exists():
        chosen = ["--format", "km3pipe"] if name.startswith("km3pipe") else []
        assert call(["convert", str(data / "online/km3net_online.root"), str(path), *chosen]) == 0
    found = damaged(path)
    assert found["bad"] == []
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == 6 * damage.OTHERS
    kind = "FormatError" if path.suffix == ".evt" else "TruncatedFileError"
    assert outcomes[f"cut: {kind}"] >= damage.OTHERS - 4
    if path.suffix == ".parquet":  # pages have checksums
        assert outcomes["flip: FormatError"] > damage.OTHERS
