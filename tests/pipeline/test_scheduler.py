"""Dask schedulers of their own: killed, left behind by their run; how much is in flight."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest

from km3gpu.chunk import Chunk
from km3gpu.errors import RunFailedError
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import provenance, resume, run
from km3gpu.pipeline import task as task_module
from km3gpu.pipeline.cluster import DistributedRunner
from km3gpu.pipeline.task import Task

PlanMaker = Callable[..., Path]
Order = Callable[[str], None]


class Dask:
    """A scheduler and workers as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dask.log").touch()
        self.processes: list[subprocess.Popen[str]] = []
        self._start("dask_scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        end = time.monotonic() + 60
        while (found := re.search(r"tcp://127\.0\.0\.1:\d+", (folder / "dask.log").read_text())) is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        self.address = found[0]

    def _start(self, program: str, *options: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *options]
        with open(self.folder / "dask.log", "a") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, text=True, start_new_session=True
            )
        self.processes.append(process)

    def add_worker(self, *options: str) -> None:
        options = ("--no-dashboard", "--nthreads", "1", "--local-directory", str(self.folder), *options)
        self._start("dask_worker", self.address, *options)

    def wait_for(self, n: int) -> None:
        with distributed.Client(self.address, timeout=30) as client:
            client.wait_for_workers(n, timeout=60)

    def kill_scheduler(self) -> None:
        self.processes[0].kill()
        self.processes[0].wait()

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Dask]]:
    started = []

    def start(workers: int) -> Dask:
        cluster = Dask(tmp_path_factory.mktemp("dask"))
        started.append(cluster)
        for _ in range(workers):
            cluster.add_worker()
        cluster.wait_for(workers)
        return cluster

    yield start
    for cluster in started:
        cluster.close()


def weight(result: object) -> int:
    return len(pickle.dumps(result))


def start_run(plan: Path, out: Path, **how: object) -> subprocess.Popen[str]:
    code = f"from km3gpu.pipeline import run; run({str(plan)!r}, out={str(out)!r}, **{how!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=plan.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_receipts(out: Path, n: int) -> None:
    journal, end = out / "journal.jsonl", time.monotonic() + 60
    while not journal.exists() or journal.read_text().count('"receipt"') < n:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_scheduler_and_driver_are_killed(tmp_path: Path, odd: PlanMaker, dask: Callable[[int], Dask]) -> None:
    """First the scheduler under a run, then, with another scheduler, the run itself."""
    whole = run(odd(), out=tmp_path / "whole")
    plan, out = odd(seconds=0.2), tmp_path / "out"
    first = dask(1)
    process = start_run(plan, out, scheduler=first.address)
    wait_for_receipts(out, 2)
    began = time.monotonic()
    first.kill_scheduler()
    _, err = process.communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert "BackendError: the dask scheduler is gone" in err
    record = json.loads((out / "provenance.json").read_text())
    assert record["status"] == "failed"
    assert "the dask scheduler is gone" in record["sessions"][0]["ended"]["error"]
    assert len(record["chunks"]) >= 2
    assert not record["failures"]  # no chunk is blamed for it

    second = dask(1)
    process = start_run(plan, out, scheduler=second.address)
    wait_for_receipts(out, len(record["chunks"]) + 2)
    process.kill()
    process.communicate()
    result = resume(out, scheduler=second.address)
    assert result.resumed >= len(record["chunks"]) + 2
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    assert result.total.n_out == 250
    statuses = [s["ended"]["status"] for s in provenance.read(out)["sessions"]]
    assert statuses == ["failed", "killed", "complete"]


