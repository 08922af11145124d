"""The pipeline at scale: overhead, scheduling, resuming, several processes, memory, and km3pipe beside it.

Jobs are made by repeating real files, with a line at their end that makes each
another input; the full form runs each job for a minute or more.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import Row
from benchmarks.pipeline_jobs import (
    BARE,
    COMPUTE,
    DEMO,
    FILES,
    ONLINE,
    copies,
    good,
    many,
    recipe,
    task_of,
)
from benchmarks.pipeline_memory import memory
from benchmarks.pipeline_peer import beside_km3pipe
from km3gpu.io import read_origin
from km3gpu.kernels import threads
from km3gpu.pipeline import Receipt, Task, make_plan, run_chunk
from km3gpu.pipeline import run as run_plan
from km3gpu.pipeline.cluster import DistributedRunner
from km3gpu.pipeline.driver import Driver
from km3gpu.pipeline.journal import Journal
from km3gpu.pipeline.outcome import Outcome
from km3gpu.pipeline.receipt import Output, sink_key
from km3gpu.pipeline.rundir import RunDirectory
from km3gpu.pipeline.task import part_name

# what a building block records in a year (KM3NeT web pages: 25 Gb/s, reduced by 10^4)
BLOCK_YEAR = 10e12
CHUNK = 64e6


def run(quick: bool) -> list[Row]:
    """Measure the pipeline; the figures of a year come from those of the jobs."""
    with tempfile.TemporaryDirectory(prefix="km3gpu-bench-") as name:
        folder = Path(name)
        rows = [
            *_overhead(folder / "overhead", quick),
            _scheduler(folder / "scheduler", 500 if quick else 5000),
            *_distributed(folder / "distributed", 500 if quick else 5000),
            _resume(folder / "resume", 2000 if quick else 100_000),
            *memory(folder / "memory", quick),
        ]
        scaling, per_byte = _scaling(folder / "scaling", quick)
        rows += [*scaling, *beside_km3pipe(folder / "km3pipe", quick)]
        tasks_per_second = 1e3 / rows[3].ours  # driver, client and scheduler on one core
        return [*rows, *_year(per_byte, tasks_per_second)]


# -- one chunk ---------------------------------------------------------------------
def _overhead(folder: Path, quick: bool) -> list[Row]:
    """Take the CPU of chunks of a single event: of a plan that does nothing all of it is overhead."""
    rows = []
    n = 20 if quick else 120
    for name, text, limit in (("no stage", BARE, 10.0), ("demo plan", DEMO, None)):
        made = recipe(text, folder, files=FILES)
        made = replace(made, source=replace(made.source, chunk=1))
        plan = make_plan(made)
        out = folder / "out"
        (out / "parts").mkdir(parents=True, exist_ok=True)
        tasks = [task_of(plan, made, c, out) for c in plan.chunks[: n + 5]]
        spent: dict[str, list[float]] = {"pipeline": [], "by hand": []}
        for task in tasks:  # in turn
            spent["pipeline"].append(good(run_chunk(task)).cpu)
            start = time.process_time()
            with threads(1):
                chunk = read_origin(task.origin, backend="cpu")
                for stage in made.stages:
                    chunk = stage(chunk)
                for sink in made.sinks:
                    sink.write(chunk, out / "by-hand")
            spent["by hand"].append(time.process_time() - start)
        ours, peer = (1e3 * statistics.median(s[5:]) for s in spent.values())
        label = f"chunk of one event, {name}"
        if limit:
            note = f"by hand {peer:.2f} ms: open, read, write"
            rows.append(Row(label, ours, "ms", limit=limit, sense="at most", note=note))
        else:
            rows.append(Row(label, ours, "ms", peer, peer / ours, note="the same without the pipeline"))
        shutil.rmtree(out)
    return rows


# -- handing out -------------------------------------------------------------------
class _Instantly:
    """A runner whose chunks are made the moment they are handed out."""

    name = "instantly"
    workers = 2

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.tasks: list[Task] = []

    def room(self, left: int) -> list[str | None]:
        return [None] * (4 - len(self.tasks))

    def submit(self, task: Task, slot: int = 0) -> None:
        self.tasks.append(task)

    @property
    def busy(self) -> int:
        return len(self.tasks)

    def wait(self, timeout: float) -> list[Outcome]:
        done, self.tasks = self.tasks, []
        return [Outcome(t, replace(self.receipt, id=t.id)) for t in done]

    def end(self) -> None:
        pass

    def close(self, *, at_once: bool) -> None:
        pass


def _scheduler(folder: Path, n: int) -> Row:
    made, plan, receipt = many(folder, n)
    directory = RunDirectory(folder / "out")
    directory.path.mkdir()
    directory.adopt(plan)
    with Journal(directory.path / "journal.jsonl") as log:
        driver = Driver(plan, made, directory, directory.state(), log, lambda r: None, 1)
        start = time.process_time()
        driver.run(plan.chunks, _Instantly(receipt), _Never())  # type: ignore[arg-type]
        spent = time.process_time() - start
    return Row(
        "driver per task", 1e3 * spent / n, "ms", limit=1.0, sense="at most",
        note=f"{n} tasks, two journal lines each, on disk",
    )  # fmt: skip


class _Never:
    """No signal stops it."""

    at_once = False

    def __bool__(self) -> bool:
        return False


def _distributed(folder: Path, n: int) -> list[Row]:
    """Take the CPU of driver, client and scheduler, which share this process, per chunk made by dask.

    The peer hands tasks that do nothing to the same workers, one by one and with as
    many on their way, which is what any driver without bundles pays.
    """
    from distributed import Client, LocalCluster, as_completed

    made = recipe(BARE, folder, files=copies(ONLINE, n // 250, folder / "in"))
    plan = make_plan(replace(made, source=replace(made.source, chunk=1)))
    directory = RunDirectory(folder / "out")
    directory.path.mkdir()
    directory.adopt(plan)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        Journal(directory.path / "journal.jsonl") as log,
    ):

        def by_hand(count: int) -> None:
            ended = as_completed(client.submit(abs, i, pure=False) for i in range(4))
            for i, future in enumerate(ended):
                future.result()
                if i + 4 < count:
                    ended.add(client.submit(abs, i, pure=False))

        def spent(work: Callable[[], object], count: int) -> float:
            """Give ms of CPU for one of `count`, without what the same seconds cost at rest."""
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            return 1e3 * (cpu - at_rest * wall) / count

        driver = Driver(plan, made, directory, directory.state(), log, lambda r: None, 1)
        runner = DistributedRunner(client)
        warm = len(plan.chunks) // 5
        driver.run(plan.chunks[:warm], runner, _Never())  # type: ignore[arg-type]
        by_hand(20)
        cpu = time.process_time()
        time.sleep(5)  # heartbeats, and what a scheduler looks after: more of it where the workers are slow
        at_rest = (time.process_time() - cpu) / 5
        peer = spent(lambda: by_hand(warm), warm)
        rest = plan.chunks[warm:]
        ours = spent(lambda: driver.run(rest, runner, _Never()), len(rest))  # type: ignore[arg-type]
        runner.close(at_once=False)
    if driver.state.failed:
        raise RuntimeError("chunks failed")
    name = "dask: driver, client and scheduler per chunk"
    note = f"{len(rest)} chunks of one event, journal included; at rest {1e3 * at_rest:.0f} ms/s, taken off"
    return [
        Row(name, ours, "ms", limit=1.0, sense="at most", note=note),
        Row("the same beside client.submit of nothing", ours, "ms", peer, peer / ours),
    ]


def _resume(folder: Path, n: int) -> Row:
    """Read the plan and the journal of a run that did `n` chunks, and see that the parts are there."""
    made, plan, receipt = many(folder, n)
    directory = RunDirectory(folder / "out")
    directory.path.mkdir()
    directory.adopt(plan)
    with Journal(directory.path / "journal.jsonl") as log:
        lines = []
        for chunk in plan.chunks:
            outputs = []
            for sink in made.sinks:
                name = part_name(chunk.id, sink)
                (directory.parts / name).touch()
                outputs.append(Output(sink_key(sink), name, {"events": 1}, 0, "sha256:" + "0" * 64))
            one = replace(receipt, id=chunk.id, outputs=tuple(outputs))
            handed = {"event": "handed out", "id": chunk.id, "attempt": 1, "time": 0.0}
            lines += [handed, {"event": "receipt", **one.to_json()}]
        log.append(*lines)
    size = (directory.path / "journal.jsonl").stat().st_size
    del lines
    cpu, wall = time.process_time(), time.perf_counter()
    again = directory.existing_plan()
    state = directory.state(again.sinks)
    missing = [c for c in again.chunks if c.id not in state.done]
    spent, took = time.process_time() - cpu, time.perf_counter() - wall
    if missing:
        raise RuntimeError(f"{len(missing)} chunks are lost")
    return Row(
        f"resume scan of {n:,} receipts", spent, "s", limit=10.0 * n / 100_000, sense="at most",
        note=f"{size / 1e6:.0f} MB of journal, {took:.1f} s by the clock",
    )  # fmt: skip


# -- jobs of a minute ------------------------------------------------------------
def _scaling(folder: Path, quick: bool) -> tuple[list[Row], float]:
    """Run the same job with one worker process and with two."""
    rows = []
    per_byte = 0.0
    jobs = {"compute-bound plan": (COMPUTE, 8, 200, 1.7), "demo plan": (DEMO, 8, 120, 1.5)}
    for name, (text, few, full, limit) in jobs.items():
        pattern = copies(ONLINE, few if quick else full, folder / "in")
        made = recipe(text, folder, files=pattern)
        took = {}
        for workers in (1, 2):
            start = time.perf_counter()
            result = run_plan(
                made, out=folder / f"out{workers}", runner="processes", workers=workers, threads=1, show=False
            )
            took[workers] = time.perf_counter() - start
            shutil.rmtree(result.out / "parts")  # a job takes gigabytes
        total = result.total
        per_byte = total.cpu / sum(i.size for i in result.plan.inputs if i.role == "data")  # of the last
        same = all((folder / f"out1/{p.name}").read_bytes() == p.read_bytes() for p in result.outputs)
        if not same:
            raise RuntimeError("one and two workers gave other bytes")
        note = f"{len(result.receipts)} chunks, {total.n_in:,} events, merge included, same bytes"
        details = {"cpu_of_chunks": total.cpu, "seconds": dict(total.seconds)}
        figures: Any = (took[2], "s", took[1], took[1] / took[2], limit)
        rows.append(Row(f"2 processes against 1, {name}", *figures, note=note, details=details))
        shutil.rmtree(folder)
    return rows, per_byte


# -- on paper ----------------------------------------------------------------------
def _year(per_byte: float, tasks_per_second: float) -> list[Row]:
    """Work out a year of one building block from the CPU per byte of file and the tasks per second."""
    rows = []
    chunks, each = BLOCK_YEAR / CHUNK, per_byte * CHUNK
    for workers in (1, 100, 1000):
        wanted = workers / each  # tasks per second that keep them busy
        schedulers = int(-(-wanted // tasks_per_second))
        note = (
            f"{chunks:,.0f} chunks of 64 MB of file, {each:.1f} s CPU each: {wanted:.2g} tasks/s,"
            f" {schedulers} driver{'s' if schedulers > 1 else ''}"
        )
        days = chunks * each / workers / 86400
        rows.append(Row(f"a year of a block, {workers} workers, on paper", days, "days", note=note))
    return rows
