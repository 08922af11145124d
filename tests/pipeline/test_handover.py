"""Readers apart: one worker reads a chunk, another makes its parts."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import distributed
import pytest

from km3gpu.errors import BackendError, ConfigError
from km3gpu.pipeline import Receipt, Task, make_plan, read_recipe, run
from km3gpu.pipeline.cluster import DistributedRunner
from km3gpu.pipeline.handover import read_sealed
from km3gpu.pipeline.localcluster import local_cluster
from km3gpu.pipeline.sealed import seal
from km3gpu.pipeline.task import Read, read_chunk, run_chunk

PlanMaker = Callable[..., Path]
Order = Callable[[str], None]


@pytest.fixture
def task(tmp_path: Path, odd: PlanMaker) -> Task:
    recipe = read_recipe(odd())
    plan = make_plan(recipe)
    (tmp_path / "out/parts").mkdir(parents=True)
    c, out = plan.chunks[1], str(tmp_path / "out")
    return Task(c.id, c.origin, plan.inputs[0], recipe.stages, plan.history, recipe.sinks, out, plan.code)


def test_a_chunk_that_another_process_read(task: Task) -> None:
    alone = run_chunk(task)
    read = read_chunk(task)
    assert isinstance(read, Read)
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(replace(read, worker="far:1", cpu=5.0), protocol=5, buffer_callback=buffers.append)
    moved = sum(b.raw().nbytes for b in buffers)
    assert moved >= read.chunk.nbytes  # the columns are apart, as they are: nothing copies them
    assert len(data) < 20_000
    there = pickle.loads(data, buffers=buffers)
    receipt = run_chunk(task, there)
    assert receipt.outputs == alone.outputs
    assert (receipt.reader, alone.reader) == ("far:1", "")
    assert receipt.cpu > 5.0
    assert list(receipt.seconds) == list(alone.seconds)
    assert Receipt.from_json(json.loads(json.dumps(receipt.to_json()))) == receipt


def test_a_chunk_that_cannot_be_read(task: Task) -> None:
    changed = replace(task, source=replace(task.source, digest="sha256:0", size=1))
    handed = read_sealed(seal(changed), ())
    (receipt,) = handed()
    assert receipt == handed.read
    assert receipt.fault is not None
    assert "has changed since the plan was made" in receipt.fault.message


# -- on real workers -------------------------------------------------------------
@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with local_cluster(2, None, "cpu", readers=1) as cluster, distributed.Client(cluster) as client:
        client.wait_for_workers(3, timeout=120)
        yield client


def workers(client: distributed.Client, kind: str) -> set[str]:
    """Give the workers with a resource as receipts name them."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    pids = client.run(os.getpid)
    return {str(pids[a]) for a, w in known.items() if kind in w["resources"]}


def pids(names: set[str]) -> set[str]:
    return {n.rpartition(":")[2] for n in names}


def test_who_read_and_who_made(
    tmp_path: Path, odd: PlanMaker, client: distributed.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(odd(sinks="parquet hdf5"), out=tmp_path / "whole")
    most: list[int] = []
    send = DistributedRunner._send

    def counting(self: DistributedRunner) -> None:
        send(self)
        most.append(self.busy)

    monkeypatch.setattr(DistributedRunner, "_send", counting)
    result = run(odd(sinks="parquet hdf5"), out=tmp_path / "out", scheduler=client, readers=1)
    assert [p.read_bytes() for p in result.outputs] == [p.read_bytes() for p in whole.outputs]
    assert pids({r.reader for r in result.receipts}) == workers(client, "READ")
    assert pids({r.worker for r in result.receipts}) <= workers(client, "MAKE")
    assert max(most) == 5  # one with the reader, two for each of the others
    record = json.loads(result.provenance.read_text())
    assert {c["reader"] for c in record["chunks"]} == {r.reader for r in result.receipts}
    assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0


def test_a_maker_that_dies(tmp_path: Path, odd: PlanMaker, order: Order, client: distributed.Client) -> None:
    whole = run(odd(bare=True), out=tmp_path / "whole")
    order("kill-60-once")
    result = run(odd(bare=True), out=tmp_path / "out", scheduler=client, readers=1)
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    assert not result.failures


def test_a_reader_that_dies(tmp_path: Path, odd: PlanMaker, client: distributed.Client) -> None:
    whole = run(odd(bare=True, chunk=10), out=tmp_path / "whole")
    (reader,) = workers(client, "READ")
    journal = tmp_path / "out/journal.jsonl"

    def kill() -> None:
        while not journal.exists() or journal.read_text().count('"receipt"') < 3:
            time.sleep(0.01)
        os.kill(int(reader), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = run(odd(bare=True, chunk=10, seconds=0.1), out=tmp_path / "out", scheduler=client, readers=1)
    killer.join()
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    assert len({r.reader for r in result.receipts}) == 2


def test_settings_that_do_not_go_together(tmp_path: Path, odd: PlanMaker) -> None:
    with pytest.raises(ConfigError, match="readers = 2, but runner = 'threads'"):
        run(odd(), out=tmp_path / "out", readers=2, runner="threads")
    how: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False}
    with (
        distributed.LocalCluster(**how, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(BackendError, match="no dask worker has the resource READ"),
    ):
        run(odd(), out=tmp_path / "out", readers=1, scheduler=client)
