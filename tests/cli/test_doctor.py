from __future__ import annotations

import json

import pytest

from km3gpu import backend, errors
from km3gpu.kernels import cubin


def test_says_what_a_run_will_use_and_why(km3gpu, monkeypatch):
    monkeypatch.delenv("KM3GPU_BACKEND", raising=False)
    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")
    said = km3gpu("doctor")
    assert said.code == 0
    facts = {line[:14].strip(): line[14:] for line in said.out.splitlines()}
    assert facts["backend"] == "cpu: the driver reports no device"
    assert facts["CUDA kernels"].startswith("compile: with CUDA ")
    assert " usable" in facts["CPU"]
    assert " free of " in facts["memory"]
    assert facts["disk"].count(" free in ") == 1


def test_json_has_versions_and_room(km3gpu):
    found = json.loads(km3gpu("doctor", "--json").out)
    assert found["packages"]["numpy"][0].isdigit()
    assert found["cpu"]["usable"] >= 1
    assert 0 < found["memory"]["available"] <= found["memory"]["total"]
    assert all(free > 0 for free in found["disk"].values())
    assert found["kernels"]["state"] == "compile"
    assert isinstance(found["gpu"], dict) or found["gpu"].startswith("none: ")


def test_what_the_environment_asks_for(km3gpu, monkeypatch):
    monkeypatch.setenv("KM3GPU_BACKEND", "cpu")
    assert json.loads(km3gpu("doctor", "--json").out)["backend"] == {
        "taken": "cpu",
        "why": "KM3GPU_BACKEND=cpu",
    }


def test_a_backend_that_cannot_be_had(km3gpu, monkeypatch):
    monkeypatch.setenv("KM3GPU_BACKEND", "cuda")
    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")
    said = km3gpu("doctor")
    assert said.code == 1
    assert "none: no GPU can be used: the driver reports no device" in said.out


def test_without_compilers_it_says_what_to_install(km3gpu, monkeypatch):
    def no_tools():
        raise errors.MissingExtraError("no CUDA compiler", remedy="pip install 'km3gpu[cubin]'")

    monkeypatch.setattr(cubin, "tools", no_tools)
    said = km3gpu("doctor")
    assert said.code == 0
    assert "no compilers: no CUDA compiler; pip install 'km3gpu[cubin]'" in said.out


@pytest.mark.parametrize("spill", [0, 8])
def test_the_ladder_by_kernel_and_architecture(km3gpu, monkeypatch, spill):
    made = [
        cubin.Cubin("calibrate.hits", signature, (major, 0), 40 + major, 64, spill, 0, 0, 5000)
        for signature in ("f8[]", "f4[]")
        for major in (7, 9)
    ]
    monkeypatch.setattr(cubin, "report", lambda *_, **__: made)
    said = km3gpu("doctor", "--kernels")
    assert said.code == (1 if spill else 0)
    ladder, best = said.out.split("at best, ns per item")
    rows = [line.split() for line in ladder.splitlines() if line.startswith("calibrate.hits")]
    marked = ["47", "!", "49", "!"] if spill else ["47", "49"]
    assert rows == [["calibrate.hits", *n, *marked, "64", str(spill), "0", "0"] for n in ([], ["2"])]
    assert ("failed: 4 spill" if spill else "compile: with CUDA") in said.out
    # computed for the cards of these architectures, beside what this CPU takes
    assert "computed, not measured" in best
    assert "V100 SXM2  H100 SXM" in best
    (line,) = [line.split() for line in best.splitlines() if line.startswith("calibrate.hits")]
    assert line[1:3] == ["hit", "66"]
    assert float(line[-3]) > 0
    assert float(line[-2]) == pytest.approx(66 / 900, abs=0.001)


def test_a_kernel_that_does_not_compile(km3gpu, monkeypatch):
    def broken(*_, **__):
        raise errors.KernelError("ptxas refuses calibrate.hits for sm_70")

    monkeypatch.setattr(cubin, "report", broken)
    said = km3gpu("doctor")
    assert said.code == 1
    assert "failed: ptxas refuses calibrate.hits for sm_70" in said.out
