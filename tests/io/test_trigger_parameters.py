from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from km3gpu.errors import FormatError
from km3gpu.io.rootfile import RootFile
from km3gpu.io.trigger_parameters import CLASS, read_trigger_parameters
from km3gpu.trigger import sets


@pytest.mark.parametrize("name", ["events_sample", "km3net_online"])
def test_what_the_orca4_files_hold_is_the_set_of_that_name(data: Path, name: str) -> None:
    path = str(data / f"online/{name}.root")
    got = read_trigger_parameters(RootFile(path))
    assert got is not None
    assert got.name == path
    assert CLASS in got.note
    assert dataclasses.replace(got, name="orca4", note="") == dataclasses.replace(
        sets.named("orca4"), note=""
    )


def test_a_file_without_any(data: Path) -> None:
    assert read_trigger_parameters(RootFile(str(data / "online/muon_cc_daqevents.root"))) is None


def test_another_version_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RootFile(str(data / "online/events_sample.root"))
    key = file.find(CLASS)
    assert key is not None
    raw = bytearray(file.record(key))
    raw[5] += 1
    monkeypatch.setattr(file, "record", lambda _: bytes(raw))
    with pytest.raises(
        FormatError, match="does not describe version 12 of class JTRIGGER::JTriggerParameters"
    ):
        read_trigger_parameters(file)


def test_bytes_cut_short_are_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RootFile(str(data / "online/events_sample.root"))
    key = file.find(CLASS)
    assert key is not None
    raw = bytes(file.record(key))
    monkeypatch.setattr(file, "record", lambda _: raw[:200])
    with pytest.raises(FormatError, match="is damaged"):
        read_trigger_parameters(file)
