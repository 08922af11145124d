"""The picture of a record: what it shows, that nothing overlaps, and that it is the same each time."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.patches import FancyBboxPatch

from km3gpu.errors import ConfigError, InputNotFoundError
from km3gpu.pipeline.flow import flow
from km3gpu.plot.lineage import lineage
from km3gpu.plot.saving import save


def data(n, application="JConvert", **other):
    meta = [
        {"application": a, "git": "18", "time": f"2023-10-{n % 28 + 1:02}T10:00:00"} for a in [application]
    ]
    return {
        "path": f"/data/run_{n:04}.root",
        "role": "data",
        "digest": f"sha256:{n:064x}",
        "size": 10**6,
        "uuid": "",
        "kind": "daq",
        "tree": "KM3NET_EVENT",
        "n_entries": 250,
        "meta": meta,
        **other,
    }


def record(*inputs, missing=()):
    detector = {**data(9999), "path": "/cal/$det$.datx", "role": "calibration", "meta": []}
    return {
        "plan": "p" * 16,
        "code": "0.1.0",
        "status": "complete",
        "sessions": [{"time": 1.7e9, "user": "someone"}],
        "configuration": {"origins": {"stage.0.slewing": "plan.toml, line 3"}},
        "environments": {"e": {"python": "3.11", "cpu": "x, 2 cores", "gpu": "none: no driver"}},
        "inputs": [*inputs, detector],
        "stages": [
            {"stage": "calibrate", "detector": detector["digest"], "slewing": "table", "check": False},
            {"stage": "summarise"},
        ],
        "chunks": [
            {
                "n_out": 250,
                "seconds": {"calibrate": 0.5},
                "counters": {"calibrate/hits": 9.0, "calibrate/bad": 0.0},
            }
        ],
        "missing": list(missing),
        "failures": [{"id": "m", "fault": {"message": "bytes that make no sense"}}],
        "outputs": [{"name": "events.parquet", "rows": {"events": 250}, "bytes": 10, "digest": "sha256:ab"}],
    }


def test_what_is_shown():
    found = flow(record(data(1)), "name")
    (lane,) = found.lanes
    assert [b.title for b in lane.upstream] == ["JConvert 18"]
    assert lane.data.title == "run_0001.root"
    calibrate, summarise = found.steps
    assert calibrate.stage.title == "calibrate   0.50 s"
    assert calibrate.stage.lines == ("slewing = table", "hits 9")  # no defaults, no zeros
    assert [b.title for b in calibrate.files] == ["$det$.datx"]
    assert summarise.files == ()
    assert found.outputs[0].lines == ("10 B, sha256:ab", "events 250")


def test_many_inputs_are_a_few_boxes():
    found = flow(record(*(data(n) for n in range(100))), "name")
    (lane,) = found.lanes
    assert lane.data.title == "100 files"
    assert lane.data.lines[0] == "daq KM3NET_EVENT, 25,000 entries, 100 MB"
    assert lane.data.lines[-1] == "run_0099.root"
    assert lane.upstream[0].lines == ("2023-10-01 to 2023-10-28",)
    # more kinds than fit beside each other
    found = flow(record(*(data(n, f"App{n % 9}") for n in range(100))), "name")
    assert len(found.lanes) == 4
    assert found.lanes[-1].data.title == "66 files of 6 other kinds"
    # few are shown one by one
    assert len(flow(record(*(data(n) for n in range(3))), "name").lanes) == 3


def test_files_that_a_table_chose_are_shown():
    made = record(
        data(1, files=[[0, "detector", "/cal/a.datx"]]), data(2, files=[[0, "detector", "/cal/b.datx"]])
    )
    made["inputs"] += [{**data(ord(n)), "role": "calibration", "path": f"/cal/{n}.datx"} for n in "ab"]
    assert [b.title for b in flow(made, "name").steps[0].files] == ["$det$.datx", "a.datx", "b.datx"]
    more = [data(n, files=[[0, "detector", f"/cal/{n}.datx"]]) for n in range(9)]
    made = record(*more)
    made["inputs"] += [{**data(n), "role": "calibration", "path": f"/cal/{n}.datx"} for n in range(9)]
    assert [b.title for b in flow(made, "name").steps[0].files] == ["$det$.datx", "9 files of the table"]


def test_what_is_missing_is_shown():
    found = flow(record(data(1), missing=["m"]), "name")
    assert found.outputs[-1].title == "1 chunk missing"
    assert found.outputs[-1].lines == ("bytes that make no sense",)


@pytest.mark.parametrize("n", [1, 3, 100])
def test_no_boxes_overlap_and_all_are_in_the_picture(n):
    figure = lineage(record(*(data(i, f"App{i % 5}") for i in range(n)), missing=["m"]), "name")
    boxes = [p.get_bbox() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) >= 6
    width, height = figure.get_size_inches() * 72
    for b in boxes:
        assert b.x0 >= 0
        assert b.x1 <= width
        assert min(b.y0, b.y1) >= 0
        assert max(b.y0, b.y1) <= height
    for a, b in itertools.combinations(boxes, 2):
        assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1)


def test_text_stays_within_its_box():
    figure = lineage(record(data(1, path="/data/mcv6.gsg_nue_" + "long_" * 20 + ".root")), "name")
    boxes = [p.get_window_extent() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    n = 0
    for text in figure.axes[0].texts:
        e = text.get_window_extent() if text.get_text() else None
        for b in boxes:
            if e is not None and b.y0 <= (e.y0 + e.y1) / 2 <= b.y1 and b.x0 <= e.x0 <= b.x1:
                assert e.x1 <= b.x1
                n += 1
    assert n > 10


def test_the_same_picture_is_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg", "a.png"):
        save(lineage(record(data(1)), "name"), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="no name of a picture"):
        save(lineage(record(data(1)), "name"), tmp_path / "a.docx")
    with pytest.raises(InputNotFoundError, match="no directory"):
        save(lineage(record(data(1)), "name"), tmp_path / "none" / "a.svg")
