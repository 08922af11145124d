"""Workers for several GPUs, with made-up devices: the clusters are real, the GPUs are not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import distributed
import pytest

from km3gpu import backend
from km3gpu.errors import BackendError
from km3gpu.pipeline import gpus
from km3gpu.pipeline.localcluster import local_cluster


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "why_no_gpu", lambda: None)
    monkeypatch.setattr(backend, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "dask_cuda", None)


def visible() -> str | None:
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.usefixtures("two_gpus")
def test_each_worker_sees_one_gpu_and_says_that_it_has_one() -> None:
    with local_cluster(4, 10**9, "auto") as cluster, distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        assert sorted(client.run(visible).values()) == ["0", "1"]
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        assert [(w["nthreads"], w["resources"], w["memory_limit"]) for w in workers] == [
            (1, {"GPU": 1}, 10**9)
        ] * 2
        assert gpus.resources(client, "cuda") == {"GPU": 1}
        assert gpus.resources(client, "auto") is None


@pytest.mark.usefixtures("two_gpus")
def test_dask_cuda_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    fake = SimpleNamespace(LocalCUDACluster=lambda **options: made.append(options) or "cluster")
    monkeypatch.setitem(sys.modules, "dask_cuda", fake)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-8932f937")
    assert local_cluster(8, None, "cuda") == "cluster"
    (options,) = made
    assert options["CUDA_VISIBLE_DEVICES"] == ["3", "GPU-8932f937"]
    assert options["resources"] == {"GPU": 1}
    assert local_cluster(1, None, "cuda") == "cluster"
    assert made[1]["CUDA_VISIBLE_DEVICES"] == ["3"]


@pytest.fixture
def plain() -> Iterator[distributed.Client]:
    """Two workers in this process, one of which says that it has a GPU."""
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}}
    workers = {
        name: {"cls": distributed.Worker, "options": {"nthreads": 2, "resources": resources}}
        for name, resources in {"with": {"GPU": 1}, "without": {}}.items()
    }
    with (
        distributed.SpecCluster(workers=workers, scheduler=scheduler) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_chunk_for_a_gpu_goes_to_a_worker_that_has_one(plain: distributed.Client) -> None:
    needs = gpus.resources(plain, "cuda")
    assert needs == {"GPU": 1}

    def where(k: int) -> str:
        return str(distributed.get_worker().name)

    assert set(plain.gather(plain.map(where, range(20), resources=needs, pure=False))) == {"with"}


def test_no_gpu_for_those_that_ask_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")
    assert backend.device_count() == 0
    with pytest.raises(BackendError, match="no GPU can be used"):
        local_cluster(2, None, "cuda")
