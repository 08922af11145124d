from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import ConfigError, InputNotFoundError, OutputExistsError
from km3gpu.io.hdf5 import HDF5Sink
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import Recipe, RunResult, resume, run
from km3gpu.pipeline.settings import SourceSettings

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(EXAMPLES / "online.toml", out=tmp_path_factory.mktemp("online") / "out")


def test_the_main_job_on_events_of_the_data_acquisition(online: RunResult) -> None:
    assert online.total.n_in == 250
    assert online.total.rows["hits"] == 319_713
    assert online.total.rows["triggered_hits"] == 141_244
    assert [p.name for p in online.outputs] == ["events.parquet", "events.h5"]
    assert list(online.total.seconds) == ["read", "calibrate", "coincidences", "summarise", "write"]
    assert not online.failures
    assert online.resumed == 0


def test_both_outputs_hold_the_same_as_a_script_computes(online: RunResult) -> None:
    parquet, hdf5 = ParquetSink().read(online.outputs[0]), HDF5Sink().read(online.outputs[1])
    [chunk] = k3.open("testdata:online/muon_cc_daqevents.root").chunks("1 GB")
    chunk = k3.coincidences(k3.calibrate(chunk, k3.Detector.open(_datx())))
    for name in ("hits", "triggered_hits", "clusters"):
        for table in (parquet[name], hdf5[name]):
            assert np.array_equal(table.offsets, chunk.tables[name].offsets)
            for column in table.columns:
                assert np.array_equal(table.flat(column), chunk.tables[name].flat(column)), (name, column)
    assert np.array_equal(parquet["events"].flat("entry"), np.arange(250))
    array = ak.from_parquet(online.outputs[0])
    assert int(ak.sum(ak.num(array.hits))) == 319_713


def _datx() -> str:
    from km3gpu.extras import resolve_path

    return resolve_path("testdata:datx/KM3NeT_00000133_20221025.datx")


def test_the_main_job_on_offline_events(tmp_path: Path) -> None:
    result = run(EXAMPLES / "offline.toml", out=tmp_path / "out")
    assert result.total.rows["hits"] == 181_484
    assert result.total.n_out == 31
    events = ParquetSink().read(result.outputs[0])["events"]
    assert np.isfinite(events.flat("ra")).all()
    assert (abs(events.flat("dec")) <= np.pi / 2).all()


def test_the_same_again_does_nothing(online: RunResult) -> None:
    before = {p: p.stat().st_mtime_ns for p in online.outputs}
    again = run(EXAMPLES / "online.toml", out=online.out)
    assert again.resumed == len(again.plan.chunks)
    assert again.total.rows == online.total.rows
    assert {p: p.stat().st_mtime_ns for p in online.outputs} == before


def test_a_spoilt_output_is_made_again(online: RunResult) -> None:
    good = online.outputs[0].read_bytes()
    online.outputs[0].write_bytes(good[:-1])
    again = run(EXAMPLES / "online.toml", out=online.out)
    assert again.resumed == 1
    assert online.outputs[0].read_bytes() == good


def test_another_plan_is_refused_and_nothing_is_touched(online: RunResult, odd: Callable[..., Path]) -> None:
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(online.out.rglob("*"))}
    with pytest.raises(OutputExistsError, match=r"another plan \(other stages"):
        run(odd(), out=online.out)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(online.out.rglob("*"))} == before


