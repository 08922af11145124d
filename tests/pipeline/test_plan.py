from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import pytest

import km3gpu as k3
from km3gpu.chunk import chunk_id
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, SourceChangedError
from km3gpu.io.km3pipe import Km3PipeSink
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import Plan, Recipe, make_plan, read_recipe, run
from km3gpu.pipeline.plan import check_input
from km3gpu.pipeline.settings import SourceSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
ONLINE = "testdata:online/muon_cc_daqevents.root"


def test_ids_are_known_before_anything_is_read() -> None:
    recipe = read_recipe(EXAMPLES / "online.toml", source={"chunk": 100})
    plan = make_plan(recipe)
    assert [(c.origin.start, c.origin.stop) for c in plan.chunks] == [(0, 100), (100, 200), (200, 250)]
    assert plan.n_events == 250
    for c in plan.chunks:
        assert c.id == chunk_id(c.origin, recipe.history)
        assert c.origin.digest == plan.inputs[0].digest
    assert [i.role for i in plan.inputs] == ["data", "calibration"]
    assert plan.inputs[0].meta  # what Jpp wrote about itself


def test_only_what_the_stages_read_is_read() -> None:
    columns = make_plan(read_recipe(EXAMPLES / "online.toml")).chunks[0].origin.columns
    hits = {c for c in columns if c.startswith("hits/")}
    assert hits == {"hits/dom_id", "hits/channel_id", "hits/tdc", "hits/tot"}
    assert "events/trigger_mask" in columns
    columns = make_plan(Recipe(source=SourceSettings(files=(ONLINE,)))).chunks[0].origin.columns
    assert "triggered_hits/trig" in columns or len(columns) > len(hits) + 5


def test_as_a_file(tmp_path: Path) -> None:
    plan = make_plan(read_recipe(EXAMPLES / "offline.toml", source={"chunk": 5}))
    text = plan.dumps()
    again = Plan.loads(text, "plan.json")
    assert (again.id, again.chunks, again.inputs) == (plan.id, plan.chunks, plan.inputs)
    assert again.dumps() == text
    assert json.loads(text)["n_events"] == 31
    assert sum(c.id in line for c in plan.chunks for line in text.splitlines()) == len(plan.chunks)
    for spoilt in (
        "",
        "[]",
        "{}",
        text.replace("km3gpu plan", "a plan"),
        text.replace('"version": 1', '"version": 9'),
        text.replace(", 5, 10, ", ", 5, 11, "),  # another range under the same id
    ):
        with pytest.raises(FormatError):
            Plan.loads(spoilt, "plan.json")


def test_what_changes_the_identity() -> None:
    online = read_recipe(EXAMPLES / "online.toml")
    plan = make_plan(online)
    assert (
        make_plan(read_recipe(EXAMPLES / "online.toml", run={"workers": 3, "runner": "threads"})).id
        == plan.id
    )
    others = [
        dataclasses.replace(online, stages=online.stages[:-1]),
        dataclasses.replace(online, sinks=online.sinks[:1]),
        dataclasses.replace(online, sinks=(dataclasses.replace(online.sinks[0], level=5),)),  # type: ignore[type-var]
        dataclasses.replace(online, source=dataclasses.replace(online.source, columns=("events/det_id",))),
    ]
    assert len({plan.id, *(make_plan(o).id for o in others)}) == 5


def test_a_moved_file_is_the_same_chunk(tmp_path: Path, data: Path) -> None:
    (tmp_path / "moved.root").write_bytes((data / "online/muon_cc_daqevents.root").read_bytes())
    recipe = read_recipe(EXAMPLES / "online.toml")
    assert make_plan(recipe).id == make_plan(recipe, [str(tmp_path / "moved.root")]).id


def test_inputs_that_do_not_go_together(data: Path) -> None:
    offline = str(data / "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root")
    with pytest.raises(ConfigError, match=r"inputs of different kinds: daq .* and offline"):
        make_plan(Recipe(), [ONLINE, offline])
    other = str(data / "offline/km3net_offline.root")
    with pytest.raises(ConfigError, match="inputs differ in columns"):
        make_plan(Recipe(source=SourceSettings(columns=("*/*",))), [offline, other])
    plan = make_plan(
        dataclasses.replace(Recipe(), source=SourceSettings(columns=("events/run_id",)), stages=()),
        [offline],
    )
    assert "events/run_id" in plan.chunks[0].origin.columns


