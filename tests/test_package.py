"""What is installed: everything that the commands need, and nothing else."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    (path,) = WheelBuilder(str(ROOT)).build(
        directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"]
    )
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_demos_plans_are_in_the_wheel(wheel):
    plans = {name for name in wheel.namelist() if name.startswith("km3gpu/plans/")}
    assert {"km3gpu/plans/offline.toml", "km3gpu/plans/online.toml"} < plans
    examples = {n for n in plans if n.count("/") == 3}  # of stages and sinks
    assert {"km3gpu/plans/stages/select.toml", "km3gpu/plans/sinks/parquet.toml"} < examples
    assert len(plans) == len(examples) + 2
    assert wheel.read("km3gpu/plans/offline.toml") == (ROOT / "examples" / "offline.toml").read_bytes()


def test_every_source_file_is_in_the_wheel(wheel):
    here = {p.relative_to(ROOT).as_posix() for p in (ROOT / "km3gpu").rglob("*.py")}
    assert here == {name for name in wheel.namelist() if name.endswith(".py")}


def test_nothing_else_is_installed(wheel):
    folders = {name.partition("/")[0] for name in wheel.namelist()}
    assert {re.sub(r"-[^-]*\.dist-info", ".dist-info", f) for f in folders} == {"km3gpu", "km3gpu.dist-info"}


def test_the_command_and_the_licence_are_in_the_metadata(wheel):
    (points,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "km3gpu = km3gpu.cli.main:main" in wheel.read(points).decode()
    (metadata,) = (n for n in wheel.namelist() if n.endswith("METADATA"))
    text = wheel.read(metadata).decode()
    assert "License-Expression: MIT" in text
    extras = set(re.findall(r"Provides-Extra: (\S+)", text))
    assert {"cuda12", "cuda13", "ml", "astro", "services", "demo", "dev"} <= extras
