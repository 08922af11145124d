"""The README says what is so: its script runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_ten_lines_run():
    (script,) = blocks("python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(script, "README.md", "exec"), {})
    assert "hits: 319713" in out.getvalue()
    assert "clusters: " in out.getvalue()


def test_the_plan_is_valid(tmp_path):
    from km3gpu.pipeline import read_recipe

    (plan,) = blocks("toml")
    (tmp_path / "plan.toml").write_text(plan)
    assert [s.name for s in read_recipe(tmp_path / "plan.toml").stages] == [
        "calibrate",
        "coincidences",
        "summarise",
    ]


def test_commands_that_are_named_exist(km3gpu_commands):
    named = set(re.findall(r"(?:^|`)km3gpu ([a-z]+)", README, re.MULTILINE))
    assert {"run", "demo", "doctor"} <= named <= km3gpu_commands


@pytest.fixture
def km3gpu_commands():
    from km3gpu.cli.main import app

    return {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups}


def test_make_targets_that_are_named_exist():
    makefile = (ROOT / "Makefile").read_text()
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)`", text)) | set(
        re.findall(r"^make ([a-z]+)$", text, re.MULTILINE)
    )
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_paths_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    paths = re.findall(r"`((?:docs|examples|benchmarks)/[\w./-]+)`", text)
    missing = [p for p in links + paths if not (ROOT / p).exists()]
    assert missing == []
