from __future__ import annotations

import concurrent.futures
import subprocess
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import cuda

from km3gpu import backend
from km3gpu.errors import BackendError
from km3gpu.kernels import launch, segments, threads
from tests import fake_cupy

PACKAGE = Path(launch.__file__).parent


def data(n: int = 300_000) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.arange(0, n + 1, 100)
    return offsets, np.random.default_rng(0).normal(size=n)


def test_threads_belong_to_the_thread_that_asked() -> None:
    everything = int(numba.config.NUMBA_NUM_THREADS)
    assert launch.n_threads() == everything
    with threads(1):
        assert launch.n_threads() == 1
        with threads(10**6):
            assert launch.n_threads() == everything
        assert launch.n_threads() == 1
        seen: list[int] = []
        # another thread is one of many already
        other = threading.Thread(target=lambda: seen.append(launch.n_threads()))
        other.start()
        other.join()
        assert seen == [1]
    assert launch.n_threads() == everything
    with pytest.raises(BackendError, match="cannot run on 0 threads"), threads(0):
        pass


def test_the_driver_follows_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, int]] = []

    def block(start: int, stop: int) -> int:
        called.append(("block", stop - start))
        return launch.NONE

    def blocks(n: int, n_blocks: int) -> int:
        called.append(("blocks", numba.get_num_threads()))
        return launch.NONE

    kernel = launch.Kernel("k.k", block, blocks, (), 1, "hit", 1)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 2)
    before = numba.get_num_threads()
    with threads(2):
        launch.run(kernel, "cpu", 10**6)
        launch.run(kernel, "cpu", 100)
        launch.run(kernel, "cpu", 100, work=10**6)
        launch.run(kernel, "cpu", 0)
    with threads(1):
        launch.run(kernel, "cpu", 10**6)
    assert called == [("blocks", 2), ("block", 100), ("blocks", 2), ("block", 10**6)]
    assert numba.get_num_threads() == before


def test_many_threads_may_ask_for_parallel_code_at_once() -> None:
    # numba's workqueue layer aborts the whole process when two threads do so unguarded
    offsets, values = data()
    with threads(1):
        expected = segments.total(offsets, values)

    def work(_: int) -> bool:
        with threads(2):
            return bool(np.array_equal(segments.total(offsets, values), expected))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))


def test_compiled_code_is_kept_and_renewed_when_a_scalar_function_changes(tmp_path: Path) -> None:
    # a driver is compiled from functions of other files, which numba's cache does not look at
    (tmp_path / "one.py").write_text(
        "from km3gpu.kernels import launch\n"
        "launch.sources_digest = lambda path: open('digest').read()\n"
        "from scalar_part import number\n"
        "@launch.block\n"
        "def driver(start, stop):\n"
        "    return number()\n"
        "print(driver(0, 1), sum(driver.stats.cache_hits.values()))\n"
    )
    scalar = "from numba.extending import register_jitable\n@register_jitable\ndef number():\n    return {}\n"

    def run(digest: str, value: int) -> str:
        (tmp_path / "digest").write_text(digest)
        (tmp_path / "scalar_part.py").write_text(scalar.format(value))
        done = subprocess.run(
            [sys.executable, "one.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PYTHONPATH": str(PACKAGE.parents[1]), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        return done.stdout.strip()

    assert run("a", 1) == "1 0"
    assert run("a", 1) == "1 1"  # from the cache
    assert run("b", 2) == "2 0"  # not the stale code


@pytest.mark.parametrize(
    ("changed", "renewed"),
    [
        ("scalar/lookup.py", {"calibrate", "fused"}),
        ("scalar/decode.py", {"decode", "fused"}),
        ("cpu/columns.py", {"calibrate", "fused"}),
        ("cpu/segments.py", {"segments"}),
        ("scalar/fault.py", {"calibrate", "decode", "fused"}),
    ],
)
def test_the_digest_covers_all_that_a_driver_is_made_of(
    monkeypatch: pytest.MonkeyPatch, changed: str, renewed: set[str]
) -> None:
    names = ("calibrate", "decode", "fused", "segments")

    def digests() -> dict[str, str]:
        launch.sources_digest.cache_clear()
        return {n: launch.sources_digest(PACKAGE / "cpu" / f"{n}.py") for n in names}

    before = digests()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: read(p) + (b"#" if p == PACKAGE / changed else b""))
    after = digests()
    launch.sources_digest.cache_clear()
    assert {n for n in names if before[n] != after[n]} == renewed


@pytest.mark.parametrize(
    ("n", "per_item", "grid"),
    [(1, 1, 1), (256, 1, 1), (257, 1, 2), (10**9, 1, 65_535), (1, 32, 1), (9, 32, 2)],
)
def test_grids(n: int, per_item: int, grid: int) -> None:
    kernel = launch.Kernel("k.k", None, None, (), 1, "hit", 1, threads_per_item=per_item)
    assert launch.grid_of(kernel, n) == (grid, 256)
    assert launch.grid_of(kernel, n, simulated=True) == (min(2, -(-n * per_item // 32)), 32)


@pytest.mark.parametrize("checks", [True, False])
def test_a_gpu_launch_goes_to_the_stream_of_the_arrays_and_waits_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, checks: bool
) -> None:
    # a stand-in for cupy and for the driver: the calls, and their order, are what is looked at
    cupy = fake_cupy.make()
    monkeypatch.setattr(backend, "_cupy", lambda: cupy)
    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr(cuda, "external_stream", lambda ptr: ("stream", ptr))
    monkeypatch.setattr(
        cuda, "as_cuda_array", lambda a, sync: seen.append(("view", sync)) or a, raising=False
    )

    class Driver:
        def __getitem__(self, configuration: object) -> object:
            def launched(*args: object) -> None:
                seen.append(("launch", configuration, *args))
                args[-1].host[0] = launch.NONE - 5  # type: ignore[attr-defined]

            return launched

    monkeypatch.setattr(launch.Kernel, "driver", lambda *_: Driver())
    kernel = launch.Kernel("k.k", None, None, (("i4[]", "f8"),), 1, "hit", 1, checks=checks)
    column = fake_cupy.DeviceArray(np.zeros(300, "i4"))
    stream = cupy.cuda.Stream()
    with stream:
        fault = launch.run(kernel, "cuda", 300, column, 2.5)
    assert fault == (launch.NONE - 5 if checks else launch.NONE)
    *views, (what, configuration, n, *args) = seen
    assert views == [("view", False)] * 2
    assert (what, configuration, n) == ("launch", (2, 256, ("stream", stream.ptr)), 300)
    assert args[:2] == [column, 2.5]


def test_kernels_without_a_place_for_a_cache_still_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def no_cache(function: object, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", no_cache)

    def three(start, stop):  # type: ignore[no-untyped-def]
        return 3

    assert launch.block(three)(0, 1) == 3


def test_kernels_import_no_heavy_library() -> None:
    code = (
        "import sys; from km3gpu.kernels import calibrate, coincidence, decode, segments, registry; "
        "registry.kernels(); "
        "print([m for m in ('awkward', 'uproot', 'dask', 'astropy', 'cupy', 'numba.cuda.dispatcher') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": str(PACKAGE.parents[1]), "PATH": ""})  # fmt: skip
    assert done.stdout.strip() == "[]"
