"""Several chunks as one task of dask: their number, their receipts, and what is left of them by faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import distributed
import pytest

from km3gpu.errors import RunFailedError
from km3gpu.pipeline import Receipt, Task, make_plan, read_recipe, resume, run
from km3gpu.pipeline import bundles as bundles_module
from km3gpu.pipeline.bundles import NOTES, Pace, end, noted, run_bundle
from km3gpu.pipeline.sealed import seal

PlanMaker = Callable[..., Path]
Order = Callable[[str], None]


def receipt(seconds: float) -> Receipt:
    return Receipt("0" * 32, "done", 1, "a.root", "E", (0, 1), seconds={"read": seconds})


@pytest.mark.parametrize(
    ("seconds", "workers", "left", "window", "size"),
    [
        (3.6, 100, 160_000, 0, 2),  # 28 chunks a second
        (3.6, 1000, 160_000, 0, 12),  # 280
        (0.01, 2, 10_000, 0, 25),  # a quarter of a second
        (0.01, 2, 40, 0, 5),  # few are left
        (0.01, 2, 10_000, 16, 4),  # a window is one of chunks
        (0.01, 2, 10_000, 3, 1),
        (60.0, 1000, 10, 0, 1),
    ],
)
def test_a_bundle_is_as_large_as_is_good(
    seconds: float, workers: int, left: int, window: int, size: int
) -> None:
    pace = Pace()
    assert pace.size(workers, left, window) == 1  # nobody knows yet
    for s in (30.0, seconds, seconds, seconds):  # the first one also starts the worker
        pace.saw(receipt(s))
    assert pace.size(workers, left, window) == size


@pytest.fixture
def tasks(tmp_path: Path, odd: PlanMaker) -> list[Task]:
    recipe = read_recipe(odd(bare=True))
    plan = make_plan(recipe)
    (tmp_path / "out/parts").mkdir(parents=True)
    out = str(tmp_path / "out")
    return [
        Task(c.id, c.origin, plan.inputs[0], recipe.stages, plan.history, recipe.sinks, out, plan.code)
        for c in plan.chunks[:4]
    ]


def test_what_is_noted_is_not_made_again(
    tmp_path: Path, tasks: list[Task], seen: Callable[[], list[tuple[int, int]]]
) -> None:
    notes = tmp_path / f"out/parts/one{NOTES}"
    first = run_bundle(seal(*tasks[:2]), str(notes), (), "run")
    assert [r.id for r in noted(notes)] == [t.id for t in tasks[:2]]
    with notes.open("a") as file:
        file.write('{"event":"receipt","id":"tor')
    again = run_bundle(seal(*tasks), str(notes), (), "run")
    assert [r.state for r in again] == ["done"] * 4
    assert again[:2] == [replace(r, rows=dict(r.rows)) for r in first]
    assert len(seen()) == 4
    (tmp_path / "out/parts" / first[0].outputs[0].name).unlink()  # a note without a part is none
    assert tasks[0].id not in {r.id for r in noted(notes)}


def test_a_bundle_ends_with_its_run_and_with_what_stops_all(
    tmp_path: Path, tasks: list[Task], order: Order
) -> None:
    notes = str(tmp_path / f"out/parts/one{NOTES}")
    order("full-30-always")
    receipts = run_bundle(seal(*tasks), notes, (), "run")
    assert [r.fault and r.fault.kind for r in receipts] == [None, "disk"]
    end("another")
    assert len(run_bundle(seal(*tasks[2:]), notes, (), "another")) == 1


def test_tasks_of_a_bundle_share_what_they_have_in_common(tasks: list[Task]) -> None:
    assert len(seal(*tasks)) < 2 * len(seal(tasks[0]))


# -- on real workers -------------------------------------------------------------
@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[distributed.Client]:
    folder = tmp_path_factory.mktemp("dask")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=str(folder)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what is left goes to each worker."""
    monkeypatch.setattr(bundles_module, "_LEAST", 1e6)
    monkeypatch.setattr(bundles_module, "_AHEAD", 1)


@pytest.mark.usefixtures("large")
def test_a_worker_that_dies_loses_no_chunk_that_it_finished(
    tmp_path: Path,
    odd: PlanMaker,
    order: Order,
    client: distributed.Client,
    seen: Callable[[], list[tuple[int, int]]],
) -> None:
    whole = run(odd(chunk=5, bare=True), out=tmp_path / "whole")
    before = len(seen())
    order("kill-123-once")
    result = run(odd(chunk=5, bare=True), out=tmp_path / "out", scheduler=client)
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "out/journal.jsonl").read_text().splitlines()]
    kinds = Counter(e["event"] for e in lines)
    assert kinds["receipt"] == kinds["handed out"] == 50
    made = Counter(seen()[before:])
    assert made.pop((120, 125)) == 2
    # what the dead worker had given back but nobody had fetched yet dask makes again: not from notes
    assert sum(made.values()) <= 49 + 2
    assert not list((tmp_path / "out/parts").glob(f"*{NOTES}"))


@pytest.mark.soak
@pytest.mark.usefixtures("large")
def test_a_poisonous_chunk_takes_none_of_its_bundle_along(
    tmp_path: Path, odd: PlanMaker, order: Order, client: distributed.Client
) -> None:
    order("kill-123-always")
    with pytest.raises(RunFailedError, match="dask gave the chunk up") as error:
        run(odd(chunk=1, bare=True), out=tmp_path / "out", scheduler=client)
    assert error.value.result.total.n_out == 249  # type: ignore[attr-defined]
    assert [r.entries for r in error.value.result.failures]  # type: ignore[attr-defined] == [(123, 124)]


@pytest.mark.usefixtures("large")
def test_a_killed_run_takes_in_what_its_workers_noted(
    tmp_path: Path, odd: PlanMaker, client: distributed.Client, seen: Callable[[], list[tuple[int, int]]]
) -> None:
    """The state that a run leaves that is killed: parts and notes, no line in the journal."""
    recipe = read_recipe(odd(chunk=5, bare=True))
    plan = make_plan(recipe)
    out = tmp_path / "out"
    first = run(odd(chunk=5, bare=True), out=out, merge=False)
    lines = (out / "journal.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["event"] != "receipt"]
    taken = [json.loads(line) for line in lines if json.loads(line)["event"] == "receipt"][:20]
    (out / "journal.jsonl").write_text("".join(f"{line}\n" for line in kept))
    (out / f"parts/km3gpu-old-20{NOTES}").write_text("".join(f"{json.dumps(t)}\n" for t in taken))
    before = len(seen())
    result = resume(out, scheduler=client)
    assert len(seen()) - before == len(plan.chunks) - 20 == len(first.receipts) - 20
    assert [r.id for r in result.receipts] == [c.id for c in plan.chunks]
    assert not list((out / "parts").glob(f"*{NOTES}"))


@pytest.mark.usefixtures("large")
def test_two_runs_of_one_plan_on_the_same_workers(
    tmp_path: Path, odd: PlanMaker, client: distributed.Client
) -> None:
    """Their chunks have the same ids, and must not be taken for each other."""
    plan = odd(chunk=5, seconds=0.02, bare=True)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda n: run(plan, out=tmp_path / n, scheduler=client, show=False), "ab"))
    assert made[0].outputs[0].read_bytes() == made[1].outputs[0].read_bytes()
    assert [len(list((r.out / "parts").iterdir())) for r in made] == [50, 50]
