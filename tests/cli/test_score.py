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


def test_simulated_light_of_daq_events(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, light = str(data / "online/muon_cc_daqevents.root"), str(data / "offline/muon_cc_events.root")
    detector = str(data / "datx/KM3NeT_00000133_20221025.datx")
    assert call(["score", path, "-a", detector, "--truth", light]) == 0
    printed = capsys.readouterr().out
    assert "simulated light of 248 events" in printed
    row = next(line for line in printed.splitlines() if line.startswith("stored "))
    assert row.split()[1:3] == ["0.8557", "0.9736"]


def test_offline_files_hold_their_own_light(data: Path) -> None:
    name = "mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca.909.evtsample.root"
    detx = "orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx"
    got = scores(str(data / "offline" / name), str(data / "detx" / detx), "orca4")
    rows = {r["selection"]: r for r in got["truth"]}
    assert (rows["stored"]["efficiency"], rows["stored"]["purity"]) == pytest.approx((0.562, 0.951), abs=1e-3)
    assert rows["found"]["purity"] > 0.9
    assert got["labelled"] == 10
