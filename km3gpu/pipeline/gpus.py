"""Workers for several GPUs: one for each, with dask-cuda where it is installed.

A worker sees one GPU (``CUDA_VISIBLE_DEVICES``) and says so as the dask resource
``GPU``; a chunk that is to be made on a GPU asks for one, so that it goes to no
other worker and no two chunks to one GPU at a time.  Workers that somebody else
starts take part in this with ``dask worker --resources GPU=1``, or by being
started with ``dask cuda worker --resources GPU=1``.
"""

from __future__ import annotations

import os

import distributed

from km3gpu import backend

__all__ = ["GPU", "devices", "resources"]

GPU = "GPU"


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


def devices() -> list[str]:
    """Give the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    n = backend.device_count()
    return [d.strip() for d in named.split(",")][:n] if named else [str(i) for i in range(n)]
