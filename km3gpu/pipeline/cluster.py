"""Chunks on dask workers: a scheduler by address, a client, a cluster on this machine, or jobs.

Each chunk is one future that gives a receipt; no array travels.  Only as many
futures as the window allows exist at a time.
"""

from __future__ import annotations

import contextlib
import math
import queue
import sys
import time
from typing import Any

import dask
import distributed

from km3gpu.errors import BackendError
from km3gpu.pipeline import gpus
from km3gpu.pipeline.batch import Jobs
from km3gpu.pipeline.faults import fault_of
from km3gpu.pipeline.interrupts import held
from km3gpu.pipeline.outcome import Outcome, lost
from km3gpu.pipeline.sealed import run_sealed, seal
from km3gpu.pipeline.task import Task

__all__ = ["DistributedRunner"]

PATIENCE = "20s"  # how long to wait for a scheduler to answer
NO_WORKERS = 120.0  # seconds without any worker before the run gives up
LOOK = 0.5  # seconds of silence before the workers are counted; some live only for a chunk

# a chunk that kills its workers is blamed after three; with fewer, a chunk that
# merely shared a worker with the culprit is blamed too
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": True,
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
        Futures at a time; 0: two for each thread of the workers.
    memory : int, optional
        Limit of each worker of a local cluster, in bytes.
    backend : str
        Of the run; on GPUs a local cluster has a worker for each, and chunks go
        to workers with the resource ``GPU`` where there are such.

    Raises
    ------
    BackendError
        No scheduler answers at the address.
    """

    name = "distributed"

    def __init__(
        self,
        scheduler: Any,
        workers: int = 1,
        window: int = 0,
        memory: int | None = None,
        backend: str = "auto",
    ) -> None:
        self._ours = contextlib.ExitStack()
        self._ours.enter_context(dask.config.set(_SETTINGS))
        self._jobs = scheduler if isinstance(scheduler, Jobs) else None
        ours = scheduler == "local" or self._jobs is not None
        if self._jobs is not None:
            scheduler = self._ours.enter_context(self._jobs.cluster)
        elif scheduler == "local":
            with held():
                scheduler = self._ours.enter_context(gpus.local_cluster(workers, memory, backend))
        if isinstance(scheduler, distributed.Client):
            self._client = scheduler
        else:
            try:
                self._client = self._ours.enter_context(distributed.Client(scheduler, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                self._ours.close()
                raise BackendError(
                    f"no dask scheduler at {scheduler!r}: {error}",
                    remedy="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
                ) from error
        self.workers = max(sum(self._client.ncores().values()), workers if ours else 1)
        self._backend = backend
        self._needs: dict[str, float] | None = None
        self._fixed_window = window
        self._tasks: dict[str, tuple[Any, Task]] = {}
        self._done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._heard = self._looked = time.monotonic()

    @property
    def dashboard(self) -> str:
        """Address of dask's own page; ``""`` where it has none (it needs bokeh)."""
        try:
            return str(self._client.dashboard_link or "")
        except (KeyError, AttributeError):
            return ""

    def room(self) -> list[str | None]:
        """Say how many more futures there may be."""
        return [None] * (self._window - len(self._tasks))

    @property
    def _patience(self) -> float:
        """Seconds without any worker: jobs may wait in their queue as long as they are not refused."""
        return math.inf if self._jobs is not None and not self._jobs.refused else NO_WORKERS

    @property
    def _window(self) -> int:
        return self._fixed_window or 2 * self.workers

    def submit(self, task: Task, slot: int = 0) -> None:
        """Make a future of a task."""
        key = f"km3gpu-{task.id}-{task.attempt}"
        if self._needs is None:  # workers with a GPU may come later than the first chunks
            self._needs = gpus.resources(self._client, self._backend)
        future = self._client.submit(
            run_sealed, seal(task), sys.path, key=key, pure=False, retries=0, resources=self._needs
        )
        self._tasks[key] = (future, task)
        future.add_done_callback(lambda f: self._done.put(f.key))

    @property
    def busy(self) -> int:
        """Futures that are not given back."""
        return len(self._tasks)

    def wait(self, timeout: float) -> list[Outcome]:
        """Wait until outcomes are there, at most `timeout` seconds, and give them.

        Raises
        ------
        BackendError
            The scheduler is gone, or has had no worker for some time.
        """
        outcomes: list[Outcome] = []
        with contextlib.suppress(queue.Empty):
            key = self._done.get(timeout=timeout)
            while True:
                outcomes.append(self._outcome(*self._tasks.pop(key)))
                key = self._done.get_nowait()
        self._watch(bool(outcomes))
        return outcomes

    def _watch(self, lively: bool) -> None:
        """See that there is somebody to wait for: dask itself would wait for ever."""
        now = time.monotonic()
        if lively or not self._tasks:
            self._heard = now
        if now - max(self._heard, self._looked) < LOOK:
            return
        self._looked = now
        if self._jobs is not None:
            self._jobs.check()
        try:
            workers = self._client.ncores()
        except (OSError, TimeoutError) as error:
            raise self._gone(error) from error
        if workers:
            self._heard = now
        elif now - self._heard > self._patience:
            raise BackendError(
                f"no dask worker for {now - self._heard:.0f} s",
                where=self._client.scheduler.address,
                remedy="see the logs of the workers, start some, then run the same again",
            )

    def _gone(self, error: Exception) -> BackendError:
        words = " ".join(str(error).split()) or type(error).__name__
        return BackendError(
            f"the dask scheduler is gone: {words}", remedy="start it again, then run the same again"
        )

    def _outcome(self, future: Any, task: Task) -> Outcome:
        try:
            return Outcome(task, future.result())
        except distributed.scheduler.KilledWorker as error:
            return lost(task, str(error.last_worker.address), "dask gave the chunk up after its workers died")
        except Exception as error:  # whatever dask makes of a lost task
            if self._client.status != "running":  # no chunk is to blame
                raise self._gone(error) from error
            fault = fault_of(error)
            return lost(task, "dask", fault.message, "io")
        finally:
            future.release()

    def close(self, *, at_once: bool) -> None:
        """Cancel what is not done, and leave the cluster, or stop it where it is ours."""
        if at_once:
            for future, _ in self._tasks.values():
                future.cancel(force=True)
        self._ours.close()
