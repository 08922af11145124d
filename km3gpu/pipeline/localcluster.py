"""A dask cluster on this machine, for one run: of CPU workers, or of one worker for each GPU.

The scheduler is in this process, workers are fresh Python processes, which look for
modules where this process does.  The user's script is not imported by them, as it is
by those of ``distributed.LocalCluster``, so it needs no ``__main__`` guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from typing import Any

import dask
import distributed
from distributed.deploy.spec import run_spec
from distributed.deploy.subprocess import SubprocessWorker

from km3gpu import backend
from km3gpu.pipeline.gpus import GPU, devices
from km3gpu.pipeline.handover import MAKE, READ

__all__ = ["local_cluster", "serve"]

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from km3gpu.pipeline.localcluster import serve
serve(sys.argv[2], json.loads(sys.argv[3]))
"""


def serve(scheduler: str, spec: dict[str, Any]) -> None:
    """Keep workers of a scheduler alive until it is gone; the main program of their nannies.

    Parameters
    ----------
    scheduler : str
        Address.
    spec : dict
        Class and options of each nanny, by name.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the run decides when to stop, and lets chunks end
        signal.signal(number, signal.SIG_IGN)

    async def run() -> None:
        nannies = await run_spec(spec, scheduler)
        await asyncio.gather(*(n.finished() for n in nannies.values()))

    asyncio.run(run())


class _Nannies(SubprocessWorker):  # type: ignore[misc]
    """The nannies of all workers, in a process of their own; each starts its worker, also again."""

    async def _start(self) -> None:
        settings = dask.config.serialize(dask.config.global_config)
        spec = json.dumps(self.worker_kwargs)
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _START, json.dumps(sys.path), self.scheduler, spec),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,  # what a user's stage prints must not get into the run's own output
            env={**os.environ, "DASK_INTERNAL_INHERIT_CONFIG": settings},
        )


def local_cluster(workers: int, memory: int | None, asked: str, readers: int = 0) -> Any:
    """Make a dask cluster on this machine.

    Parameters
    ----------
    workers : int
        Most workers; on GPUs no more than there are.
    memory : int, optional
        Limit of each worker, in bytes.
    asked : str
        Backend of the run.
    readers : int, optional
        More workers, which only read.

    Returns
    -------
    distributed.SpecCluster
        To be closed.

    Raises
    ------
    BackendError
        A GPU is asked for, and there is none.
    """
    limit: dict[str, Any] = {"memory_limit": memory or 0}
    reading = {
        f"reader-{i}": {**limit, "resources": {READ: 1}, "env": {"CUDA_VISIBLE_DEVICES": ""}}
        for i in range(readers)
    }
    if backend.select(asked).name != "cuda":
        return _cluster({f"cpu-{i}": {**limit, "resources": {MAKE: 1}} for i in range(workers)} | reading)
    found = devices()[:workers]
    limit["resources"] = {GPU: 1}
    if not readers:
        with contextlib.suppress(ImportError):
            from dask_cuda import LocalCUDACluster

            return LocalCUDACluster(
                CUDA_VISIBLE_DEVICES=found, threads_per_worker=1, dashboard_address=":0", **limit
            )
    return _cluster({f"gpu-{d}": {**limit, "env": {"CUDA_VISIBLE_DEVICES": d}} for d in found} | reading)


def _cluster(workers: dict[str, dict[str, Any]]) -> distributed.SpecCluster:
    common = {"nthreads": 1, "dashboard": False, "silence_logs": logging.WARNING}
    spec = {
        name: {"cls": "distributed.Nanny", "opts": {"name": name, **common, **options}}
        for name, options in workers.items()
    }
    local = {"host": "127.0.0.1", "dashboard_address": ":0"}
    return distributed.SpecCluster(
        workers={"nannies": {"cls": _Nannies, "options": {"worker_kwargs": spec}}},
        scheduler={"cls": distributed.Scheduler, "options": local},
        silence_logs=logging.WARNING,
    )