def test_without_stages_what_is_named_or_written_is_read(data: Path) -> None:
    offline = str(data / "offline/km3net_offline.root")

    def read(recipe: Recipe) -> set[str]:
        return set(make_plan(recipe, [offline]).chunks[0].origin.columns)

    assert read(Recipe(source=SourceSettings(columns=("hits/t",)))) == {"hits/t"}
    hits_only = read(Recipe(sinks=(ParquetSink(tables=("hits",)),)))
    assert {c.partition("/")[0] for c in hits_only} == {"events", "hits"}
    fixed = read(Recipe(sinks=(Km3PipeSink(),)))
    assert {"hits/t", "tracks/fitinf", "mc_tracks/E"} <= fixed
    assert not {"tracks/hit_ids", "hits/pattern_flags"} & fixed
    both = read(Recipe(sinks=(Km3PipeSink(name="other"), ParquetSink())))
    assert "tracks/hit_ids" in both


def test_patterns_of_columns() -> None:
    with pytest.raises(ConfigError, match="no column 'hit/t'"):
        make_plan(Recipe(source=SourceSettings(files=(ONLINE,), columns=("hit/t",))))


def test_files_named_twice_are_read_once(data: Path) -> None:
    plan = make_plan(
        read_recipe(EXAMPLES / "online.toml"), [ONLINE, str(data / "online/muon_cc_daqevents.root")]
    )
    assert plan.n_events == 250


# -- a source that changes after it was planned --------------------------------
def test_sources_are_checked(tmp_path: Path, data: Path, odd: Callable[..., Path]) -> None:
    path = tmp_path / "run.root"
    path.write_bytes((data / "online/muon_cc_daqevents.root").read_bytes())
    plan = make_plan(read_recipe(odd()), [str(path)])
    plan.check_sources()
    os.utime(path)  # touched, but the same bytes
    plan.check_sources()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceChangedError, match=r"run\.root' has changed since the plan was made"):
        check_input(plan.inputs[0])
    path.unlink()
    with pytest.raises(InputNotFoundError, match="is gone"):
        plan.check_sources()


def test_a_source_changed_between_plan_and_read_stops_the_run(
    tmp_path: Path, data: Path, odd: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.root"
    path.write_bytes((data / "online/muon_cc_daqevents.root").read_bytes())
    planned = make_plan(read_recipe(odd()), [str(path)])
    path.write_bytes(path.read_bytes() + b"more")
    monkeypatch.setattr("km3gpu.pipeline.start.make_plan", lambda recipe, files: planned)
    with pytest.raises(SourceChangedError):
        run(odd(), [str(path)], out=tmp_path / "out")
    assert not (tmp_path / "out" / "events.parquet").exists()


NUE = "testdata:offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
OTHER = "testdata:offline/numucc.root"  # of another version: other columns, and some in another order


def test_inputs_of_other_versions_go_together_but_for_the_columns_that_differ(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    text = f"[source]\nfiles = ['{NUE}', '{OTHER}']\n@\n[[sink]]\nformat = 'parquet'\n"
    plan.write_text(text.replace("@", ""))
    with pytest.raises(ConfigError, match="inputs differ in columns") as error:
        make_plan(read_recipe(plan))
    assert error.value.remedy is not None
    said = error.value.remedy.partition("columns = ")[2].partition(" in [source]")[0]  # to be copied
    assert said.startswith("['!events/mc_event_time_ns', '!")
    plan.write_text(text.replace("@", f"columns = {said}"))
    result = run(plan, out=tmp_path / "out")
    tracks = ParquetSink().read(result.outputs[0])["tracks"]
    for column in ("status", "fitinf", "mother_id", "lik"):
        parts = [k3.open(f).read({"tracks": (column,)}).tracks.to_awkward()[column] for f in (NUE, OTHER)]
        assert ak.array_equal(tracks.to_awkward()[column], ak.concatenate(parts), equal_nan=True), column


def test_columns_that_are_left_out(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    text = f"[source]\nfiles = ['{NUE}']\ncolumns = ['events/*', '!events/w*', '!events/mc_*']\n"
    plan.write_text(text + "[[stage]]\nuse = 'sort'\n[[sink]]\nformat = 'parquet'\n")
    columns = make_plan(read_recipe(plan)).chunks[0].origin.columns
    assert "events/run_id" in columns
    assert "hits/t" in columns
    assert not [c for c in columns if c.startswith(("events/w", "events/mc_"))]
    plan.write_text(
        text.replace("'!events/w*'", "'!hits/t'") + "[[stage]]\nuse = 'sort'\n[[sink]]\nformat='fits'"
    )
    with pytest.raises(ConfigError, match=r"stage 'sort' needs hits.t, which"):
        make_plan(read_recipe(plan))
