"""``km3gpu prov find`` and ``prov index`` as a user meets them."""

from __future__ import annotations

import json

import pytest

from km3gpu.cli.main import call

PLAN = """
[source]
files = ["testdata:online/KM3NeT_00000133_JDAQEvent.root"]
[[sink]]
format = "parquet"
[run]
catalogue = "runs.sqlite"
"""
INPUT = "testdata:online/KM3NeT_00000133_JDAQEvent.root"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("find")
    (folder / "plan.toml").write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KM3GPU_CATALOGUE")
        assert call(["run", str(folder / "plan.toml"), "-o", str(folder / "out")]) == 0
    assert (folder / "runs.sqlite").is_file()  # beside the plan
    return folder


def test_runs_are_found(km3gpu, folder):
    said = km3gpu("prov", "find", "--input", INPUT, "--catalogue", folder / "runs.sqlite")
    assert said.code == 0
    assert str(folder / "out") in said.out
    assert "used as data" in said.out
    said = km3gpu(
        "prov", "find", folder / "out" / "events.parquet", "--json", "--catalogue", folder / "runs.sqlite"
    )
    (found,) = json.loads(said.out)
    assert (found["role"], found["match"], found["status"]) == ("output", "content", "complete")


def test_nothing_is_found(km3gpu, folder):
    said = km3gpu("prov", "find", "--calibration", INPUT, "--catalogue", folder / "runs.sqlite")
    assert said.code == 1
    assert "no run that calibrated with" in said.err
    assert km3gpu("prov", "find", "--json", "0123456789", "--catalogue", folder / "runs.sqlite").out == "[]\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["x.root"], "the catalogue is switched off"),
        (["x.root", "--catalogue", "nowhere.sqlite"], "no catalogue"),
        ([], "name one file"),
        (["x.root", "--input", "y.root"], "name one file"),
    ],
)
def test_wrong_questions(km3gpu, words, answer):
    assert answer in km3gpu("prov", "find", *words).error()


def test_a_directory_is_indexed(km3gpu, folder, tmp_path):
    place = tmp_path / "c.sqlite"
    assert "1 run entered" in km3gpu("prov", "index", folder, "--catalogue", place).out
    assert km3gpu("prov", "find", "--input", INPUT, "--catalogue", place).code == 0
    place.write_text("rubbish" * 99)
    assert "--rebuild" in km3gpu("prov", "find", INPUT, "--catalogue", place).error()
    said = km3gpu("prov", "index", folder, "--rebuild", "--json", "--catalogue", place)
    assert json.loads(said.out)["runs"] == 1
