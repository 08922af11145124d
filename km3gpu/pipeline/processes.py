"""Worker processes of this machine: started fresh, watched, and replaced when one dies.

Each worker is a new Python process with a pipe of its own, so the run knows
which chunk a dead worker had in hand, and only that chunk is tried again.  The
user's script is not imported by the workers, so it needs no ``__main__`` guard.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from multiprocessing.connection import Pipe, wait

from km3gpu.pipeline import environment
from km3gpu.pipeline.interrupts import held
from km3gpu.pipeline.outcome import Outcome, lost
from km3gpu.pipeline.sealed import seal
from km3gpu.pipeline.task import Task
from km3gpu.pipeline.worker import command

__all__ = ["ProcessRunner"]

_AHEAD = 2  # tasks of a worker: the one in work and the next
_LOOK = 0.2  # seconds between two looks at the memory of the workers


class ProcessRunner:
    """Run chunks in processes of this machine.

    Parameters
    ----------
    workers : int
        Processes.
    window : int
        Tasks that are handed out at most at a time; 0: two for each worker.
    memory : int, optional
        Largest resident memory of a worker, in bytes; one above it is stopped.
    """

    name = "processes"
    dashboard = ""

    def __init__(self, workers: int, window: int = 0, memory: int | None = None) -> None:
        self.workers = workers
        self._window = window or _AHEAD * workers
        self._memory = memory
        self._workers = [_Worker() for _ in range(workers)]
        self._shown: list[_Worker] = []

    def room(self, left: int) -> list[str | None]:
        """Say which workers can take a task: for each the file it read last."""
        able = sorted((w for w in self._workers if len(w.tasks) < _AHEAD), key=lambda w: len(w.tasks))
        self._shown = able[: max(self._window - self.busy, 0)]
        return [w.last_path for w in self._shown]

    def submit(self, task: Task, slot: int = 0) -> None:
        """Hand a task to the worker at position `slot` of the last `room`.

        Raises
        ------
        ConfigError
            A stage cannot be sent to another process.
        """
        self._shown[slot].send(task)

    @property
    def busy(self) -> int:
        """Tasks handed out and not yet given back."""
        return sum(len(w.tasks) for w in self._workers)

    def wait(self, timeout: float) -> list[Outcome]:
        """Wait until outcomes are there, at most `timeout` seconds, and give them."""
        outcomes: list[Outcome] = []
        ready = wait(
            [w.pipe for w in self._workers], timeout if self._memory is None else min(timeout, _LOOK)
        )
        for i, worker in enumerate(self._workers):
            if worker.pipe in ready:
                outcomes += worker.receive()
            if self._memory is not None and worker.tasks and worker.resident() > self._memory:
                worker.kill(f"the worker held more than {self._memory / 1e6:.0f} MB")
                outcomes += worker.receive()
            if worker.dead:
                outcomes += self._replace(i)
        return outcomes

    def _replace(self, i: int) -> list[Outcome]:
        """Start a new worker for a dead one: its first task is lost, those behind it are handed on."""
        old = self._workers[i]
        words = old.last_words()
        old.pipe.close()
        self._workers[i] = new = _Worker()
        if not old.tasks:
            return []
        first, *behind = old.tasks
        for task in behind:
            new.send(task)
        return [lost(first, old.name, words)]

    def end(self) -> None:
        """Do nothing: workers have a chunk and the next."""

    def close(self, *, at_once: bool) -> None:
        """Stop all workers: after what they are doing, or at once."""
        for worker in self._workers:
            if at_once:
                worker.kill("stopped")
            worker.pipe.close()  # a worker ends when its pipe does
        for worker in self._workers:
            worker.process.wait()


class _Worker:
    """One process, its pipe, and the tasks it was sent and has not answered."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        fd = theirs.fileno()
        with held():
            self.process = subprocess.Popen(
                command(fd),
                pass_fds=(fd,),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a user's stage prints must not get into the run's own output
                process_group=0,  # Ctrl-C goes to the run, which lets chunks end
            )
        theirs.close()
        self.tasks: deque[Task] = deque()
        self.last_path = ""
        self.dead = False
        self._why = ""
        self.name = f"{environment.worker_name().rpartition(':')[0]}:{self.process.pid}"

    def send(self, task: Task) -> None:
        data = seal(task)
        self.tasks.append(task)
        self.last_path = task.origin.path
        try:
            self.pipe.send_bytes(data)
        except OSError:
            self.dead = True  # the runner replaces it and hands the task on

    def receive(self) -> list[Outcome]:
        found = []
        try:
            while self.pipe.poll():
                receipt = self.pipe.recv()
                found.append(Outcome(self.tasks.popleft(), receipt))
        except (EOFError, OSError):
            self.dead = True
        return found

    def resident(self) -> int:
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0  # it ended meanwhile

    def kill(self, why: str) -> None:
        self._why = why
        self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        code = self.process.wait()
        if self._why:
            return self._why
        if code < 0:
            return f"the worker was killed by {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"
