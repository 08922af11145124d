"""The order in which chunks are handed out: as planned, chunks of one file to one worker.

Opening a file costs more than reading a chunk of it, and each worker keeps the
files that it read open.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from km3gpu.pipeline.task import Task

__all__ = ["Schedule"]


class Schedule:
    """Tasks that wait to be handed out.

    Parameters
    ----------
    tasks : iterable of Task
        In the order of the plan.
    """

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._files: OrderedDict[str, deque[Task]] = OrderedDict()
        self._taken: set[str] = set()
        self._n = 0
        for task in tasks:
            self._files.setdefault(task.origin.path, deque()).append(task)
            self._n += 1

    def __len__(self) -> int:
        return self._n

    def add_first(self, tasks: Iterable[Task]) -> None:
        """Put tasks before all others of their file: those that are tried again."""
        for task in reversed(list(tasks)):
            self._files.setdefault(task.origin.path, deque()).appendleft(task)
            self._n += 1

    def take(self, path: str | None) -> Task:
        """Take the next task.

        Parameters
        ----------
        path : str or None
            The file that the worker read last, ``""`` for a new worker: it goes
            on with its file, else begins one that nobody has begun, else helps
            with the file that has most left.  None: any, in the order of the plan.
        """
        if path is None:
            name = next(iter(self._files))
        elif path in self._files:
            name = path
        else:
            fresh = next((p for p in self._files if p not in self._taken), None)
            name = fresh if fresh is not None else max(self._files, key=lambda p: len(self._files[p]))
        self._n -= 1
        self._taken.add(name)
        waiting = self._files[name]
        task = waiting.popleft()
        if not waiting:
            del self._files[name]
        return task

    def clear(self) -> None:
        """Forget all tasks."""
        self._files.clear()
        self._n = 0
