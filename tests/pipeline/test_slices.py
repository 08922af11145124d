"""Slices of a plan, as jobs of a batch system that do not know of each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from km3gpu.errors import ConfigError, OutputExistsError
from km3gpu.pipeline import resume, run
from km3gpu.pipeline.journal import Journal
from km3gpu.pipeline.rundir import RunDirectory

PlanMaker = Callable[..., Path]


def test_slices_and_then_the_whole(
    tmp_path: Path, odd: PlanMaker, seen: Callable[[], list[tuple[int, int]]]
) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    before = len(seen())
    for part in ("2/3", "3/3", "1/3"):
        result = run(odd(), out=tmp_path / "out", part=part)
        assert result.outputs == ()
        assert not (tmp_path / "out" / "events.parquet").exists()
    merged = resume(tmp_path / "out")
    assert merged.resumed == 10
    assert merged.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    assert sorted(seen()[before:]) == [(i, i + 25) for i in range(0, 250, 25)]
    record = json.loads(merged.provenance.read_text())
    assert [s["slice"] for s in record["sessions"]] == ["2/3", "3/3", "1/3", None]


def test_the_whole_does_what_a_slice_did_not(tmp_path: Path, odd: PlanMaker) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    assert len(run(odd(), out=tmp_path / "out", part="3/4").receipts) == 2
    result = resume(tmp_path / "out")
    assert result.resumed == 2
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()


def test_slices_together_are_the_plan(tmp_path: Path, odd: PlanMaker) -> None:
    parts = [run(odd(chunk=40), out=tmp_path / "out", part=f"{i}/12").receipts for i in range(1, 13)]
    entries = [r.entries for receipts in parts for r in receipts]
    assert entries == [(i, min(i + 40, 250)) for i in range(0, 250, 40)]


def test_slices_run_beside_each_other_but_not_beside_the_whole(tmp_path: Path, odd: PlanMaker) -> None:
    run(odd(chunk=125), out=tmp_path / "out", part="1/2")
    with Journal(tmp_path / "out" / "journal-00001-of-00002.jsonl"):
        run(odd(chunk=125), out=tmp_path / "out", part="2/2")
        with pytest.raises(OutputExistsError, match="another run is writing"):
            run(odd(chunk=125), out=tmp_path / "out", part="1/2")
        with pytest.raises(OutputExistsError, match="another run is writing"):
            resume(tmp_path / "out")
    resume(tmp_path / "out")
    with (
        Journal(tmp_path / "out" / "journal.jsonl"),
        pytest.raises(OutputExistsError, match="another run is writing"),
    ):
        run(odd(chunk=125), out=tmp_path / "out", part="2/2")


def test_slices_may_begin_at_the_same_moment(
    tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One finds no plan, and then the directory of the other."""
    look, looks = RunDirectory.plan, []

    def slow(self: RunDirectory) -> object:
        found = look(self)
        if not looks:
            looks.append(found)
            run(odd(chunk=125), out=tmp_path / "out", part="2/2")
        return found

    monkeypatch.setattr(RunDirectory, "plan", slow)
    (tmp_path / "out").mkdir()
    run(odd(chunk=125), out=tmp_path / "out", part="1/2")
    assert looks == [None]
    assert resume(tmp_path / "out").resumed == 2


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b", "1/0", "1/2/3"])
def test_what_is_no_slice(tmp_path: Path, odd: PlanMaker, part: str) -> None:
    with pytest.raises(ConfigError, match="is no slice"):
        run(odd(), out=tmp_path / "out", part=part)
    with pytest.raises(ConfigError, match="a slice cannot replace"):
        run(odd(), out=tmp_path / "out", part="1/2", existing="replace")
