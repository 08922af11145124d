from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from km3gpu.backend import Backend
from km3gpu.errors import BackendError
from km3gpu.kernels.staging import run_through

CPU = Backend("cpu")


def chunks(n: int, seen: list[int] | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same two arrays, overwritten for every chunk: a reader's own buffers."""
    raw, offsets = np.empty(1000, np.uint8), np.empty(7, np.int64)
    for k in range(n):
        if seen is not None:
            seen.append(k)
        raw[:], offsets[:] = k, k
        yield raw[: 500 + 10 * k], offsets


@pytest.mark.parametrize("slots", [1, 2, 3, 7])
def test_every_chunk_arrives_whole_and_in_order(slots: int) -> None:
    def work(raw: Any, offsets: Any) -> tuple[int, set[int], set[int]]:
        time.sleep(0.001 * (raw[0] % 3))  # later ones may be quicker
        return len(raw), set(raw.tolist()), set(offsets.tolist())

    got = list(run_through(chunks(20), work, CPU, slots))
    assert got == [(500 + 10 * k, {k}, {k}) for k in range(20)]


def test_slots_work_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def work(raw: Any, offsets: Any) -> int:
        both.wait()  # breaks unless another chunk is at work at the same time
        return int(raw[0])

    assert list(run_through(chunks(6), work, CPU, 2)) == list(range(6))


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_slow_consumer_holds_the_reader_back(slots: int) -> None:
    asked: list[int] = []
    results = run_through(chunks(10, asked), lambda raw, _: int(raw[0]), CPU, slots)
    assert asked == []
    for k in range(10):
        assert next(results) == k
        time.sleep(0.005)
        assert len(asked) == min(10, k + slots)
    assert list(results) == []


def test_staging_waits_until_the_buffer_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    upload = Backend.upload

    def slowly(self: Backend, array: np.ndarray) -> Any:
        time.sleep(0.01)
        return upload(self, array)

    monkeypatch.setattr(Backend, "upload", slowly)
    got = list(run_through(chunks(8), lambda raw, o: (set(raw.tolist()), set(o.tolist())), CPU, 2))
    assert got == [({k}, {k}) for k in range(8)]


@pytest.mark.parametrize("at", [0, 1, 4])
def test_an_error_comes_after_the_results_before_it(at: int) -> None:
    def work(raw: Any, offsets: Any) -> int:
        if raw[0] == at:
            raise ValueError(f"chunk {at}")
        return int(raw[0])

    results = run_through(chunks(9), work, CPU, 3)
    assert [next(results) for _ in range(at)] == list(range(at))
    with pytest.raises(ValueError, match=f"chunk {at}"):
        next(results)
    assert "km3gpu-stream" not in " ".join(t.name for t in threading.enumerate())


def test_an_error_of_the_reader_or_of_the_copy_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Any]:
        yield from chunks(2)
        raise OSError("gone")

    results = run_through(broken(), lambda raw, _: int(raw[0]), CPU, 2)
    assert next(results) == 0
    with pytest.raises(OSError, match="gone"):
        list(results)

    def no_memory(self: Backend, array: np.ndarray) -> Any:
        raise MemoryError("device")

    monkeypatch.setattr(Backend, "upload", no_memory)
    with pytest.raises(MemoryError, match="device"):
        list(run_through(chunks(5), lambda raw, _: 0, CPU, 1))


def test_a_consumer_that_leaves_early_leaves_no_thread() -> None:
    results = run_through(chunks(50), lambda raw, _: int(raw[0]), CPU, 3)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert "km3gpu-stream" not in " ".join(t.name for t in threading.enumerate())


def test_no_chunks_and_no_slots() -> None:
    assert list(run_through([], lambda: 0, CPU)) == []
    with pytest.raises(BackendError, match="0 slots hold no chunk"):
        list(run_through([], lambda: 0, CPU, 0))
