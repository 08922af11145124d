from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from km3gpu import stages
from km3gpu.errors import ConfigError, InputNotFoundError, Km3GpuError
from km3gpu.io.hdf5 import HDF5Sink
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import Recipe, read_recipe
from km3gpu.pipeline.steps import fingerprint

EXAMPLES = Path(__file__).parents[2] / "examples"


def read(tmp_path: Path, text: str) -> Recipe:
    (tmp_path / "plan.toml").write_text(text)
    return read_recipe(tmp_path / "plan.toml", environment={})


@pytest.mark.parametrize("name", ["offline.toml", "online.toml"])
def test_the_examples(name: str) -> None:
    recipe = read_recipe(EXAMPLES / name)
    assert isinstance(recipe.stages[0], stages.Calibrate)
    assert [type(s) for s in recipe.sinks] == [ParquetSink, HDF5Sink]
    assert Path(recipe.source.files[0]).is_file()


FAULTS = {
    "[sorce]": "unknown key 'sorce' (in PLAN, line 1); did you mean 'source'?",
    "[source]\nfile = ['a']": "unknown key 'file' (in PLAN, line 2); did you mean 'files'?",
    "[source]\nchunk = '64 XB'": "chunk = '64 XB' is no size (in PLAN, line 2)",
    "[source]\nchunk = 0": "chunk = 0 is too small (in PLAN, line 2)",
    "[run]\nworker = 2": "unknown key 'worker' (in PLAN, line 2); did you mean 'workers'?",
    "[run]\nrunner = 'dask'": "runner = 'dask' is none of its choices (in PLAN, line 2)",
    "[[stage]]": "a stage without 'use' (in PLAN, line 1)",
    "[[stage]]\nuse = 'calibrat'": "unknown stage 'calibrat' (in PLAN, line 2); there is: calibrate, ",
    "[[stage]]\nuse = 'coincidences'\n\nwindw = 3": "'windw' (in PLAN, line 4); did you mean 'window'",
    "[[stage]]\nuse = 'coincidences'\nwindow = -1": "window must be above 0 ns, not -1 (in PLAN, line 3)",
    "[[stage]]\nuse = 'calibrate'": "stage 'calibrate' needs detector (in PLAN, line 2)",
    "[[stage]]\nuse = 'nowhere:Stage'": "cannot import the stage 'nowhere:Stage'",
    "[[stage]]\nuse = 'json:decoder'": "'json:decoder' is no stage (in PLAN, line 2)",
    "[stage]\nuse = 'calibrate'": "'stage' must be an array of tables (in PLAN, line 1); write [[stage]]",
    "[[sink]]": "a sink without 'format' (in PLAN, line 1); there is: parquet, hdf5",
    "[[sink]]\nformat = 'csv'": "unknown format 'csv' (in PLAN, line 2)",
    "[[sink]]\nformat = 'hdf5'\nlevl = 3": "unknown key 'levl' (in PLAN, line 3); did you mean 'level'?",
    "[[sink]]\nformat = 'hdf5'\ncompression = 'zip'": "there is: gzip",
    "[[sink]]\nformat = 'hdf5'\n[[sink]]\nformat = 'hdf5'": "two sinks write 'events.h5' (in PLAN)",
    "[[sink]]\nformat = 'hdf5'\nname = '../x'": "'../x.h5' is no name for a file",
    "": "no sink (in PLAN); add [[sink]]",
    "[source\n": "no valid TOML",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda t: t.replace("\n", " "))
def test_faults_name_place_and_remedy(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert FAULTS[text] in str(error.value).replace(str(tmp_path / "plan.toml"), "PLAN")


def test_no_such_plan(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="absent"):
        read_recipe(tmp_path / "absent.toml")


def test_paths_are_relative_to_the_plan(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    shutil.copy(data / "detx/detx_v3.detx", tmp_path / "my.detx")
    recipe = read(
        tmp_path,
        "[source]\nfiles = ['runs/*.root', '/abs.root', 'testdata:online/muon_cc_daqevents.root']\n"
        "[[stage]]\nuse = 'calibrate'\ndetector = 'my.detx'\n[[sink]]\nformat = 'parquet'",
    )
    assert recipe.source.files[:2] == (str(tmp_path / "runs/*.root"), "/abs.root")
    assert recipe.source.files[2] == str(data / "online/muon_cc_daqevents.root")
    assert recipe.stages[0].inputs() == (str(tmp_path / "my.detx"),)


def test_a_moved_detector_is_the_same_and_an_edited_one_is_not(tmp_path: Path, data: Path) -> None:
    text = "[[stage]]\nuse = 'calibrate'\ndetector = '%s'\n[[sink]]\nformat = 'parquet'"
    for name in ("a.detx", "b.detx"):
        shutil.copy(data / "detx/detx_v3.detx", tmp_path / name)
    a, b = (read(tmp_path, text % n).history for n in ("a.detx", "b.detx"))
    assert a == b
    with open(tmp_path / "b.detx", "a") as file:
        file.write("# edited\n")
    assert read(tmp_path, text % "b.detx").history != a
    named = read(tmp_path, text % "testdata:detx/detx_v3.detx").history
    assert named == a


def test_where_values_came_from(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        "[run]\nworkers = 2\n[[stage]]\nuse = 'coincidences'\nwindow = 10\n[[sink]]\nformat = 'hdf5'\n"
    )
    recipe = read_recipe(
        tmp_path / "plan.toml", environment={"KM3GPU_THREADS": "1"}, run={"runner": "threads"}
    )
    origins = {k: v.replace(str(tmp_path), "") for k, v in recipe.origins.items()}
    assert origins["run.workers"] == "/plan.toml, line 2"
    assert origins["run.threads"] == "KM3GPU_THREADS"
    assert origins["run.runner"] == "call"
    assert origins["stage.0.window"] == "/plan.toml, line 5"
    assert origins["stage.0.min_hits"] == "default"
    assert origins["sink.0.level"] == "default"


def test_a_stage_of_the_user_beside_the_plan(odd: Callable[..., Path]) -> None:
    plan = odd()
    recipe = read_recipe(plan)
    assert type(recipe.stages[0]).__module__ == "oddstage"
    before = fingerprint(recipe.stages[0])
    assert json.loads(before)["stage"] == "odd"
    source = plan.parent / "oddstage.py"
    source.write_text(source.read_text() + "\n# another rule\n")
    assert fingerprint(recipe.stages[0]) != before


def test_json_and_back(odd: Callable[..., Path]) -> None:
    for plan in (EXAMPLES / "offline.toml", odd()):
        recipe = read_recipe(plan)
        again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())), "plan.json")
        assert again.history == recipe.history
        assert again.sinks == recipe.sinks
        assert again.stages == recipe.stages


def test_an_object_in_memory_does_not_survive_json(data: Path) -> None:
    described = {
        "folder": "",
        "source": {},
        "stages": [{"use": "calibrate", "detector": {"object": "<Detector in memory>"}}],
        "sinks": [{"format": "parquet"}],
    }
    with pytest.raises(ConfigError, match="was an object in memory, <Detector in memory>"):
        Recipe.from_json(described, "plan.json")


def test_every_error_is_one_line(tmp_path: Path) -> None:
    for text in FAULTS:
        with pytest.raises(Km3GpuError) as error:
            read(tmp_path, text)
        assert "\n" not in str(error.value)


def test_a_file_of_a_stage_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"no file .*my.detx' \(in .*plan.toml, line 4\)"):
        read(tmp_path, "[[stage]]\nuse = 'calibrate'\n\ndetector = 'my.detx'\n[[sink]]\nformat = 'hdf5'")
