"""One session of a run: from the opened journal to the last line in it."""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from km3gpu.errors import InterruptedRunError, Km3GpuError, RunFailedError
from km3gpu.pipeline import environment, provenance
from km3gpu.pipeline.driver import Driver, fatal_error
from km3gpu.pipeline.entering import enter, entry
from km3gpu.pipeline.faults import classify, fault_of
from km3gpu.pipeline.interrupts import Stop, watched
from km3gpu.pipeline.journal import Journal
from km3gpu.pipeline.merge import damaged
from km3gpu.pipeline.outcome import Runner
from km3gpu.pipeline.outputs import put_together
from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.progress import Progress, progress
from km3gpu.pipeline.receipt import Output, Receipt
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.reread import distrust
from km3gpu.pipeline.result import RunResult, failed, result_of
from km3gpu.pipeline.rundir import RunDirectory
from km3gpu.pipeline.runners import kernel_threads, make_runner

__all__ = ["Session"]


class Session:
    """One session of a run.

    Parameters
    ----------
    plan : Plan
    recipe : Recipe
        Its stages and sinks.
    directory : RunDirectory
        Adopted by the plan.
    log : Journal
        Open.
    began : float
        ``time.perf_counter()`` when the caller began.
    share : (int, int), optional
        Make only the i-th (from 1) of n slices of the plan, and do not merge.
    """

    def __init__(
        self,
        plan: Plan,
        recipe: Recipe,
        directory: RunDirectory,
        log: Journal,
        began: float,
        share: tuple[int, int] | None = None,
    ) -> None:
        self.plan = plan
        self.recipe = recipe
        self.directory = directory
        self.log = log
        self.began = began
        self.id = uuid.uuid4().hex
        self.started = time.time()
        self.state = directory.state(plan.sinks)
        self.share = share
        i, n = share or (1, 1)
        size = len(plan.chunks)
        # neighbours in the plan are neighbours in a file
        self.chunks = plan.chunks[size * (i - 1) // n : size * i // n]

    def run(self, memory: int | None, client: Any, show: bool | str | None) -> RunResult:
        """Do all that is left to do, and write down how it ended."""
        resumed = sum(c.id in self.state.done for c in self.chunks)
        self._begin(resumed)
        self._enter("running" if self.share is None else "slices")
        status = "failed"
        error: Km3GpuError | None = None
        try:
            with watched() as stop, progress(self.chunks, self.state.done, show) as bar:
                stop.tell = bar.warn
                driver = self._make_chunks(memory, client, stop, bar)
                outputs: list[Output] = []
                if self.recipe.run.verify and not stop and driver.fatal is None:
                    bar.say("reading the inputs again")
                    distrust(self.plan, self.chunks, self.directory)
                if not stop and driver.fatal is None and self.recipe.run.merge and self.share is None:
                    outputs = self._merge(driver, memory, client, stop, bar)
            if stop and not outputs:
                status = "interrupted"
                left = self._left()
                error = InterruptedRunError(
                    f"stopped by {stop.name} with {left} of {len(self.chunks)} chunks to do"
                    if left
                    else f"stopped by {stop.name} with all chunks made, and its outputs not",
                    remedy=f"run the same again, or `km3gpu resume {self.directory.path}`, to go on",
                )
            elif driver.fatal is not None:
                error = fatal_error(driver.fatal)
            elif not self._failures():
                status = "complete"
        except BaseException as other:
            with contextlib.suppress(OSError):  # a full disk takes no last line either
                status = "interrupted" if isinstance(other, KeyboardInterrupt) else "failed"
                self._end(status, [], other)
                provenance.write(self.directory, self.plan, [])
            if isinstance(other, OSError) and classify(other) == "disk":
                raise fatal_error(fault_of(other)) from other
            raise
        self._end(status, outputs, error)
        if error is not None and not self.directory.parts.is_dir():
            raise error  # the directory itself is gone: there is no place for a record
        provenance.write(self.directory, self.plan, outputs)
        if error is not None:
            raise error
        result = result_of(
            self.directory.path, self.plan, outputs, self._done(), self._failures(), resumed, self.began
        )
        if result.failures:
            raise failed(result)
        return result

    # -- steps ---------------------------------------------------------------
    def _begin(self, resumed: int) -> None:
        settings = asdict(self.recipe.run)
        self.log.append(
            {
                "event": "started",
                "session": self.id,
                "time": self.started,
                "monotonic": time.monotonic(),
                "plan": self.plan.id,
                "code": self.plan.code,
                "git": environment.git_state(),
                "command": sys.argv,
                "executable": sys.executable,
                "folder": str(Path.cwd()),
                "user": environment.user_name(),
                "variables": environment.variables(),
                "worker": environment.worker_name(),
                "environment": environment.store(self.directory.path / "environments"),
                "settings": settings,
                "slice": None if self.share is None else f"{self.share[0]}/{self.share[1]}",
                "origins": dict(self.recipe.origins),
                "resumed": resumed,
                "torn": self.log.torn,
            }
        )

    def _make_chunks(self, memory: int | None, client: Any, stop: Stop, bar: Progress) -> Driver:
        settings = self.recipe.run
        driver = Driver(self.plan, self.recipe, self.directory, self.state, self.log, bar.tell, 0)
        if driver.missing(self.chunks):
            runner = make_runner(settings, memory, client)
            driver.threads = kernel_threads(settings, runner)
            address = runner.dashboard
            started = {"event": "runner", "name": runner.name, "workers": runner.workers}
            self.log.append({**started, "session": self.id, "dashboard": address}, sync=False)
            if address:
                bar.note(dashboard=address)
            self._work(driver, runner, stop)
            if self.share is None:
                self.directory.sweep()  # what workers that were killed left unfinished
        if driver.fatal is None and not stop:
            driver.join_halves(self.chunks)
        return driver

    def _work(self, driver: Driver, runner: Runner, stop: Stop) -> None:
        clean = False
        try:
            driver.run(self.chunks, runner, stop)
            clean = not stop.at_once
        finally:
            runner.close(at_once=not clean)

    def _merge(
        self, driver: Driver, memory: int | None, client: Any, stop: Stop, bar: Progress
    ) -> list[Output]:
        """Put the parts together; parts that are not what their receipts say are made again, once."""
        bad = damaged(self._done(), self.directory.parts)
        if bad:
            for receipt in bad:
                del self.state.done[receipt.id]
                self.log.append({"event": "damaged", "id": receipt.id, "time": time.time()})
            driver = self._make_chunks(memory, client, stop, bar)
            if stop:
                return []
            if driver.fatal or damaged(self._done(), self.directory.parts):
                raise RunFailedError(
                    "parts change after they are written",
                    where=str(self.directory.parts),
                    remedy="check the disk",
                )
        receipts = self._done()
        if not receipts:
            return []
        return put_together(
            self.plan,
            self.recipe,
            self.directory,
            receipts,
            self._failures(),
            stop,
            lambda n: bar.say(f"merging {n}"),
        )

    def _end(self, status: str, outputs: Sequence[Output], error: BaseException | None) -> None:
        now = time.time()
        self.log.append(
            {
                "event": "ended",
                "session": self.id,
                "time": now,
                "seconds": time.perf_counter() - self.began,
                "status": status,
                "error": None if error is None else f"{type(error).__name__}: {error}",
                "outputs": [asdict(o) for o in outputs],
            }
        )
        self._enter(status, now, outputs or None)

    def _enter(
        self, status: str, ended: float | None = None, outputs: Sequence[Output] | None = None
    ) -> None:
        """Enter the run into the catalogue; a slice only says that there is such a run."""
        share = self.share is not None
        if share and ended is not None:
            return
        place = self.directory.path
        enter(
            self.recipe.run.catalogue,
            lambda: entry(place, self.plan, status, self.started, ended, outputs),
            once=share,
            again=not share and ended is None,
        )

    # -- what there is -------------------------------------------------------
    def _done(self) -> list[Receipt]:
        done = self.state.done
        return [done[leaf.id] for c in self.chunks for leaf in self.state.leaves(c) if leaf.id in done]

    def _failures(self) -> list[Receipt]:
        bad = self.state.failed
        return [bad[leaf.id] for c in self.chunks for leaf in self.state.leaves(c) if leaf.id in bad]

    def _left(self) -> int:
        return sum(c.id not in self.state.done for c in self.chunks)
