from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import ConfigError
from km3gpu.stages.stage import Columns, Result, Stage, known, make, needed
from km3gpu.table import Table


@dataclass(frozen=True)
class Shift(Stage):
    name: ClassVar[str] = "test_shift"
    by: float
    why: str = field(default="", metadata={"shapes": False})

    def reads(self, kind: str) -> Columns:
        return {"hits": ("t", "tot")}

    def writes(self, kind: str) -> Columns:
        return {"hits": ("t",)}

    def apply(self, chunk: Chunk) -> Result:
        hits = chunk.hits
        return {"hits": hits.with_columns(t=hits.flat("t") + self.by)}, {"hits": len(hits)}


def chunk() -> Chunk:
    hits = Table("hits", {"t": np.arange(3.0), "tot": np.ones(3, "u1")}, np.array([0, 1, 3]))
    return Chunk(Origin("a.root", "offline", "E", 0, 2, digest="sha256:0"), {"hits": hits})


def test_a_stage_gives_a_new_chunk_and_leaves_the_old_alone():
    before = chunk()
    after = Shift(by=2.0)(before)
    assert after.hits.flat("t").tolist() == [2.0, 3.0, 4.0]
    assert before.hits.flat("t").tolist() == [0.0, 1.0, 2.0]
    assert after.hits.flat("tot") is before.hits.flat("tot")
    assert after.counters == {"test_shift/hits": 3}


def test_the_id_follows_what_shapes_the_result_and_nothing_else():
    c = chunk()
    assert Shift(by=1.0)(c).id == Shift(by=1.0, why="because")(c).id
    assert Shift(by=1.0)(c).id != Shift(by=2.0)(c).id
    assert Shift(by=1.0)(c).id != c.id
    assert Shift(by=1.0)(Shift(by=2.0)(c)).id != Shift(by=2.0)(Shift(by=1.0)(c)).id


def test_stages_travel():
    stage = Shift(by=1.0)
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert hash(stage) == hash(Shift(by=1.0))


def test_what_a_stage_makes_is_not_read():
    assert needed([Shift(by=1.0), Shift(by=2.0)], "offline") == {"hits": ("t", "tot")}
    calibrate, coincidences = make("calibrate", detector="x.detx"), make("coincidences")
    assert needed([calibrate, coincidences], "daq") == {
        "hits": ("dom_id", "channel_id", "tdc", "tot"),
        "triggered_hits": ("dom_id", "channel_id", "tdc", "tot"),
        "events": ("det_id",),
    }
    assert "t" in needed([coincidences], "offline")["hits"]


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("calibrat", {}, ["calibrat", "calibrate"]),
        ("calibrate", {"detectr": "x"}, ["detectr", "there is: detector"]),
        ("calibrate", {}, ["needs detector"]),
        ("coincidences", {"window": -1.0}, ["window", "-1"]),
        ("coincidences", {"min_cos": 0.1}, ["l2_window"]),
        ("locate", {}, ["site", "detector"]),
        ("locate", {"site": "arcca"}, ["arcca", "arca"]),
        ("best_track", {"rule": "jmoun"}, ["jmoun", "jmuon"]),
    ],
)
def test_a_wrong_stage_says_what_is_right(name, parameters, words):
    with pytest.raises(ConfigError) as caught:
        make(name, **parameters)
    for word in words:
        assert word in str(caught.value)


def test_plans_know_the_stages():
    assert {"calibrate", "coincidences", "best_track", "locate", "summarise"} <= set(known())
