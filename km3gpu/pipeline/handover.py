"""Chunks that one worker reads and another makes the parts of: readers apart.

A GPU makes its chunk faster than one process reads it, and more processes on the GPU
would each hold a context and memory of it.  So workers with the dask resource
``READ`` read and decode, and give their chunks to those with ``GPU`` (``MAKE`` on
CPUs), over dask's own connections and without a copy of the columns in between.
A chunk exists in between only while it is one of the window's; where a reader or the
other dies, dask lets the chunk be read or made again.
"""

from __future__ import annotations

import operator
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import distributed

from km3gpu.errors import BackendError
from km3gpu.pipeline.gpus import GPU
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.sealed import call, opened
from km3gpu.pipeline.task import Read, read_chunk, run_chunk

__all__ = ["MAKE", "READ", "Handed", "Handover", "read_sealed"]

READ = "READ"
MAKE = "MAKE"


@dataclass(frozen=True)
class Handed:
    """A chunk on its way; called, it makes the receipts of its parts (dask calls it where it arrives).

    Attributes
    ----------
    read : Read or Receipt
        The chunk, or why it could not be read.
    data : bytes
        Its task.
    path : sequence of str
        Folders to look for modules in.
    """

    read: Read | Receipt
    data: bytes
    path: Sequence[str]

    def __call__(self) -> list[Receipt]:
        """Make the parts."""
        if isinstance(self.read, Receipt):
            return [self.read]
        (task,) = opened(self.data, self.path)
        return [task if isinstance(task, Receipt) else run_chunk(task, self.read)]


def read_sealed(data: bytes, path: Sequence[str]) -> Handed:
    """Read the chunk of a task; parameters as for `km3gpu.pipeline.sealed.opened`."""
    (task,) = opened(data, path)
    return Handed(task if isinstance(task, Receipt) else read_chunk(task), data, path)


class Handover:
    """The two kinds of workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
    backend : str
        Of the run.
    patience : float, optional
        Seconds to wait for workers that are starting.

    Attributes
    ----------
    readers, makers : int
        How many chunks they can take at a time.

    Raises
    ------
    BackendError
        There are none of a kind.
    """

    def __init__(self, client: distributed.Client, backend: str, patience: float = 0.0) -> None:
        self._client = client
        self._make = GPU if backend == "cuda" else MAKE
        end = time.monotonic() + patience
        while not all(found := self.count()) and time.monotonic() < end:
            time.sleep(0.1)
        self.readers, self.makers = found
        for kind, n in ((READ, self.readers), (self._make, self.makers)):
            if n == 0:
                raise BackendError(
                    f"readers apart, but no dask worker has the resource {kind}",
                    where=client.scheduler.address,
                    remedy=f"start some with `dask worker ADDRESS --nthreads 1 --resources {kind}=1`",
                )

    def count(self) -> list[int]:
        """Give how many chunks can be read, and how many made, at a time by the workers there are."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return [
            int(sum(min(w["resources"].get(kind, 0), w["nthreads"]) for w in workers))
            for kind in (READ, self._make)
        ]

    def submit(self, keys: Sequence[str], sealed: Sequence[bytes], path: Sequence[str]) -> list[Any]:
        """Make the futures of tasks: those of their receipts, since nobody else wants the chunks."""
        read = self._client.map(
            pickle.loads,
            [call(read_sealed, s, path) for s in sealed],
            key=[f"{k}-read" for k in keys],
            pure=False,
            retries=0,
            resources={READ: 1},
        )
        made: list[Any] = self._client.map(
            operator.call,
            read,
            key=list(keys),
            pure=False,
            retries=0,
            resources={self._make: 1},
        )
        return made
