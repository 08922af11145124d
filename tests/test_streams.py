"""Streams and events: the same on the CPU and, through a stand-in for cupy, on a GPU."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from km3gpu import backend
from km3gpu.backend import Backend, using_pool
from km3gpu.errors import BackendError
from km3gpu.memory import Pool
from km3gpu.streams import Event, Stream

from . import fake_cupy


@pytest.fixture
def cupy(monkeypatch):
    fake = fake_cupy.make(devices=2)
    monkeypatch.setattr(backend, "_cupy", lambda: fake)
    monkeypatch.setattr(backend, "why_no_gpu", lambda: None)
    return fake


@pytest.fixture(params=["cpu", "cuda"])
def where(request):
    if request.param == "cuda":
        request.getfixturevalue("cupy")
    return Backend(request.param)


def test_work_of_one_stream_runs_in_order(where):
    done = []

    def work(k):
        time.sleep(0.002 * (k % 3 == 0))
        done.append(k)

    with Stream(where) as stream:
        for k in range(20):
            stream.submit(work, k)
        stream.synchronize()
        assert done == list(range(20))


def test_streams_run_beside_each_other(where):
    both = threading.Barrier(2, timeout=20)
    with Stream(where) as one, Stream(where) as two:
        waiting = [s.submit(both.wait) for s in (one, two)]
        assert {w.result() for w in waiting} == {0, 1}


def test_an_event_orders_two_streams(where):
    done = []
    with Stream(where) as one, Stream(where) as two:
        gate = threading.Event()
        one.submit(gate.wait)
        one.submit(done.append, "first")
        two.wait(one.record())
        two.submit(done.append, "second")
        time.sleep(0.02)
        assert done == []
        gate.set()
        two.synchronize()
    assert done == ["first", "second"]


def test_an_event_happens_when_the_work_before_it_is_done(where):
    with Stream(where) as stream:
        gate = threading.Event()
        stream.submit(gate.wait)
        event = stream.record()
        assert not event.happened
        with pytest.raises(BackendError, match="nothing has recorded"):
            event.synchronize(timeout=0.01)
        gate.set()
        event.synchronize()
        assert event.happened


def test_results_and_errors_come_back(where):
    with Stream(where) as stream:
        assert stream.submit(lambda a, b: a + b, 1, b=2).result() == 3
        failed = stream.submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            failed.result()
        assert stream.submit(str, 5).result() == "5"


def test_the_callers_pool_goes_with_the_work():
    pool = Pool(limit=10**9)
    with Stream(Backend("cpu")) as stream:
        with using_pool(pool):
            inside = stream.submit(Backend("cpu").empty, 1000, "f8").result()
        outside = stream.submit(Backend("cpu").empty, 1000, "f8").result()
    assert pool.used >= inside.nbytes
    assert pool.used < inside.nbytes + outside.nbytes


# -- what the GPU's side tells cupy ---------------------------------------------
def test_a_gpu_stream_works_within_its_own_cuda_stream(cupy):
    with Stream(Backend("cuda")) as stream:
        seen = stream.submit(cupy.cuda.get_current_stream).result()
        event = stream.record()
        event.synchronize()
    assert seen.non_blocking
    assert seen is not cupy.cuda.get_current_stream()
    kinds = [(what[0], what[1] if what[0] == "record" else None) for what in cupy.log]
    assert kinds == [("record", seen), ("synchronize", None)]
    assert cupy.log[0][2].disable_timing


def test_waiting_holds_the_cuda_stream_and_not_the_thread(cupy):
    with Stream(Backend("cuda")) as one, Stream(Backend("cuda")) as two:
        event = one.record()
        two.wait(event)
        second = two.submit(cupy.cuda.get_current_stream).result()
    (waited,) = [what for what in cupy.log if what[0] == "wait"]
    assert waited[1] is second
    assert waited[2] is event._mark


def test_a_stream_stays_on_the_gpu_it_was_made_for(cupy):
    with cupy.cuda.Device(1):
        stream = Stream(Backend("cuda"))
    with stream:
        assert stream.submit(backend.device_index).result() == 1
    assert backend.device_index() == 0


# -- memory of a GPU, and arrays of others ---------------------------------------
def test_pinned_memory_and_upload(cupy):
    gpu = Backend("cuda")
    buffer = gpu.pinned(100)
    assert (buffer.dtype, len(buffer)) == (np.uint8, 100)
    assert cupy.log == [("pinned", 100)]
    buffer[:] = 7
    copied = gpu.upload(buffer[:10].view("u2"))
    buffer[:] = 8
    assert copied.dtype == np.dtype("u2")
    assert gpu.to_host(copied).tolist() == [0x0707] * 5
    with pytest.raises(BackendError, match="no 2000000000 bytes of page-locked memory: out of memory; take"):
        gpu.pinned(2 * 10**9)


def test_memory_in_use(cupy):
    gpu = Backend("cuda")
    assert gpu.memory() == backend.MemoryUse(5, 9, 9)
    gpu.trim()
    assert cupy.log == [("trim",)]
    assert gpu.free_memory() == 11
    cpu, pool = Backend("cpu"), Pool(limit=10**9)
    with using_pool(pool):
        kept = cpu.empty(10**6, "f8")
        assert cpu.memory().used == pool.used >= kept.nbytes
        cpu.trim()
        assert cpu.memory().peak == pool.peak


@pytest.mark.usefixtures("cupy")
def test_empty_follows_the_array():
    assert type(backend.empty(3, "f4", np.zeros(1))) is np.ndarray
    on_gpu = backend.empty(3, "f4", fake_cupy.DeviceArray(np.zeros(1)))
    assert isinstance(on_gpu, fake_cupy.DeviceArray)
    assert on_gpu.dtype == np.float32


class FromElsewhere:
    """An array of another library that speaks DLPack alone."""

    def __init__(self, host, device):
        self.host, self.device = host, device

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **options):
        return self.host.__dlpack__(**options)


def test_host_arrays_of_others_are_taken_without_a_copy():
    mine = np.arange(5.0)
    assert backend.adopt(mine) is mine
    taken = backend.adopt(FromElsewhere(mine, 1))
    assert taken.ctypes.data == mine.ctypes.data
    assert taken.tolist() == mine.tolist()
    # and back: our columns are what other libraries take
    assert np.from_dlpack(backend.empty(5, "f8", mine)).shape == (5,)


@pytest.mark.usefixtures("cupy")
def test_device_arrays_of_others_are_taken_without_a_copy():
    memory = np.arange(6.0)
    theirs = fake_cupy.DeviceArray(memory)

    class ByInterface:
        __cuda_array_interface__ = theirs.__cuda_array_interface__

    for array in (ByInterface(), FromElsewhere(memory, 2), FromElsewhere(memory, 13)):
        taken = backend.adopt(array)
        assert isinstance(taken, fake_cupy.DeviceArray)
        taken.host[0] += 1
    assert memory[0] == 3.0
    # and back: a column has the interface that others read
    assert theirs.__cuda_array_interface__["data"][0] == memory.ctypes.data
    assert backend.of(theirs).name == "cuda"


def test_device_arrays_without_a_gpu_are_refused(monkeypatch):
    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")
    with pytest.raises(BackendError, match="an array on a GPU cannot be used here: the driver"):
        backend.adopt(fake_cupy.DeviceArray(np.zeros(1)))
    with pytest.raises(BackendError, match="DLPack device type 10, neither host nor CUDA"):
        backend.adopt(FromElsewhere(np.zeros(1), 10))
    assert backend.adopt([1, 2]).tolist() == [1, 2]
    assert backend.device_index() == 0
    assert isinstance(Event(Backend("cpu")), Event)
