"""Workers for several GPUs: one for each, with dask-cuda where it is installed.

A worker sees one GPU (``CUDA_VISIBLE_DEVICES``) and says so as the dask resource
``GPU``; a chunk that is to be made on a GPU asks for one, so that it goes to no
other worker and no two chunks to one GPU at a time.  Workers that somebody else
starts take part in this with ``dask worker --resources GPU=1``, or by being
started with ``dask cuda worker --resources GPU=1``.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import distributed

from km3gpu import backend

__all__ = ["GPU", "local_cluster", "resources"]

GPU = "GPU"


def local_cluster(workers: int, memory: int | None, asked: str) -> Any:
    """Make a dask cluster on this machine: of CPU workers, or of one worker for each GPU.

    Parameters
    ----------
    workers : int
        Most workers; on GPUs no more than there are.
    memory : int, optional
        Limit of each worker, in bytes.
    asked : str
        Backend of the run.

    Returns
    -------
    distributed.LocalCluster or distributed.SpecCluster
        To be closed.

    Raises
    ------
    BackendError
        A GPU is asked for, and there is none.
    """
    common: dict[str, Any] = {"memory_limit": memory or 0}
    if backend.select(asked).name != "cuda":
        return distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", **common
        )
    devices = _devices()[:workers]
    common["resources"] = {GPU: 1}
    with contextlib.suppress(ImportError):
        from dask_cuda import LocalCUDACluster

        return LocalCUDACluster(
            CUDA_VISIBLE_DEVICES=devices, threads_per_worker=1, dashboard_address=":0", **common
        )
    spec = {
        f"gpu-{device}": {
            "cls": distributed.Nanny,
            "options": {"nthreads": 1, "env": {"CUDA_VISIBLE_DEVICES": device}, **common},
        }
        for device in devices
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}}
    return distributed.SpecCluster(workers=spec, scheduler=scheduler)


def resources(client: distributed.Client, asked: str) -> dict[str, float] | None:
    """Give what a chunk asks of a worker: a GPU, where the run wants one and workers tell that they have it.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler.
    asked : str
        Backend of the run; ``"auto"`` takes any worker.
    """
    if asked != "cuda":
        return None
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return {GPU: 1} if any(w["resources"].get(GPU) for w in workers) else None


def _devices() -> list[str]:
    """Give the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    n = backend.device_count()
    return [d.strip() for d in named.split(",")][:n] if named else [str(i) for i in range(n)]
