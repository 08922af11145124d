from __future__ import annotations

from pathlib import Path

import pytest

from km3gpu.cli.main import call
from km3gpu.cli.score import scores


def test_a_file_with_its_own_parameters(data: Path) -> None:
    path = str(data / "online/events_sample.root")
    got = scores(path, str(data / "detx/detx_v4.detx"))
    assert got["parameters"] == path
    rows = {r["trigger"]: r for r in got["scores"]}
    assert list(rows) == ["3DMuon", "3DShower", "MXShower"]
    assert rows["3DMuon"]["efficiency"] == 1.0
    assert rows["3DMuon"]["both"] == 6


def test_parameters_of_another_file_are_taken(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, other = (str(data / f"online/{n}.root") for n in ("km3net_online", "events_sample"))
    assert call(["score", path, "-a", str(data / "detx/detx_v4.detx"), "-p", other]) == 0
    printed = capsys.readouterr().out
    assert "3DMuon" in printed
    assert "without FACTORY_LIMIT" in printed


def test_a_set_that_there_is_not(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(data / "online/km3net_online.root")
    assert call(["score", path, "-a", str(data / "detx/detx_v4.detx"), "-p", "orca5"]) == 1
    assert "no set of trigger parameters 'orca5'" in capsys.readouterr().err
