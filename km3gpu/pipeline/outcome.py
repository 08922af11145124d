"""What a runner is, and what it gives for each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from km3gpu.pipeline.faults import Fault
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.task import Task

__all__ = ["Outcome", "Runner", "lost"]


@dataclass(frozen=True)
class Outcome:
    """A task and what became of it."""

    task: Task
    receipt: Receipt


class Runner(Protocol):
    """Takes tasks while it has room, gives outcomes as they come."""

    name: str
    workers: int

    @property
    def dashboard(self) -> str:
        """Address where people watch it, or ``""``."""

    def room(self, left: int) -> list[str | None]:
        """Say which workers can take a task of the `left` that wait, and what for (see `Schedule.take`)."""

    def submit(self, task: Task, slot: int = 0) -> None:
        """Hand a task to the worker at position `slot` of the last `room`."""

    @property
    def busy(self) -> int:
        """Tasks handed out and not yet given back."""

    def wait(self, timeout: float) -> list[Outcome]:
        """Wait until outcomes are there, at most `timeout` seconds, and give them."""

    def end(self) -> None:
        """Let workers end soon: after the chunk that they are at, or a few more."""

    def close(self, *, at_once: bool) -> None:
        """Stop all workers: after what they are doing, or at once."""


def lost(task: Task, worker: str, words: str, kind: str = "memory") -> Outcome:
    """Make the outcome of a task whose worker did not come back.

    A worker that the system killed for its memory, and one that the chunk itself
    crashed, look the same from outside: the chunk is split, which helps the
    first and corners the second.
    """
    o = task.origin
    fault = Fault(kind, "WorkerLost", words)
    return Outcome(
        task,
        Receipt(
            task.id, "failed", task.attempt, o.path, o.tree, (o.start, o.stop), worker=worker, fault=fault
        ),
    )
