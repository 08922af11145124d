"""The driver: hands chunks out, takes receipts in, and decides what a fault means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

from km3gpu.errors import DiskFullError, Km3GpuError, RunFailedError
from km3gpu.pipeline.bundles import NOTES, noted
from km3gpu.pipeline.faults import Fault
from km3gpu.pipeline.interrupts import Stop
from km3gpu.pipeline.journal import Journal
from km3gpu.pipeline.merge import join
from km3gpu.pipeline.outcome import Outcome, Runner
from km3gpu.pipeline.plan import Plan, PlannedChunk
from km3gpu.pipeline.receipt import Receipt, total
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.rundir import RunDirectory, State, halves
from km3gpu.pipeline.schedule import Schedule
from km3gpu.pipeline.task import Task
from km3gpu.pipeline.variants import varied

__all__ = ["Driver", "fatal_error"]

_TRIES = 2  # of a chunk whose reading or writing failed
_PATIENCE = 0.5  # seconds between two looks at the signals


class Driver:
    """Make the chunks of a plan with a runner.

    Parameters
    ----------
    plan : Plan
    recipe : Recipe
        The stages and sinks themselves.
    directory : RunDirectory
    state : State
        What is done; grows as the run goes on.
    log : Journal
    tell : callable
        Called with every receipt.
    threads : int
        CPU threads for the kernels of one worker; 0 for all there are.
    """

    def __init__(
        self,
        plan: Plan,
        recipe: Recipe,
        directory: RunDirectory,
        state: State,
        log: Journal,
        tell: Callable[[Receipt], None],
        threads: int,
    ) -> None:
        self.plan = plan
        self.recipe = recipe
        self.directory = directory
        self.state = state
        self._log = log
        self._tell = tell
        self.threads = threads
        self._sources = plan.data()
        self._fresh = 0  # chunks done in this session
        self._bad = 0  # chunks that failed in this session
        self.fatal: Fault | None = None

    def task(self, chunk: PlannedChunk, attempt: int = 1) -> Task:
        """Make the task of a chunk."""
        source = self._sources[chunk.origin.path]
        return Task(
            chunk.id,
            chunk.origin,
            source,
            varied(self.recipe.stages, source.files),
            self.plan.history_of(source),
            self.recipe.sinks,
            str(self.directory.path.absolute()),
            self.plan.code,
            self.recipe.run.backend,
            self.threads,
            attempt,
            self.recipe.run.verify,
        )

    def missing(self, chunks: Iterable[PlannedChunk]) -> list[PlannedChunk]:
        """Give those of the chunks, or of their halves, that are not done."""
        return [leaf for c in chunks for leaf in self.state.leaves(c) if leaf.id not in self.state.done]

    def run(self, chunks: Iterable[PlannedChunk], runner: Runner, stop: Stop) -> None:
        """Make the chunks that are not done yet.

        A fault that stops the run is kept in ``fatal``; what failed is in the state.
        """
        chunks = list(chunks)
        self._take_notes(chunks)
        waiting = Schedule(self.task(c) for c in self.missing(chunks))
        ending = False
        while len(waiting) or runner.busy:
            if stop or self.fatal:
                waiting.clear()
                if not ending:
                    runner.end()
                ending = True
            if stop.at_once or (not len(waiting) and not runner.busy):
                break
            slots = runner.room(len(waiting))
            for slot, path in enumerate(slots[: len(waiting)]):
                task = waiting.take(path)
                self._log.append(
                    {"event": "handed out", "id": task.id, "attempt": task.attempt, "time": time.time()},
                    sync=False,
                )
                runner.submit(task, slot)
            outcomes = runner.wait(_PATIENCE)
            if outcomes:
                self._log.append(*({"event": "receipt", **o.receipt.to_json()} for o in outcomes))
            for outcome in outcomes:
                self._tell(outcome.receipt)
                waiting.add_first(self._judge(outcome))
        if not stop and self.fatal is None:
            lost = [c for c in self.missing(chunks) if c.id not in self.state.failed]
            if lost:  # a runner that loses a task must not look like a run that is complete
                raise RunFailedError(
                    f"{len(lost)} chunks were handed out and never came back",
                    where=str(self.directory.path),
                    remedy="run the same again, and report this as a fault of km3gpu",
                )

    def _take_notes(self, chunks: Iterable[PlannedChunk]) -> None:
        """Take in what workers finished and noted for a run that did not live to write it down."""
        ours = {leaf.id for c in chunks for leaf in self.state.leaves(c)}
        others = {c.id for c in self.plan.chunks} - ours  # of slices, whose bundles may be in work
        for notes in self.directory.parts.glob(f"*{NOTES}"):
            found = {r.id: r for r in noted(notes)}
            fresh = [r for r in found.values() if r.id in ours and r.id not in self.state.done]
            self._log.append(*({"event": "receipt", **r.to_json()} for r in fresh))
            for receipt in fresh:
                self.state.done[receipt.id] = receipt
                self.state.failed.pop(receipt.id, None)
                self._tell(receipt)
            if not others & found.keys():
                notes.unlink(missing_ok=True)

    def _judge(self, outcome: Outcome) -> list[Task]:
        """Take a receipt in, and give the tasks that a fault makes necessary."""
        task, receipt = outcome.task, outcome.receipt
        fault = receipt.fault
        if fault is None:
            self._fresh += 1
            self.state.done[receipt.id] = receipt
            self.state.failed.pop(receipt.id, None)
            return []
        if fault.kind == "io" and not self.directory.parts.is_dir():
            words = (
                f"the output directory {str(self.directory.path)!r} was removed while the run wrote into it"
            )
            fault = Fault("setup", "Km3GpuError", words)
        if fault.kind in ("disk", "setup"):
            self.fatal = self.fatal or fault
        elif fault.kind == "io" and task.attempt < _TRIES:
            return [replace(task, attempt=task.attempt + 1)]
        elif fault.kind == "memory":
            cut = halves(PlannedChunk(task.id, task.origin), task.history)
            if cut:
                into = [{"id": c.id, "origin": asdict(c.origin)} for c in cut]
                self._log.append({"event": "split", "id": task.id, "into": into, "time": time.time()})
                self.state.splits[task.id] = cut
                return [self.task(c) for c in cut]
        self.state.failed[receipt.id] = receipt
        self._bad += 1
        # a plan that fits no chunk at all: no use in going through them all
        if self._fresh == 0 and not self.state.done and self._bad >= 4:
            self.fatal = self.fatal or fault
        return []

    def join_halves(self, chunks: Iterable[PlannedChunk]) -> None:
        """Make the parts of chunks that were split from those of their halves, where all are done."""
        for chunk in chunks:
            self._join(chunk)

    def _join(self, chunk: PlannedChunk) -> None:
        if chunk.id in self.state.done or chunk.id not in self.state.splits:
            return
        cut = self.state.splits[chunk.id]
        for half in cut:
            self._join(half)
        receipts = [self.state.done.get(half.id) for half in cut]
        whole = [r for r in receipts if r is not None]
        if len(whole) < len(cut):
            return
        parts = self.directory.parts
        outputs = tuple(
            join(sink, [parts / r.outputs[i].name for r in whole], chunk.id, chunk.origin, parts)
            for i, sink in enumerate(self.recipe.sinks)
        )
        sums, first, o = total(whole), whole[0], chunk.origin
        receipt = replace(
            first,
            id=chunk.id,
            entries=(o.start, o.stop),
            outputs=outputs,
            n_in=sums.n_in,
            n_out=sums.n_out,
            rows=sums.rows,
            bytes_in=sums.bytes_in,
            counters=sums.counters,
            seconds=sums.seconds,
            cpu=sums.cpu,
            peak_memory=sums.peak_memory,
        )
        self._log.append({"event": "receipt", "joined": [r.id for r in whole], **receipt.to_json()})
        self.state.done[chunk.id] = receipt
        self.state.failed.pop(chunk.id, None)


def fatal_error(fault: Fault) -> Km3GpuError:
    """Give the exception that ends a run that a fault stopped."""
    if fault.kind == "disk":
        return DiskFullError(
            f"no space left where the output goes: {fault.message}",
            remedy="make room, then run the same again",
        )
    return fault.raised()
