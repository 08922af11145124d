"""Runs killed at random moments and at each step: nothing is lost or doubled, the output is the same.

The runs are forked from a process that has imported all, so that most of their
life is work.  ``KM3GPU_KILLS`` sets the number of kills, ``KM3GPU_SEED`` the seed.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import provenance, run

PlanMaker = Callable[..., Path]

KILLS = int(os.environ.get("KM3GPU_KILLS", "100"))
SEED = int(os.environ.get("KM3GPU_SEED", "1"))


def go(plan: str, out: str, path: list[str], workers: int) -> None:
    """Run, in a process of its own."""
    import sys

    sys.path[:] = path
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # what a killed run would say is of no interest
    run(plan, out=out, workers=workers)


class Killer:
    """Start runs and kill them, or one of their workers, until one comes through."""

    def __init__(self, plan: Path, workers: int, rng: random.Random) -> None:
        import sys

        self.plan, self.workers, self.rng = plan, workers, rng
        self.path = list(sys.path)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["km3gpu.pipeline", "km3gpu.stages", "km3gpu.io"])
        self.kills = {"run": 0, "worker": 0}
        self.phases: dict[str, int] = {}

    def until_done(self, out: Path, longest: float) -> None:
        while True:
            process = self.context.Process(
                target=go, args=(str(self.plan), str(out), self.path, self.workers)
            )
            process.start()
            process.join(self.rng.uniform(0.02, longest))
            if process.exitcode is not None:
                assert process.exitcode == 0
                return
            assert process.pid is not None
            workers = psutil.Process(process.pid).children()
            if workers and self.rng.random() < 0.3:
                self.rng.choice(workers).kill()
                self.kills["worker"] += 1
                process.join()  # such a run goes on, and ends well
                assert process.exitcode == 0
                return
            self._note(out)
            process.kill()
            process.join()
            self.kills["run"] += 1
            psutil.wait_procs(workers, timeout=60)  # they see that the run is gone, after their chunk

    def _note(self, out: Path) -> None:
        """Write down what the run was doing when it was killed."""
        journal = out / "journal.jsonl"
        text = journal.read_text() if journal.exists() else ""
        last = text.rstrip().rpartition("\n")[2]
        receipts = text.count('"event":"receipt"')
        phase = "planning" if not last else "chunks" if receipts < 10 else "merging"
        phase = "recording" if '"event":"ended"' in last and '"complete"' in last else phase
        self.phases[phase] = self.phases.get(phase, 0) + 1


# -- each step on disk ---------------------------------------------------------
STEPS = ("mkdir", "unlink", "fsync", "replace")


def go_until(plan: str, out: str, path: list[str], calls: Iterable[str], last: int, count: Any) -> None:
    """Run, in a process of its own that dies before or after one of its calls to the system."""
    import sys

    sys.path[:] = path

    def step() -> None:
        count.value += 1
        if count.value == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **kwargs: Any) -> Any:
            step()
            result = call(*args, **kwargs)
            step()
            return result

        return stepping

    for name in calls:
        setattr(os, name, around(getattr(os, name)))
    run(plan, out=out)


def killed_at_each(
    plan: Path, folder: Path, calls: Iterable[str], parts: Path | None
) -> tuple[int, list[bytes], Callable[[int, Path], int]]:
    """Count the steps of a run; give that, its output, and what starts a run that dies at a step."""
    import sys

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["km3gpu.pipeline", "km3gpu.stages", "km3gpu.io"])
    count = context.Value("i", 0)

    def start(out: Path, last: int) -> int:
        count.value = 0
        args = (str(plan), str(out), list(sys.path), tuple(calls), last, count)
        process = context.Process(target=go_until, args=args)
        process.start()
        process.join()
        assert process.exitcode is not None
        return process.exitcode

    whole = folder / "whole"
    if parts is not None:
        shutil.copytree(parts, whole)
    assert start(whole, 0) == 0
    return count.value, [p.read_bytes() for p in sorted(whole.glob("events.*"))], start


def comes_through(plan: Path, out: Path, expected: list[bytes]) -> None:
    run(plan, out=out)
    assert [p.read_bytes() for p in sorted(out.glob("events.*"))] == expected
    record = provenance.read(out)
    assert (record["status"], record["complete"], record["failures"]) == ("complete", True, [])
    assert not list(out.rglob("*.tmp"))


def test_killed_before_and_after_each_file_is_given_its_name(tmp_path: Path, odd: PlanMaker) -> None:
    """The merged files, the manifest, the record: parts are there, and the end of the run is to come."""
    plan = odd(chunk=125, sinks="parquet hdf5")
    run(plan, out=tmp_path / "parts", merge=False)
    n, expected, start = killed_at_each(plan, tmp_path, ("replace",), tmp_path / "parts")
    assert n == 8  # two outputs, manifest, record
    for last in range(1, n + 1):
        out = tmp_path / f"out{last}"
        shutil.copytree(tmp_path / "parts", out)
        assert start(out, last) == -signal.SIGKILL
        assert (out / "manifest.json").exists() == (last >= 6)
        comes_through(plan, out, expected)


@pytest.mark.soak
def test_killed_at_each_step(tmp_path: Path, odd: PlanMaker, capfd: pytest.CaptureFixture[str]) -> None:
    """From the first folder to the last line; every other run is killed again while it goes on."""
    plan = odd(chunk=125, sinks="parquet hdf5", bare=True)
    n, expected, start = killed_at_each(plan, tmp_path, STEPS, None)
    rng = random.Random(SEED)
    kills = steps = 0
    for last in itertools.count(1):
        out = tmp_path / "out"
        if (code := start(out, last)) == 0:  # the first run of all may have had a few more: caches
            break
        assert code == -signal.SIGKILL
        kills, steps = kills + 1, steps + 1
        if last % 2:
            kills += start(out, rng.randrange(1, n)) == -signal.SIGKILL
        comes_through(plan, out, expected)
        shutil.rmtree(out)
    with capfd.disabled():
        print(f"\n{kills} kills at {steps} steps of a run: the same bytes, nothing unfinished")
    assert steps >= 50


# -- at random -----------------------------------------------------------------
@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2])
def test_kill_points(tmp_path: Path, odd: PlanMaker, workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    plan = odd(sinks="parquet hdf5")
    run(plan, out=tmp_path / "warm", workers=workers)
    began = time.perf_counter()
    whole = run(plan, out=tmp_path / "whole", workers=workers)
    once = time.perf_counter() - began
    expected = [p.read_bytes() for p in whole.outputs]
    ids = [c.id for c in whole.plan.chunks]
    environments = provenance.read(whole.out)["environments"]
    killer = Killer(plan, workers, random.Random(SEED))
    rounds = 0
    while sum(killer.kills.values()) < KILLS // 2:
        out = tmp_path / f"out{rounds}"
        killer.until_done(out, 1.2 * once)
        rounds += 1
        made = provenance.read(out)["environments"]
        assert made.keys() == environments.keys(), "packages were installed while the test ran"
        assert [(out / p.name).read_bytes() for p in whole.outputs] == expected
        record = provenance.read(out)
        assert (record["status"], record["complete"]) == ("complete", True)
        assert {f["fault"]["type"] for f in record["failures"]} <= {"WorkerLost"}
        assert [c["id"] for c in record["chunks"]] == ids
        # a chunk whose worker was killed was split; the parts of its halves stay
        assert set(ids) <= {p.name.partition(".")[0] for p in (out / "parts").glob("*.parquet")}
        assert not list(out.rglob("*.tmp"))
        entry = ParquetSink().read(out / "events.parquet")["events"].flat("entry")
        assert np.array_equal(entry, np.arange(250))
        lines = (out / "journal.jsonl").read_text().splitlines()
        kinds = [json.loads(line)["event"] for line in lines]
        assert kinds.count("started") >= kinds.count("ended")
    with capfd.disabled():
        print(f"\n{killer.kills} in {rounds} runs of {once:.1f} s with {workers} workers: {killer.phases}")
