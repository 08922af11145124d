"""Chunks on dask workers: a scheduler by address, a client, a cluster on this machine, or jobs.

A future is a bundle of chunks, often of one, and gives their receipts; no array
travels.  Only as many futures as the window allows exist at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import pickle
import queue
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import Any

import dask
import distributed

from km3gpu.errors import BackendError
from km3gpu.pipeline import bundles, gpus
from km3gpu.pipeline.batch import Jobs
from km3gpu.pipeline.connecting import connect
from km3gpu.pipeline.faults import fault_of
from km3gpu.pipeline.handover import Handover
from km3gpu.pipeline.localcluster import local_cluster
from km3gpu.pipeline.outcome import Outcome, lost
from km3gpu.pipeline.sealed import call, seal
from km3gpu.pipeline.task import Task

__all__ = ["DistributedRunner"]

START = 120.0  # seconds for the workers of a cluster of ours to start
NO_WORKERS = 120.0  # seconds without any worker before the run gives up
BEAT = 0.1  # seconds in which bundles that end are taken in together
LOOK = 0.5  # seconds of silence before the workers are counted; some live only for a chunk

# a chunk that kills its workers is blamed after three; with fewer, a chunk that
# merely shared a worker with the culprit is blamed too
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": True,
    # this long after a death dask looks whether the worker is there again, and closes its nanny
    # for good where another death came in between
    "distributed.deploy.lost-worker-timeout": "1 day",
}


class DistributedRunner:
    """Run chunks on the workers of a dask scheduler.

    Parameters
    ----------
    scheduler : str, distributed.Client or Jobs
        Address (``"tcp://host:8786"``), ``"local"`` for a cluster on this
        machine, a client, which is left open, or jobs of a batch system, which
        end with the run.
    workers : int
        Workers of a local cluster, or jobs.
    window : int
        Chunks at a time; 0: two bundles for each thread of the workers; with readers
        apart one chunk for each of them and two for each other worker.
    memory : int, optional
        Limit of each worker of a local cluster, in bytes.
    backend : str
        Of the run; on GPUs a local cluster has a worker for each, and chunks go
        to workers with the resource ``GPU`` where there are such.
    readers : int
        Workers of a local cluster that only read; at another scheduler any number
        above 0 lets those with the resource ``READ`` do so.

    Raises
    ------
    BackendError
        No scheduler answers at the address, or it has no readers.
    """

    name = "distributed"

    def __init__(
        self,
        scheduler: Any,
        workers: int = 1,
        window: int = 0,
        memory: int | None = None,
        backend: str = "auto",
        readers: int = 0,
    ) -> None:
        self._ours = contextlib.ExitStack()
        self._ours.enter_context(dask.config.set(_SETTINGS))
        self._jobs = scheduler if isinstance(scheduler, Jobs) else None
        ours = scheduler == "local" or self._jobs is not None
        if self._jobs is not None:
            scheduler = self._ours.enter_context(self._jobs.cluster)
        elif scheduler == "local":
            scheduler = self._ours.enter_context(local_cluster(workers, memory, backend, readers))
        try:
            self._client = connect(scheduler, self._ours)
        except BaseException:
            self._ours.close()
            raise
        self.workers = max(sum(self._client.ncores().values()), workers if ours else 1)
        self._backend = backend
        self._needs: dict[str, float] | None = None
        self._handover: Handover | None = None
        if readers:
            try:
                self._handover = Handover(self._client, backend, START if ours else 0.0)
            except BackendError:
                self._ours.close()
                raise
            self.workers = max(self._handover.makers, workers if ours else 1)
            window = window or max(self._handover.readers, readers if ours else 1) + 2 * self.workers
        self._window = window
        self._run = uuid.uuid4().hex[:8]  # two runs may make the same chunks on the same workers
        self._pace = bundles.Pace()
        self._size = 1
        self._waiting: list[Task] = []
        self._alone: set[str] = set()  # chunks of bundles that dask gave up
        self._suspects: deque[Task] = deque()
        self._tried: set[str] = set()
        self._trial = ""
        self._bundles: dict[str, tuple[Any, tuple[Task, ...]]] = {}
        self._fetching: tuple[Future[Any], list[str]] | None = None
        self._singly: deque[str] = deque()  # bundles whose receipts are to be fetched one by one
        self._spent: list[Path] = []
        self._done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._heard = self._looked = time.monotonic()

    @property
    def dashboard(self) -> str:
        """Address of dask's own page; ``""`` where it has none (it needs bokeh)."""
        try:
            return str(self._client.dashboard_link or "")
        except (KeyError, AttributeError):
            return ""

    def room(self, left: int) -> list[str | None]:
        """Say how many more chunks there may be: bundles are as large as is good for those that are left."""
        if self._handover is None:  # with readers apart chunks are few and large
            self._size = self._pace.size(self.workers, left, self._window)
        if self._trying:
            return []
        free = 2 * self.workers - len(self._bundles)
        return [None] * (self._window - self.busy if self._window else free * self._size)

    @property
    def _patience(self) -> float:
        """Seconds without any worker: jobs may wait in their queue as long as they are not refused."""
        return math.inf if self._jobs is not None and not self._jobs.refused else NO_WORKERS

    def submit(self, task: Task, slot: int = 0) -> None:
        """Keep a task for the next bundle; `wait` sends it."""
        self._waiting.append(task)

    @property
    def busy(self) -> int:
        """Tasks that are not given back."""
        n = len(self._waiting) + len(self._suspects)
        return n + sum(len(tasks) for _, tasks in self._bundles.values())

    @property
    def _trying(self) -> bool:
        """Whether a chunk is to be tried with nothing else in work."""
        return bool(self._suspects) or self._trial in self._bundles

    def wait(self, timeout: float) -> list[Outcome]:
        """Send what waits; wait until outcomes are there, at most `timeout` seconds, and give them.

        Raises
        ------
        BackendError
            The scheduler is gone, or has had no worker for some time.
        ConfigError
            A stage cannot be sent to another process.
        """
        self._forget()
        self._send()
        if not self._fetching:
            self._fetch(timeout)
        outcomes: list[Outcome] = []
        if self._fetching:
            done, _ = wait([self._fetching[0]], timeout)
            if done:
                outcomes = list(self._outcomes(*self._fetching))
                self._fetching = None
        for outcome in outcomes:
            self._pace.saw(outcome.receipt)
        self._watch(bool(outcomes))
        return outcomes

    def _fetch(self, timeout: float) -> None:
        """Begin to fetch the receipts of the bundles that have ended.

        Where a worker died with receipts that nobody had fetched, dask makes them
        again, which can take any time: the run does not wait for that here.
        """
        keys: list[str] = []
        if self._singly:
            keys.append(self._singly.popleft())
        with contextlib.suppress(queue.Empty):
            if not keys:
                keys.append(self._done.get(timeout=timeout))
                # a graph of several bundles costs the scheduler little more than one of a single
                # bundle; each worker has its next one already
                time.sleep(min(BEAT, self._size * self._pace.chunk / 2))
                while True:
                    keys.append(self._done.get_nowait())
        if keys:
            receipts = self._client.gather([self._bundles[k][0] for k in keys], asynchronous=True)
            loop = self._client.loop.asyncio_loop
            self._fetching = (asyncio.run_coroutine_threadsafe(receipts, loop), keys)

    def _send(self) -> None:
        """Make futures of the tasks that wait: many in one graph, which is what costs the scheduler least."""
        if self._trying and self._bundles:
            return
        trial = bool(self._suspects)
        cut = list(self._cut())
        if trial:
            cut = [(self._suspects.popleft(),)]
        else:
            self._waiting.clear()
        if not cut:
            return
        keys = [f"km3gpu-{self._run}-{b[0].id}-{b[0].attempt}-{len(b)}" for b in cut]
        if trial:
            self._trial = keys[0] = f"{keys[0]}-again"
        sealed = [seal(*b) for b in cut]
        if self._handover is not None:
            futures = self._handover.submit(keys, sealed, sys.path)
        else:
            futures = self._bundled(keys, cut, sealed)
        for key, future, bundle in zip(keys, futures, cut, strict=True):
            self._bundles[key] = (future, bundle)
            future.add_done_callback(lambda f: self._done.put(f.key))

    def _bundled(self, keys: list[str], cut: list[tuple[Task, ...]], sealed: list[bytes]) -> list[Any]:
        if self._needs is None:  # workers with a GPU may come later than the first chunks
            self._needs = gpus.resources(self._client, self._backend)
        notes = [str(_notes(k, b)) if len(b) > 1 else "" for k, b in zip(keys, cut, strict=True)]
        calls = [
            call(bundles.run_bundle, s, n, sys.path, self._run) for s, n in zip(sealed, notes, strict=True)
        ]
        futures: list[Any] = self._client.map(
            pickle.loads,
            calls,
            key=keys,
            pure=False,
            retries=0,
            resources=self._needs,
        )
        return futures

    def _cut(self) -> Iterable[tuple[Task, ...]]:
        together = [t for t in self._waiting if t.id not in self._alone]
        yield from ((t,) for t in self._waiting if t.id in self._alone)
        yield from (tuple(together[i : i + self._size]) for i in range(0, len(together), self._size))

    def _watch(self, lively: bool) -> None:
        """See that there is somebody to wait for: dask itself would wait for ever."""
        now = time.monotonic()
        if lively or not self._bundles:
            self._heard = now
        if now - max(self._heard, self._looked) < LOOK:
            return
        self._looked = now
        if self._jobs is not None:
            self._jobs.check()
        try:
            workers = bool(self._client.ncores()) if self._handover is None else all(self._handover.count())
        except (OSError, TimeoutError) as error:
            raise self._gone(error) from error
        if workers:
            self._heard = now
        elif now - self._heard > self._patience:
            kind = "" if self._handover is None else " of a kind"
            raise BackendError(
                f"no dask worker{kind} for {now - self._heard:.0f} s",
                where=self._client.scheduler.address,
                remedy="see the logs of the workers, start some, then run the same again",
            )

    def _gone(self, error: BaseException) -> BackendError:
        words = " ".join(str(error).split()) or type(error).__name__
        return BackendError(
            f"the dask scheduler is gone: {words}", remedy="start it again, then run the same again"
        )

    def _outcomes(self, fetched: Future[Any], keys: list[str]) -> Iterable[Outcome]:
        """Give what became of the tasks of bundles that ended."""
        error = CancelledError("cancelled") if fetched.cancelled() else fetched.exception()
        if error is not None and len(keys) > 1:  # of one of them: which?
            self._singly.extend(keys)
            return
        receipts = [None] if error is not None else fetched.result()
        for key, found in zip(keys, receipts, strict=True):
            future, tasks = self._bundles.pop(key)
            future.release()
            if len(tasks) > 1:
                self._spent.append(_notes(key, tasks))
            if error is not None:
                yield from self._gave_up(error, tasks, _notes(key, tasks))
            else:
                # one that was ended early has receipts for its first tasks
                yield from (Outcome(t, r) for t, r in zip(tasks, found, strict=False))

    def _gave_up(self, error: BaseException, tasks: tuple[Task, ...], notes: Path) -> Iterable[Outcome]:
        """Give what became of the tasks of a bundle that dask could not run to its end."""
        if isinstance(error, distributed.scheduler.KilledWorker):
            worker, kind = str(error.last_worker.address), "memory"
            words = "dask gave the chunk up after its workers died"
        elif self._client.status != "running":  # no chunk is to blame
            raise self._gone(error) from error
        elif isinstance(error, ImportError):
            worker, kind = "dask", "setup"
            words = f"a worker cannot import km3gpu: {error}; install this km3gpu on all workers"
        else:  # whatever dask makes of a lost task
            worker, kind, words = "dask", "io", fault_of(error).message
        if len(tasks) == 1:
            task = tasks[0]
            if kind == "memory" and task.origin.n_entries == 1 and task.id not in self._tried:
                # it may only have shared the workers of the culprit, and cannot be halved
                self._tried.add(task.id)
                self._suspects.append(task)
            else:
                yield lost(task, worker, words, kind)
            return
        # one of them is to blame, at most: those that are not done go again, each alone
        done = {r.id: r for r in bundles.noted(notes)}
        yield from (Outcome(t, done[t.id]) for t in tasks if t.id in done)
        self._waiting += [t for t in tasks if t.id not in done]
        self._alone |= {t.id for t in tasks}

    def _forget(self) -> None:
        """Remove the notes of bundles whose receipts the run has taken in."""
        for path in self._spent:
            path.unlink(missing_ok=True)
        self._spent.clear()

    def end(self) -> None:
        """Let bundles end with the chunk that they are at."""
        if any(len(tasks) > 1 for _, tasks in self._bundles.values()):
            with contextlib.suppress(OSError, TimeoutError):  # `wait` will tell
                self._client.run(bundles.end, self._run, wait=False, on_error="ignore")

    def close(self, *, at_once: bool) -> None:
        """Cancel what is not done, and leave the cluster, or stop it where it is ours."""
        if at_once:
            self.end()
            for future, _ in self._bundles.values():
                future.cancel(force=True)
        else:
            self._forget()
        self._ours.close()


def _notes(key: str, tasks: tuple[Task, ...]) -> Path:
    return Path(tasks[0].out) / "parts" / f"{key}{bundles.NOTES}"
