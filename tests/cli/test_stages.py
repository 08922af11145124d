from __future__ import annotations

import json

import pytest

from km3gpu.cli.stages import stage_facts


def test_stages_and_sinks_are_listed_with_what_they_do(km3gpu):
    lines = km3gpu("stages").out.splitlines()
    assert 'Stages, as in [[stage]] use = "..."' in lines
    assert any(line.startswith("calibrate ") and "calibrat" in line.lower() for line in lines)
    assert any(line.startswith("parquet ") for line in lines)


def test_a_stage_with_its_parameters(km3gpu):
    said = km3gpu("stages", "coincidences")
    (window,) = [line for line in said.out.splitlines() if line.startswith("window  ")]
    assert "25.0" in window
    assert "[ns]" in window


def test_an_example_is_a_plan(km3gpu, tmp_path):
    example = km3gpu("stages", "split", "--example").out
    assert example == stage_facts()["split"]["example"]
    (tmp_path / "plan.toml").write_text(example)
    assert "1 of 31 to 31 events" in km3gpu("plan", tmp_path / "plan.toml").out
    assert example.strip() in km3gpu("stages", "split").out
    assert "an example of what?" in km3gpu("stages", "--example").error()


def test_json_has_what_the_class_has(km3gpu):
    found = json.loads(km3gpu("stages", "calibrate", "--json").out)["calibrate"]
    assert found["kind"] == "stage"
    assert found["parameters"]["detector"]["default"] == "required"


def test_an_unknown_name_answers_with_the_closest(km3gpu):
    assert "calibrate" in km3gpu("stages", "calibrat").error()


@pytest.mark.parametrize("name", sorted(stage_facts()))
def test_every_parameter_is_explained(name):
    facts = stage_facts()[name]
    assert facts["summary"]
    assert [p for p, v in facts["parameters"].items() if not v["meaning"]] == []
