"""Datasets with labels, outputs named by tags, and calibrations from a table of runs."""

from __future__ import annotations

import textwrap

import awkward as ak
import numpy as np
import pytest

import km3gpu
from km3gpu.errors import CalibrationError, ConfigError, OutputExistsError, SourceChangedError
from km3gpu.pipeline import make_plan, provenance, read_recipe, resume
from km3gpu.pipeline.replay import replay
from km3gpu.pipeline.tags import part_word, tagged

MUONS = "testdata:online/muon_cc_daqevents.root"  # run 13339
REAL = "testdata:online/KM3NeT_00000133_JDAQEvent.root"  # run 13340
DATX = "testdata:datx/KM3NeT_00000133_20221025.datx"
DETX = "testdata:detx/KM3NeT_00000133_20221025.detx"

PLAN = f"""
[source]
chunk = 150

[[dataset]]
label = "mc"
files = ["{MUONS}"]

[[dataset]]
label = "data"
files = ["{REAL}"]

[[stage]]
use = "calibrate"
detector = "runs.csv"

[[sink]]
format = "parquet"
name = "{{label}}"

[[sink]]
format = "hdf5"
name = "all"
tables = ["events"]
"""
TABLE = f"""
# the simulation is of the run before
first_run, last_run, detector, comment
13000,     13339,    {DATX},
13340,     ,         {DETX},   "written, as text"
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "runs.csv").write_text(TABLE)
    return tmp_path / "plan.toml"


def test_every_label_has_its_output_and_every_run_its_calibration(plan, tmp_path):
    run = km3gpu.run(plan, out=tmp_path / "out")
    assert [p.name for p in run.outputs] == ["mc.parquet", "data.parquet", "all.h5"]
    mc, data, both = (km3gpu.open(p).read() for p in run.outputs)
    assert ak.to_list(mc.events.label) == ["mc"] * 250
    assert ak.to_list(both.events.label) == ["mc"] * 250 + ["data"] * 10
    for got, file, detector in ((mc, MUONS, DATX), (data, REAL, DETX)):
        chunk = km3gpu.open(file).read(["hits", "events"])
        want = km3gpu.calibrate(chunk, km3gpu.Detector.open(detector))
        assert np.array_equal(got.hits.flat("t"), want.hits.flat("t"))
        assert np.array_equal(got.hits.flat("dir_x"), want.hits.flat("dir_x"))
    # each output says what concerns its rows, and only that
    inputs = provenance.read(run.outputs[1])["inputs"]
    assert [i["path"].rpartition("/")[2] for i in inputs] == [
        "KM3NeT_00000133_JDAQEvent.root", "runs.csv", "KM3NeT_00000133_20221025.detx",
    ]  # fmt: skip
    assert {c.state for c in replay(tmp_path / "out")} == {"identical"}


def test_a_new_line_in_the_table_makes_no_old_chunk_new(plan, tmp_path):
    first = km3gpu.run(plan, out=tmp_path / "out")
    (tmp_path / "runs.csv").write_text(f"{TABLE}1, 12999, old.detx\n")
    with pytest.raises((OutputExistsError, SourceChangedError)):
        resume(tmp_path / "out")
    again = km3gpu.run(plan, out=tmp_path / "out")
    assert again.resumed == 3
    assert again.plan.id == first.plan.id
    resume(tmp_path / "out")  # the plan is that of the new table now
    # a line that changes redoes the chunks of its runs
    (tmp_path / "runs.csv").write_text(TABLE.replace(DETX, DATX))
    other = km3gpu.run(plan, out=tmp_path / "out", existing="update")
    assert (other.resumed, len(other.receipts)) == (2, 3)


def test_replacing_removes_all_tagged_outputs(plan, tmp_path):
    km3gpu.run(plan, out=tmp_path / "out")
    plan.write_text(PLAN.replace('"{label}"', '"{file}"').replace('"all"', '"other"'))
    km3gpu.run(plan, out=tmp_path / "out", existing="replace")
    assert {p.name for p in (tmp_path / "out").iterdir() if p.suffix in (".parquet", ".h5")} == {
        "muon_cc_daqevents.parquet", "KM3NeT_00000133_JDAQEvent.parquet", "other.h5",
    }  # fmt: skip


def test_a_label_makes_other_chunks(plan):
    one = make_plan(read_recipe(plan))
    plan.write_text(PLAN.replace('label = "data"', 'label = "measured"'))
    other = make_plan(read_recipe(plan))
    same = [a.id == b.id for a, b in zip(one.chunks, other.chunks, strict=True)]
    assert same == [True, True, False]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"{label}"', '"{labl}"', r"unknown tag {labl}.*{label}"),
        ('label = "data"', 'label = "mc"', "two datasets 'mc'"),
        ('label = "data"', 'label = "../x"', "no label"),
        ('label = "data"', "", "without a label"),
        (f'files = ["{REAL}"]', "", "'data' has no files"),
        (f'files = ["{REAL}"]', "fils = []", r"unknown key 'fils'.*files"),
        (f'files = ["{REAL}"]', f'files = ["{MUONS}"]', "in two datasets, 'mc' and 'data'"),
        ("chunk = 150", f'chunk = 150\nfiles = ["{REAL}"]', "files beside datasets"),
        ('"all"', '"label"\nformat = "parquet"', "two sinks|set twice"),
    ],
)
def test_mistakes_in_a_plan(plan, old, new, words):
    plan.write_text(PLAN.replace(old, new, 1))
    with pytest.raises(ConfigError, match=words):
        make_plan(read_recipe(plan))


def test_files_beside_datasets_and_labels_without(plan, tmp_path):
    with pytest.raises(ConfigError, match="files are named beside"):
        make_plan(read_recipe(plan), [REAL])
    plan.write_text('[[sink]]\nformat = "parquet"\nname = "{label}"\n')
    with pytest.raises(ConfigError, match="no label for"):
        read_recipe(plan)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("first_run,detector\n13340,x.datx", r"no line for run 13339 of detector 133.*runs 13340-"),
        (f"last_run,detector\n20000,{DATX}\n14000,{DETX}", r"2 lines for run 13339.*not overlap"),
        (f"det_id,detector\n44,{DATX}", "no line for run"),
    ],
)
def test_a_table_that_does_not_decide(plan, tmp_path, table, words):
    (tmp_path / "runs.csv").write_text(table)
    with pytest.raises(CalibrationError, match=words):
        make_plan(read_recipe(plan))


def test_a_file_over_a_border_is_refused(plan, tmp_path):
    (tmp_path / "runs.csv").write_text(
        f"first_time,last_time,detector\n,2022-09-28T04:00,{DATX}\n2022-09-28T04:00,,{DETX}"
    )
    with pytest.raises(ConfigError, match="need two files as detector"):
        make_plan(read_recipe(plan))


def test_tables_of_several_stages_and_an_empty_cell(plan, tmp_path):
    text = textwrap.dedent(
        """
        [[stage]]
        use = "locate"
        detector = "runs.csv"
        """
    )
    plan.write_text(PLAN.replace("[[sink]]", f"{text}\n[[sink]]", 1))
    (tmp_path / "runs.csv").write_text(f"det_id,detector,orientations\n133,{DATX},")
    made = make_plan(read_recipe(plan))
    assert [f[:2] for f in made.inputs[0].files] == [(0, "detector"), (1, "detector")]
    plan.write_text(PLAN.replace('detector = "runs.csv"', f'detector = "{DATX}"\norientations = "runs.csv"'))
    made = make_plan(read_recipe(plan))
    assert made.inputs[0].files == ((0, "orientations", None),)


def test_tags():
    inputs = [("/a/x.root", "one"), ("/b/y.root", "two"), ("/c/x.root", "two")]
    assert tagged("all", inputs) == {"all": {"/a/x.root", "/b/y.root", "/c/x.root"}}
    assert tagged("{label}", inputs) == {"one": {"/a/x.root"}, "two": {"/b/y.root", "/c/x.root"}}
    assert list(tagged("{label}-{file}", inputs)) == ["one-x", "two-y", "two-x"]
    with pytest.raises(ConfigError, match="2 inputs would go into one 'x'"):
        tagged("{file}", inputs)
    assert part_word("{label}-{file}") == "label-file"
