"""Runners: how many chunks are made at once, and where.  All of them run `run_chunk`.

A runner takes a task when it has room, and gives outcomes as they come.  Its room
is bounded, so a run of a million chunks keeps only a few in flight.  What comes
back is a receipt, or word that the worker was lost.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from km3gpu import backend
from km3gpu.errors import ConfigError
from km3gpu.pipeline.outcome import Outcome, Runner
from km3gpu.pipeline.processes import ProcessRunner
from km3gpu.pipeline.settings import BATCH, RunSettings
from km3gpu.pipeline.task import Task, run_chunk

__all__ = ["SerialRunner", "ThreadRunner", "kernel_threads", "make_runner"]


class SerialRunner:
    """Run one chunk after the other, here."""

    name = "serial"
    workers = 1
    dashboard = ""

    def __init__(self) -> None:
        self._task: Task | None = None

    def room(self, left: int) -> list[str | None]:
        """Say that there is room for one task while there is none."""
        return [] if self._task else [None]

    def submit(self, task: Task, slot: int = 0) -> None:
        """Keep the task until `wait`."""
        self._task = task

    @property
    def busy(self) -> int:
        """One task, or none."""
        return int(self._task is not None)

    def wait(self, timeout: float) -> list[Outcome]:
        """Make the chunk; the time it takes is its own."""
        task, self._task = self._task, None
        return [] if task is None else [Outcome(task, run_chunk(task))]

    def end(self) -> None:
        """Do nothing: the chunk in work is the last."""

    def close(self, *, at_once: bool) -> None:
        """Do nothing: there is nothing to stop."""


class ThreadRunner:
    """Run chunks in threads of this process, each with single-threaded kernels.

    Parameters
    ----------
    workers : int
        Threads.
    window : int
        Tasks that are handed out at most at a time; 0: two for each thread.
    """

    name = "threads"
    dashboard = ""

    def __init__(self, workers: int, window: int = 0) -> None:
        self.workers = workers
        self._window = window or 2 * workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="km3gpu")
        self._futures: dict[Future[Any], Task] = {}

    def room(self, left: int) -> list[str | None]:
        """Say how many more tasks can wait; open files are shared, so any may take any."""
        return [None] * (self._window - len(self._futures))

    def submit(self, task: Task, slot: int = 0) -> None:
        """Put a task into the queue of the pool."""
        self._futures[self._pool.submit(run_chunk, task)] = task

    @property
    def busy(self) -> int:
        """Tasks handed out and not yet given back."""
        return len(self._futures)

    def wait(self, timeout: float) -> list[Outcome]:
        """Wait until outcomes are there, at most `timeout` seconds, and give them."""
        done, _ = wait(self._futures, timeout, FIRST_COMPLETED)
        return [Outcome(self._futures.pop(f), f.result()) for f in done]

    def end(self) -> None:
        """Do nothing: threads have a chunk and the next."""

    def close(self, *, at_once: bool) -> None:
        """Wait for the threads; a thread cannot be stopped in the middle."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def make_runner(settings: RunSettings, memory: int | None, scheduler: Any = None) -> Runner:
    """Make the runner that the settings ask for.

    Parameters
    ----------
    settings : RunSettings
    memory : int, optional
        Limit of resident memory of each worker process, in bytes.
    scheduler : distributed.Client, optional
        A client to run with, instead of the settings' address.

    Returns
    -------
    Runner

    Raises
    ------
    ConfigError
        Settings that do not go together.
    BackendError
        No dask scheduler at the address.
    """
    name = settings.runner
    scheduler = settings.scheduler if scheduler is None else scheduler
    if name == "auto":
        apart = scheduler is not None or settings.readers
        name = "distributed" if apart else _alone(settings, memory)
    if scheduler is not None and name != "distributed":
        raise ConfigError(
            f"a scheduler, but runner = '{name}'", remedy="take runner='distributed', or no scheduler"
        )
    if settings.readers and name != "distributed":
        raise ConfigError(
            f"readers = {settings.readers}, but runner = '{name}'",
            remedy="take runner='distributed', or no readers: each worker then reads its own chunks",
        )
    if memory is not None and name in ("serial", "threads"):
        raise ConfigError(f"runner '{name}' cannot limit memory", remedy="take runner='processes'")
    if name == "serial":
        if settings.workers > 1:
            raise ConfigError(f"{settings.workers} workers, but runner = 'serial'", remedy="take 'processes'")
        return SerialRunner()
    if name == "threads":
        return ThreadRunner(settings.workers, settings.window)
    if name == "processes":
        return ProcessRunner(settings.workers, settings.window, memory)
    from km3gpu.pipeline.cluster import DistributedRunner  # dask is slow to import

    if name in BATCH:
        from km3gpu.pipeline.batch import Jobs

        return DistributedRunner(
            Jobs(settings, memory), settings.workers, settings.window, None, settings.backend
        )
    return DistributedRunner(
        scheduler or "local", settings.workers, settings.window, memory, settings.backend, settings.readers
    )


def _alone(settings: RunSettings, memory: int | None) -> str:
    """Choose the runner for this machine.

    On a GPU that is threads: each has a stream of its own and a chunk on its way, so that
    reading, copying and work overlap, and no more chunks than workers are on the device.
    """
    if settings.workers == 1:
        return "serial"
    on_gpu = memory is None and backend.select(settings.backend).name == "cuda"
    return "threads" if on_gpu else "processes"


def kernel_threads(settings: RunSettings, runner: Runner) -> int:
    """Give the CPU threads for the kernels of one worker; 0 for all there are."""
    if settings.threads:
        return settings.threads
    return 0 if runner.name == "serial" else 1
