"""Memory counted before anything is read: held against what is measured, and what chunks follow from it."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

import km3gpu
from km3gpu import backend, stages
from km3gpu.backend import Backend, using_pool
from km3gpu.errors import BackendError
from km3gpu.io.dataset import parse_size
from km3gpu.kernels import threads
from km3gpu.memory import Pool
from km3gpu.pipeline import make_plan, read_recipe
from km3gpu.pipeline.footprint import auto_chunk, footprint, worker_memory
from km3gpu.pipeline.sinks import SINKS

from .conftest import DETECTOR, ONLINE

ARCA = "testdata:detx/KM3NeT_-00000001_20171212.detx"
COLUMNS = {"hits": ("dom_id", "channel_id", "tdc", "tot"), "events": ("time_ns",)}


def chain() -> list[stages.Stage]:
    parameters = {"calibrate": {"detector": DETECTOR}, "coincidences": {"l2_window": 20.0, "min_cos": 0.2}}
    names = ("calibrate", "coincidences", "triggers", "summarise")
    return [stages.make(n, **parameters.get(n, {})) for n in names]


def test_each_stage_keeps_within_its_plan_and_not_by_far() -> None:
    chunk = km3gpu.open(ONLINE).read(entries=(0, 60), tables=("hits", "events"), backend="cpu")
    n = len(chunk.hits)
    steps = footprint(chain(), "daq", COLUMNS)
    assert steps[0].left == chunk.hits.nbytes // n == 10
    with threads(1):
        for stage, planned in zip(chain(), steps[1:], strict=True):
            stage(chunk)  # compiled
            with using_pool(Pool(keep=0)):
                tracemalloc.start()
                after = stage(chunk)
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            measured = (peak + chunk.nbytes) / n
            assert 0.4 * planned.highest <= measured <= planned.highest, stage.name
            chunk = after
            assert chunk.nbytes / n <= planned.left + 1, stage.name


def test_stages_of_simulated_hits_keep_within_their_plan(data: Path) -> None:
    path = data / "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
    chunk = km3gpu.open(path).read(entries=(0, 6), backend="cpu")
    n = len(chunk.hits)
    columns = {name: table.columns for name, table in chunk.tables.items()}
    made = [
        stages.make("calibrate", detector=ARCA, force=True),
        stages.make("coincidences"),
        stages.make("truth"),
        stages.make("clean", radius_m=90.0),
        stages.make("select", hits="tot > 10"),
    ]
    others = (chunk.nbytes - chunk.hits.nbytes) / n  # of the other tables, which the plan leaves out
    with threads(1):
        for stage, planned in zip(made, footprint(made, "offline", columns)[1:], strict=True):
            stage(chunk)
            with using_pool(Pool(keep=0)):
                tracemalloc.start()
                after = stage(chunk)
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            assert (peak + chunk.nbytes) / n - others <= planned.highest, stage.name
            chunk = after


def test_what_is_left_is_there_in_the_next_step() -> None:
    steps = footprint(chain(), "daq", COLUMNS)
    assert [s.name for s in steps] == ["read", "calibrate", "coincidences", "triggers", "summarise"]
    assert all(s.highest >= s.left for s in steps)
    assert all(b.highest >= a.left for a, b in itertools.pairwise(steps))
    # columns that are there already are replaced, not added
    calibrate = chain()[0]
    once, again = footprint([calibrate, calibrate], "daq", COLUMNS)[1:]
    assert again.left == once.left
    assert again.highest == once.highest + 7 * 8 + 3 * 4 + 1
    # rows that are left out are copied
    drop = stages.make("calibrate", detector=DETECTOR, long_tot="drop")
    assert footprint([drop], "daq", COLUMNS)[1].highest == once.highest + 10
    assert footprint([], "offline", {}) == footprint([], "offline", {"tracks": ()})


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(
        f'[source]\nfiles = ["{ONLINE}"]\nchunk = "auto"\n[[stage]]\nuse = "calibrate"\n'
        f'detector = "{DETECTOR}"\n[[stage]]\nuse = "coincidences"\n[[sink]]\nformat = "parquet"\n'
    )
    return path


def test_chunks_follow_the_free_memory(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = read_recipe(recipe, run={"backend": "cuda", "workers": 3})
    monkeypatch.setattr(backend, "why_no_gpu", lambda: None)
    free = 16 * 10**9
    monkeypatch.setattr(Backend, "free_memory", lambda self: free)
    size = parse_size(auto_chunk(made, "daq", COLUMNS))
    steps = footprint(made.stages, "daq", COLUMNS)
    need = 3 * size / steps[0].left * max(s.highest for s in steps)
    assert 0.4 * free <= need <= 0.8 * free
    # on the CPU a chunk need not be larger than what is worth reading at once
    assert (
        parse_size(auto_chunk(replace(made, run=replace(made.run, backend="cpu")), "daq", COLUMNS)) == 2**25
    )
    free = 10**6
    with pytest.raises(BackendError, match="1000000 bytes of free memory are too little for 3 chunks"):
        auto_chunk(made, "daq", COLUMNS)


@pytest.mark.parametrize(
    ("settings", "free", "most"),
    [
        ({"workers": 4}, 2e9, 2e9),  # processes, each with libraries of its own
        ({"workers": 4, "runner": "threads"}, 4e8, 4e8),  # which share them
        ({"workers": 2, "memory": "350 MB"}, 1e11, 2 * 350e6),
        ({"workers": 2, "memory": "350 MB", "scheduler": "local"}, 1e11, 2 * 350e6),
        # jobs elsewhere: what is free here says nothing
        ({"workers": 9, "memory": "400 MB", "runner": "slurm"}, 1e6, 9 * 400e6),
    ],
    ids=str,
)
def test_chunks_fit_beside_what_workers_hold(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], free: float, most: float
) -> None:
    monkeypatch.setattr(Backend, "free_memory", lambda self: int(free))
    made = read_recipe(recipe, run={"backend": "cpu", **settings}, environment={})
    size = parse_size(auto_chunk(made, "daq", COLUMNS))
    steps = footprint(made.stages, "daq", COLUMNS)
    if settings.get("runner") == "threads":
        need = made.run.workers * size / steps[0].left * max(s.highest for s in steps)
    else:
        need = made.run.workers * worker_memory(made, steps, size)
        twice = made.run.workers * worker_memory(made, steps, 2 * size)
        assert twice > 0.7 * most  # and no smaller than that asks for
    assert 0.2 * most < need <= 0.8 * most


def test_workers_without_room_for_a_chunk(recipe: Path) -> None:
    made = read_recipe(recipe, run={"backend": "cpu", "workers": 2, "memory": "250 MB"}, environment={})
    with pytest.raises(BackendError, match=r"memory = '250 MB' is too little for 2 chunks .* 245 MB"):
        auto_chunk(made, "daq", COLUMNS)


def test_what_sinks_hold_counts(recipe: Path) -> None:
    made = read_recipe(recipe, environment={})
    steps = footprint(made.stages, "daq", COLUMNS)
    alone = worker_memory(made, steps, 0.0)
    assert 200e6 < alone < 300e6
    fits = read_recipe(recipe, environment={}).sinks + tuple(SINKS[f]() for f in ("hdf5", "fits"))
    more = replace(made, sinks=fits)
    assert worker_memory(more, steps, 0.0) == alone + 30e6
    # a sink that copies the chunk needs more than the last stage did
    held = 1e6 / steps[0].left * steps[-1].left
    assert worker_memory(more, steps, 1e6) - worker_memory(more, steps, 0.0) == pytest.approx(2.2 * held)


def test_a_run_goes_on_with_the_chunks_that_it_began_with(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backend, "free_memory", lambda self: 10**7)
    plan = make_plan(read_recipe(recipe))
    assert len(plan.chunks) > 5
    first = km3gpu.run(recipe, out=tmp_path / "out", show=False, backend="cpu", part="1/5")
    monkeypatch.setattr(Backend, "free_memory", lambda self: 10**11)
    assert len(make_plan(read_recipe(recipe)).chunks) == 1
    result = km3gpu.run(recipe, out=tmp_path / "out", show=False, backend="cpu")
    assert len(result.receipts) == len(first.plan.chunks) == len(plan.chunks)
    assert json.loads((tmp_path / "out/plan.json").read_text())["recipe"]["source"]["chunk"].endswith(" B")
