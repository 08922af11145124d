"""Tasks as bytes, on their way to another process.

A task is opened where it is run, so that a stage that cannot be imported there
is a fault of the chunk, with words, and not the end of the worker.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

from km3gpu.errors import ConfigError
from km3gpu.pipeline import environment
from km3gpu.pipeline.faults import Fault
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.task import Task, run_chunk

__all__ = ["call", "opened", "run_sealed", "seal"]


def seal(*tasks: Task) -> bytes:
    """Make bytes of tasks; what they share is there once.

    Raises
    ------
    ConfigError
        A stage cannot be sent to another process.
    """
    here = {type(s).__name__ for t in tasks for s in t.stages if type(s).__module__ == "__main__"}
    remedy = "define it in a module of its own, or run with runner='threads'"
    if here:
        raise ConfigError(f"{', '.join(sorted(here))} cannot be sent to another process", remedy=remedy)
    try:
        inner = pickle.dumps(tasks)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(f"a stage cannot be sent to another process: {error}", remedy=remedy) from error
    return pickle.dumps(([_label(t) for t in tasks], inner))


def _label(task: Task) -> dict[str, Any]:
    o = task.origin
    return {
        "id": task.id,
        "attempt": task.attempt,
        "path": o.path,
        "tree": o.tree,
        "entries": (o.start, o.stop),
    }


def opened(data: bytes, path: Sequence[str] = ()) -> Sequence[Task] | Sequence[Receipt]:
    """Open tasks where they are to be run.

    Parameters
    ----------
    data : bytes
        From `seal`.
    path : sequence of str
        Folders to look for modules in, after those of this process.

    Returns
    -------
    sequence of Task
        Or of the receipts that say why they cannot be opened here.
    """
    sys.path.extend(p for p in path if p not in sys.path)
    labels: list[dict[str, Any]]
    labels, inner = pickle.loads(data)
    try:
        tasks: tuple[Task, ...] = pickle.loads(inner)
    except (ImportError, AttributeError) as error:
        worker = environment.worker_name()
        words = f"worker {worker} cannot import a stage: {error}; put its module where all workers find it"
        fault = Fault("setup", "ConfigError", words)
        return [Receipt(**label, state="failed", worker=worker, fault=fault) for label in labels]
    return tasks


class _Call:
    """Pickles as what its call gives: to open it is to call."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


def call(function: Callable[..., Any], *args: Any) -> bytes:
    """Make bytes that ``pickle.loads`` calls a function with.

    Dask opens the function of a task where it moves it, on its scheduler, which needs
    no km3gpu then, and on the connections of its workers, where a module that is
    missing ends the worker.  So it gets one that is everywhere.
    """
    return pickle.dumps(_Call(function, args))


def run_sealed(data: bytes, path: Sequence[str] = ()) -> Receipt:
    """Open a task and run it; parameters as for `opened`."""
    (task,) = opened(data, path)
    return task if isinstance(task, Receipt) else run_chunk(task)