@pytest.mark.parametrize("scheduler", ["local", None])
def test_signals_to_all_processes_let_chunks_end(
    tmp_path: Path, odd: PlanMaker, scheduler: str | None
) -> None:
    """As Ctrl-C in a terminal, or a batch system that ends a job, sends them."""
    out = tmp_path / "out"
    process = start_run(odd(seconds=0.5), out, workers=2, scheduler=scheduler)
    wait_for_receipts(out, 1)
    family = [process.pid, *(c.pid for c in psutil.Process(process.pid).children(recursive=True))]
    assert len(family) >= 3
    for pid in family:
        os.kill(pid, signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert "InterruptedRunError: stopped by SIGTERM" in err
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    kinds = [e["event"] for e in lines]
    assert kinds.count("receipt") == kinds.count("handed out") < 10
    assert {e["state"] for e in lines if e["event"] == "receipt"} == {"done"}
    assert provenance.read(out)["status"] == "interrupted"


def test_the_window_bounds_what_is_in_flight(
    tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the workers, no more futures exist than the window allows; they hold receipts."""
    most: list[int] = []
    sizes: list[int] = []
    submit, outcomes = DistributedRunner.submit, DistributedRunner._outcomes

    def counting(self: DistributedRunner, task: Task, slot: int = 0) -> None:
        submit(self, task, slot)
        most.append(self.busy)

    def weighing(self: DistributedRunner, fetched: Any, keys: list[str]) -> Any:
        for future in [self._bundles[k][0] for k in keys]:
            sizes.append(future.client.submit(weight, future, pure=False).result())
        return outcomes(self, fetched, keys)

    monkeypatch.setattr(DistributedRunner, "submit", counting)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        run(odd(chunk=10, seconds=0.02, bare=True), out=tmp_path / "out", scheduler=client, window=3)
        assert (len(most), max(most)) == (25, 3)
        held = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        assert held == 0  # nothing is kept for a run that has ended
        most.clear()
        monkeypatch.setattr(DistributedRunner, "_outcomes", weighing)
        run(odd(chunk=50, bare=True), out=tmp_path / "other", scheduler=client)
        assert (len(most), max(most)) == (5, 2)  # two for each thread
        assert max(sizes) < 10_000


def test_a_slow_sink_holds_everything_back(
    tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks exist only while a worker makes them: a sink that does not follow slows reading down."""
    alive, most, kept = [0], [0], [0]
    check, write = task_module.check_input, ParquetSink.write

    def beginning(*args: Any, **kwargs: Any) -> None:
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        check(*args, **kwargs)

    def writing(self: ParquetSink, chunk: Chunk, path: Path) -> Any:
        time.sleep(0.05)
        part = write(self, chunk, path)
        alive[0] -= 1
        return part

    monkeypatch.setattr(task_module, "check_input", beginning)
    monkeypatch.setattr(ParquetSink, "write", writing)
    outcomes = DistributedRunner._outcomes

    def weighing(self: DistributedRunner, fetched: Any, keys: list[str]) -> Any:
        held = cluster.scheduler.tasks.values()
        kept[0] = max(kept[0], sum(t.nbytes for t in held if t.nbytes > 0))
        return outcomes(self, fetched, keys)

    monkeypatch.setattr(DistributedRunner, "_outcomes", weighing)
    how: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": False}
    with (
        distributed.LocalCluster(**how, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        result = run(odd(chunk=5), out=tmp_path / "out", scheduler=client, window=20)
    assert len(result.receipts) == 50
    assert most[0] <= 2  # as many as threads, though twenty were handed out
    assert 0 < kept[0] < 20 * 20_000  # dask holds receipts, no arrays


@pytest.mark.soak
def test_a_chunk_that_kills_every_dask_worker_is_cornered(
    tmp_path: Path, odd: PlanMaker, order: Order
) -> None:
    order("kill-60-always")
    with pytest.raises(RunFailedError, match="dask gave the chunk up after its workers died") as error:
        run(odd(bare=True), out=tmp_path / "out", workers=2, scheduler="local")
    result = error.value.result  # type: ignore[attr-defined]
    assert [r.entries for r in result.failures] == [(60, 61)]
    assert result.total.n_out == 249


@pytest.mark.soak
def test_a_dask_worker_over_its_memory(tmp_path: Path, odd: PlanMaker, order: Order) -> None:
    whole = run(odd(chunk=50, bare=True), out=tmp_path / "whole")
    order("hog-60-always")
    result = run(
        odd(chunk=50, bare=True), out=tmp_path / "out", workers=1, scheduler="local", memory="900 MB"
    )
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    assert len(json.loads(result.provenance.read_text())["failures"]) >= 1
