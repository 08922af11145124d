"""The script for a machine with a GPU, on the simulator and without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import gpu_check
from km3gpu import backend
from km3gpu.backend import Backend
from km3gpu.kernels.examples import EXAMPLES

from .conftest import Where


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the kernels that take no time in the simulator."""
    kept = {name: EXAMPLES[name] for name in ("calibrate", "rows")}
    monkeypatch.setattr(gpu_check, "EXAMPLES", kept)
    monkeypatch.setattr(gpu_check, "TOY_SIZES", (0, 33))


def place(where: Where) -> Backend:
    return Backend("cpu" if where.name in ("serial", "parallel") else where.name)


@pytest.mark.usefixtures("few")
def test_it_runs_through_and_says_what_it_ran_on(where: Where) -> None:
    report = gpu_check.check(place(where), largest=60)
    assert report.failures == []
    assert {(p["module"], p["differs"]) for p in report.parity} == {("calibrate", ""), ("rows", "")}
    assert [k["kernel"] for k in report.kernels] == ["calibrate.hits", "calibrate.pmt_hits", "rows.pmt_rows"]
    assert all(k["ms"] > 0 for k in report.kernels)
    assert len(report.transfers) % 3 == 0
    assert report.chain["same results"]
    assert report.memory["grows"] is False
    assert report.plan["parts as on the CPU"] is True
    assert report.plan["parts"] == 3
    text = gpu_check.markdown(report, place(where))
    assert text.endswith("All is well.")
    assert ("No time in it means anything" in text) == (where.name == "cudasim")
    json.dumps(gpu_check.asdict(report))


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80 GB"),
        ("Tesla V100-SXM2-32GB", "V100 SXM2"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000 Blackwell"),
        ("NVIDIA RTX A6000", None),
        ("none: numba's CUDA simulator", None),
    ],
)
def test_cards_are_known_by_name(name: str, card: str | None) -> None:
    found = gpu_check.known_card(name)
    assert (found and found.name) == card


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_it_finds_a_difference(where: Where, monkeypatch: pytest.MonkeyPatch, dtype: Any) -> None:
    given: list[int] = []

    def wrong(_: Any, n: int, put: Any) -> dict[str, Any]:
        values = np.arange(n).astype(dtype)
        if n and n in given:  # the second backend's turn
            values[n // 2] += 1
        given.append(n)
        return {"found": put(values)}

    monkeypatch.setattr(gpu_check, "EXAMPLES", {"rows": wrong})
    report = gpu_check.check(place(where), largest=33, parity_only=True)
    (failure,) = report.failures
    assert failure.startswith("rows at 33: found")
    assert ("differs by up to 1" in failure) == (dtype is np.float64)
    assert "FAILED:" in gpu_check.markdown(report, place(where))


def test_without_a_gpu_it_says_how_to_try_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KM3GPU_BACKEND", raising=False)
    monkeypatch.setattr(backend, "why_no_gpu", lambda: "the driver reports no device")
    monkeypatch.setattr(sys, "argv", ["gpu_check"])
    assert gpu_check.main() == 1
    said = capsys.readouterr().err
    assert "no GPU can be used: the driver reports no device" in said
    assert "NUMBA_ENABLE_CUDASIM=1 KM3GPU_BACKEND=cudasim" in said
    monkeypatch.setenv("KM3GPU_BACKEND", "gpu")
    assert gpu_check.main() == 1
    assert "unknown backend 'gpu'" in capsys.readouterr().err


@pytest.mark.usefixtures("few")
def test_the_sanitizer_is_run_or_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = gpu_check.check(Backend("cpu"), largest=1, parity_only=True, memcheck=True)
    assert len(report.failures) == 3
    assert "compute-sanitizer is not in PATH" in report.failures[0]
    tool = tmp_path / "compute-sanitizer"
    tool.write_text('#!/bin/sh\necho "========= ERROR SUMMARY: 0 errors"\n')
    tool.chmod(0o755)
    report = gpu_check.check(Backend("cpu"), largest=1, parity_only=True, memcheck=True)
    assert report.failures == []
    assert [s["said"] for s in report.sanitizer] == ["ERROR SUMMARY: 0 errors"] * 3
