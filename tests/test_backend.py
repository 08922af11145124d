"""Backends: chosen by name or by the arrays, with a reason where one is not to be had."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import MappingProxyType

import numpy as np
import pytest

from km3gpu import backend
from km3gpu.errors import BackendError


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("KM3GPU_BACKEND", raising=False)


class OnDevice:
    """An array that says it is on a GPU."""

    dtype = np.dtype("f8")
    __cuda_array_interface__ = MappingProxyType({"version": 3})


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(backend, "why_no_gpu", lambda: None)


@pytest.mark.usefixtures("no_gpu")
def test_auto_without_a_gpu_is_the_cpu_and_says_why(caplog):
    backend._say_once.cache_clear()
    with caplog.at_level(logging.INFO, logger="km3gpu"):
        assert backend.select().name == "cpu"
        assert backend.select("auto").name == "cpu"
    assert caplog.messages == ["running on the CPU: the driver reports no device"]


@pytest.mark.usefixtures("gpu")
def test_auto_with_a_gpu_takes_it():
    assert backend.select().name == "cuda"


@pytest.mark.usefixtures("gpu")
def test_environment_beats_auto_and_the_call_beats_the_environment(monkeypatch):
    monkeypatch.setenv("KM3GPU_BACKEND", "CPU")
    assert backend.select().name == "cpu"
    assert backend.select("cuda").name == "cuda"


def test_unknown_name():
    with pytest.raises(BackendError, match="unknown backend 'gpu'; take one of auto, cpu, cuda, cudasim"):
        backend.select("gpu")


@pytest.mark.usefixtures("no_gpu")
def test_cuda_without_a_gpu_says_why():
    with pytest.raises(BackendError, match=r"no GPU can be used: the driver reports no device; run with"):
        backend.select("cuda")


@pytest.mark.parametrize("value", [None, "", "0"])
def test_simulator_must_be_on(monkeypatch, value):
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    if value is not None:
        monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", value)
    with pytest.raises(BackendError, match="set NUMBA_ENABLE_CUDASIM=1 before Python starts"):
        backend.select("cudasim")


def test_simulator_is_taken_where_it_is_on(monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert backend.select("cudasim").name == "cudasim"
    assert backend.select("cudasim").xp is np


def test_a_backend_is_its_own_choice():
    cpu = backend.select("cpu")
    assert backend.select(cpu) is cpu


def test_arrays_tell_the_backend(monkeypatch):
    assert backend.of(np.zeros(1), 3, None).name == "cpu"
    assert backend.of(OnDevice()).name == "cuda"
    monkeypatch.setenv("KM3GPU_BACKEND", "cudasim")
    assert backend.of(np.zeros(1)).name == "cudasim"


def test_mixed_arrays_are_refused():
    with pytest.raises(BackendError, match="partly on the host and partly on a device"):
        backend.of(np.zeros(1), OnDevice())


def test_to_device_copies_only_what_is_not_contiguous():
    cpu = backend.select("cpu")
    a = np.arange(6.0)
    assert cpu.to_device(a) is a
    strided = cpu.to_device(a[::2])
    assert strided.flags.c_contiguous
    assert strided.tolist() == [0.0, 2.0, 4.0]
    assert cpu.to_host(a) is a


def test_free_memory_is_that_of_this_machine():
    free = backend.select("cpu").free_memory()
    assert 2**20 < free <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    backend.select("cpu").synchronize()


def test_why_no_gpu_and_cuda_device_agree():
    reason = backend.why_no_gpu()
    device = backend.cuda_device()
    assert (reason is None) == (device is not None)
    if device is not None:
        assert device.memory_bytes > 0
        assert device.compute_capability >= (7, 0)


def test_without_cupy_the_reason_is_the_install_line():
    code = """
import sys
sys.modules["cupy"] = None
from km3gpu import backend
print(backend.why_no_gpu())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "cupy is not installed (pip install 'km3gpu[cuda12]' or 'km3gpu[cuda13]')"