def test_directories_of_something_else(tmp_path: Path, odd: Callable[..., Path]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    with pytest.raises(OutputExistsError, match="holds other files"):
        run(odd(), out=tmp_path / "mine")
    with pytest.raises(OutputExistsError, match="holds other files"):
        run(odd(), out=tmp_path / "mine", existing="replace")
    with pytest.raises(OutputExistsError, match="is a file"):
        run(odd(), out=tmp_path / "file")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_bad_plans_leave_nothing_behind(tmp_path: Path, odd: Callable[..., Path]) -> None:
    for files, words in (("absent.root", "absent.root"), (str(odd()), "no format that km3gpu reads")):
        with pytest.raises(k3.errors.Km3GpuError, match=words):
            run(odd(), files, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="no input files"):
        run(Recipe(), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="existing = 'maybe'"):
        run(odd(), out=tmp_path / "out", existing="maybe")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_update_does_again_only_what_changed(
    tmp_path: Path, odd: Callable[..., Path], seen: Callable[[], list[tuple[int, int]]], data: Path
) -> None:
    files = [tmp_path / "a.root", tmp_path / "b.root"]
    for f in files:  # the same bytes under two names would be the same chunks
        f.write_bytes((data / "online/muon_cc_daqevents.root").read_bytes() + f.name.encode())
    first = run(odd(chunk=100), files[:1], out=tmp_path / "out")
    with pytest.raises(OutputExistsError, match="other inputs"):
        run(odd(chunk=100), files, out=tmp_path / "out")
    both = run(odd(chunk=100), files, out=tmp_path / "out", existing="update")
    assert (first.resumed, both.resumed) == (0, 3)
    assert len(seen()) == 6
    assert both.total.n_out == 500
    assert [r.id for r in both.receipts[:3]] == [r.id for r in first.receipts]
    assert (tmp_path / "out" / "plans" / f"{first.plan.id}.json").exists()


def test_replace(tmp_path: Path, odd: Callable[..., Path]) -> None:
    run(odd(chunk=125), out=tmp_path / "out")
    (tmp_path / "out" / "notes.txt").touch()
    result = run(odd(chunk=250), out=tmp_path / "out", existing="replace")
    assert len(result.plan.chunks) == 1
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 1
    assert (tmp_path / "out" / "notes.txt").exists()


def test_resume_needs_only_the_directory(tmp_path: Path, odd: Callable[..., Path]) -> None:
    result = run(odd(chunk=50), out=tmp_path / "out")
    merged = result.outputs[0].read_bytes()
    (tmp_path / "plan.toml").unlink()
    result.outputs[0].unlink()
    (tmp_path / "out" / "parts" / result.receipts[1].outputs[0].name).unlink()
    again = resume(tmp_path / "out")
    assert again.resumed == 4
    assert again.outputs[0].read_bytes() == merged
    with pytest.raises(InputNotFoundError, match="no run in"):
        resume(tmp_path / "nowhere")


def test_resume_by_other_code(
    tmp_path: Path, odd: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(odd(chunk=250), out=tmp_path / "out")
    for module in ("chunk", "pipeline.outlook", "pipeline.start"):
        monkeypatch.setattr(f"km3gpu.{module}.code_version", lambda: "9")
    with pytest.raises(
        OutputExistsError, match=r"1 of 1 chunks .* would be others now \(code version: 0.* -> 9"
    ):
        resume(tmp_path / "out")


def test_a_recipe_made_in_python(tmp_path: Path) -> None:
    recipe = Recipe(
        source=SourceSettings(files=("testdata:online/muon_cc_daqevents.root",), chunk=100),
        stages=(k3.stages.Calibrate(detector=k3.Detector.open(_datx())),),
    )
    result = run(recipe, out=tmp_path / "out", workers=2, runner="threads")
    assert result.total.rows["hits"] == 319_713
    assert resume(tmp_path / "out").resumed == 3


def test_without_merging(tmp_path: Path, odd: Callable[..., Path]) -> None:
    result = run(odd(chunk=125), out=tmp_path / "out", merge=False)
    assert result.outputs == ()
    assert run(odd(chunk=125), out=tmp_path / "out").resumed == 2


def test_it_is_silent_in_a_pipe_and_shows_a_bar_where_asked(
    tmp_path: Path, odd: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    run(odd(chunk=250), out=tmp_path / "out")
    assert capfd.readouterr() == ("", "")
    run(odd(chunk=125), out=tmp_path / "other", show=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "250/250" in err


def test_the_environment_sets_what_the_call_does_not(
    tmp_path: Path, odd: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "KM3GPU_WORKERS", "2")
    monkeypatch.setitem(os.environ, "KM3GPU_RUNNER", "threads")
    result = run(odd(chunk=125), out=tmp_path / "out")
    record = json.loads(result.provenance.read_text())
    assert record["configuration"]["run"]["workers"] == 2
    assert record["configuration"]["origins"]["run.workers"] == "KM3GPU_WORKERS"
