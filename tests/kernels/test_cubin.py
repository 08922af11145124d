from __future__ import annotations

import collections
import os

import pytest
from numba.cuda import dispatcher

from km3gpu.errors import BackendError, KernelError
from km3gpu.kernels import cubin, registry


def test_every_kernel_on_every_architecture() -> None:
    rows = cubin.report(processes=min(2, os.cpu_count() or 1))
    bad = [
        f"{r.kernel}({r.signature}) sm_{r.architecture[0]}{r.architecture[1]}: {r.registers} of {r.ceiling} "
        f"registers, {r.spill_bytes} spilled, {r.stack_bytes} on the stack"
        for r in rows
        if not r.good
    ]
    assert not bad, "\n".join(bad)
    count = collections.Counter((r.kernel, r.signature) for r in rows)
    assert set(count) == {(k.name, " ".join(s)) for k in registry.kernels() for s in k.signatures}
    assert set(count.values()) == {len(cubin.tools().architectures)}
    assert all(r.code_bytes > 500 for r in rows)


def test_tools_belong_together() -> None:
    tools = cubin.tools()
    major = int(tools.cuda.split(".")[0])
    assert tools.architectures == cubin.ARCHITECTURES[0 if major < 13 else 1 :]
    assert cubin.ARCHITECTURES[0] == (7, 0)
    assert cubin.ARCHITECTURES[-1] == (12, 0)


def test_the_device_is_assumed_only_while_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    # a private name of numba-cuda: when it goes, this says so before a user does
    before = dispatcher.get_current_device
    with cubin.assumed((9, 0)):
        assert dispatcher.get_current_device().compute_capability == (9, 0)
    assert dispatcher.get_current_device is before
    monkeypatch.delattr(dispatcher, "get_current_device")
    with pytest.raises(BackendError, match="cannot compile without a driver"), cubin.assumed((9, 0)):
        pass


def test_the_architecture_reaches_the_code() -> None:
    kernel = next(k for k in registry.kernels() if k.name == "segments.expand")
    for architecture in ((7, 5), (9, 0)):
        assert f".target sm_{architecture[0]}{architecture[1]}" in cubin.ptx(
            kernel, kernel.signatures[0], architecture
        )


def test_a_kernel_that_spills_is_not_good() -> None:
    row = cubin.Cubin("k", "", (8, 0), 30, 32, 0, 0, 0, 1000)
    assert row.good
    for change in ({"spill_bytes": 8}, {"stack_bytes": 8}, {"registers": 33}):
        assert not cubin.Cubin(**{**vars(row), **change}).good


def test_ptxas_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = next(k for k in registry.kernels() if k.name == "segments.expand")
    monkeypatch.setattr(cubin, "ptx", lambda *_: ".version 8.0\n.target sm_80\nnonsense\n")
    with pytest.raises(KernelError, match=r"ptxas refuses segments\.expand for sm_80: .*nonsense"):
        cubin.compile_one(kernel, kernel.signatures[0], (8, 0))
