"""What a run has still to make, and why: counted for each kind of change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from km3gpu.errors import InputNotFoundError, OutputExistsError, RunFailedError
from km3gpu.pipeline import foresee, outlook, resume, run

PlanMaker = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path, data: Path, odd: PlanMaker) -> tuple[Path, Path]:
    """Run two files of five chunks each, and give plan and directory."""
    for name in ("a", "b"):
        content = (data / "online/muon_cc_daqevents.root").read_bytes() + name.encode()
        (tmp_path / f"{name}.root").write_bytes(content)
    plan = odd(chunk=50)
    text = plan.read_text().replace("testdata:online/muon_cc_daqevents", "*")
    detector = data / "datx/KM3NeT_00000133_20221025.datx"
    (tmp_path / "det.datx").write_bytes(detector.read_bytes())
    plan.write_text(text.replace(f"testdata:datx/{detector.name}", "det.datx"))
    run(plan, out=tmp_path / "out")
    return plan, tmp_path / "out"


def why(found: outlook.Outlook) -> dict[tuple[str, str], int]:
    """Count the chunks by what changed."""
    return {(c.change.section, c.change.key): len(c.chunks) for c in found.causes}


def test_nothing_changed(made: tuple[Path, Path]) -> None:
    plan, out = made
    for found in (foresee(out, plan), foresee(out), foresee(out, plan, existing="update")):
        assert (len(found.done), found.left, found.causes, found.refusal) == (10, (), (), "")
    assert why(foresee(out, plan, existing="replace")) == {("new", "the run"): 10}
    assert why(foresee(out.parent / "other", plan)) == {("new", "the run"): 10}
    assert not (out.parent / "other").exists()


def test_what_changed_is_what_is_made_again(made: tuple[Path, Path]) -> None:
    plan, out = made
    folder, text = out.parent, plan.read_text()
    # a parameter: every chunk
    plan.write_text(text.replace('"coincidences"', '"coincidences"\nwindow = 20.0'))
    found = foresee(out, plan)
    assert why(found) == {("stage", "coincidences.window"): 10}
    assert (found.causes[0].change.a, found.causes[0].change.b) == ("25.0", "20.0")
    assert "holds the results of another plan" in found.refusal
    assert foresee(out, plan, existing="update").refusal == ""
    plan.write_text(text)
    # a file: its chunks, and no other
    (folder / "b.root").write_bytes((folder / "b.root").read_bytes() + b"!")
    expected = {("input", str(folder / "b.root")): 5}
    for found in (foresee(out, plan), foresee(out)):
        assert why(found) == expected
        assert {c.origin.path for c in found.left} == {str(folder / "b.root")}
        assert found.refusal
    # and so many the run makes
    before = len(list((folder / "orders").iterdir()))
    run(plan, out=out, existing="update")
    assert len(list((folder / "orders").iterdir())) - before == 5
    # a file of the calibration: every chunk, and the refusal names it
    (folder / "det.datx").write_bytes((folder / "det.datx").read_bytes() + b"\0")
    found = foresee(out)
    assert why(found) == {("stage", "calibrate.detector"): 10}
    assert found.causes[0].change.a.startswith("det.datx sha256:")
    with pytest.raises(
        OutputExistsError, match=r"10 of 10 chunks .* calibrate.detector: det.datx \w{12} -> det"
    ):
        resume(out)


def test_a_table_with_a_new_line(made: tuple[Path, Path]) -> None:
    """It makes no chunk new; `run` takes it, and `resume` wants to be told."""
    plan, out = made
    table = plan.with_name("table.csv")
    table.write_text("first_run,last_run,detector\n,13339,det.datx\n")
    plan.write_text(plan.read_text().replace('"det.datx"', '"table.csv"'))
    out = out.parent / "by_table"
    run(plan, [plan.with_name("a.root")], out=out)
    table.write_text(table.read_text() + "13340,,det.datx\n")
    assert why(foresee(out, plan, [plan.with_name("a.root")])) == why(foresee(out)) == {}
    assert foresee(out, plan, [plan.with_name("a.root")]).refusal == ""
    assert "table.csv' has changed" in foresee(out).refusal


def test_chunks_that_are_not_there(
    made: tuple[Path, Path], order: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out = made
    part = next((out / "parts").iterdir())
    part.write_bytes(part.read_bytes()[:-1])
    assert why(foresee(out)) == {("part", "gone, or cut short"): 1}
    resume(out)
    more = plan.read_text() + '[[sink]]\nformat = "hdf5"\n'
    plan.with_name("more.toml").write_text(more)
    assert why(foresee(out, plan.with_name("more.toml"))) == {("sink", "a new one, or other options"): 10}
    assert why(foresee(out, plan, chunk=125)) == {("chunk", "size"): 4}
    assert why(foresee(out, plan, [out.parent / "a.root"])) == {}
    order("bad-60-always")
    with pytest.raises(RunFailedError):
        run(plan, out=out.parent / "failed")
    assert why(foresee(out.parent / "failed")) == {("failed", "bytes that make no sense (in entry 60)"): 2}
    for module in ("km3gpu.chunk", "km3gpu.pipeline.outlook"):
        monkeypatch.setattr(f"{module}.code_version", lambda: "9")
    assert why(foresee(out)) == {("code", "version"): 10}
    with pytest.raises(InputNotFoundError):
        foresee(out, plan, [out.parent / "orders"])
