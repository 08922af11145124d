"""Every test of a kernel runs on every backend that this process has.

In an ordinary process these are the serial and the parallel CPU drivers, and a
GPU where there is one.  With ``NUMBA_ENABLE_CUDASIM=1 KM3GPU_BACKEND=cudasim`` it
is the CUDA simulator, with few rows, since each of its threads is a real one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from km3gpu import backend as _backend
from km3gpu.kernels import launch

SIMULATED = os.environ.get("KM3GPU_BACKEND", "").lower() == "cudasim"


def _names() -> list[Any]:
    if SIMULATED:
        return [pytest.param("cudasim", marks=pytest.mark.cudasim)]
    names: list[Any] = ["serial", "parallel"]
    if _backend.why_no_gpu() is None:
        names.append(pytest.param("cuda", marks=pytest.mark.gpu))
    return names


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run in the simulator's process what is about the simulator, and nothing of that elsewhere."""
    others = [i for i in items if (i.get_closest_marker("cudasim") is None) == SIMULATED]
    config.hook.pytest_deselected(items=others)
    items[:] = [i for i in items if i not in others]


class Where:
    """Where a test's arrays go, and how many rows are sensible there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._backend = _backend.Backend("cpu" if name in ("serial", "parallel") else name)

    def rows(self, n: int) -> int:
        """As many rows as asked, or few under the simulator."""
        return min(n, 200) if self.name == "cudasim" else n

    def put(self, *arrays: Any) -> Any:
        """Move arrays to the backend; one alone comes back alone."""
        moved = [self._backend.to_device(np.asarray(a)) for a in arrays]
        return moved[0] if len(moved) == 1 else moved

    def lookup(self, table: Any) -> Any:
        return table.to(self._backend)

    @staticmethod
    def get(array: Any) -> np.ndarray:
        return _backend.Backend.to_host(array)

    def got(self, columns: dict[str, Any]) -> dict[str, np.ndarray]:
        return {name: self.get(c) for name, c in columns.items()}


@pytest.fixture(params=_names())
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Where]:
    name = request.param
    if name == "parallel":
        monkeypatch.setattr(launch, "_PARALLEL_FROM", 1)  # small arrays too
    with launch.threads(2 if name == "parallel" else 1):
        yield Where(name)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Record every kernel that is launched, with the types of its arguments."""
    seen: list[tuple[str, tuple[str, ...]]] = []
    run = launch.run

    def spy(kernel: Any, place: str, n: int, *args: Any, **more: Any) -> int:
        seen.append((kernel.name, tuple(_type(a) for a in args)))
        return run(kernel, place, n, *args, **more)

    for module in ("calibrate", "coincidence", "decode", "fused", "segments", "windows"):
        monkeypatch.setattr(f"km3gpu.kernels.{module}.run", spy)
    return seen


def _type(argument: Any) -> str:
    if hasattr(argument, "dtype") and getattr(argument, "ndim", 0):
        return argument.dtype.str[1:] + "[]"
    if isinstance(argument, np.generic):
        return argument.dtype.str[1:]
    return "f8" if isinstance(argument, float) else "i8"
