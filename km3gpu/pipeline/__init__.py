"""Many chunks: plan them, run them, survive faults, and write down where every row came from.

The names are loaded when they are first used: a worker needs only what makes a
chunk, not what plans, merges and records a run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from km3gpu.pipeline.foresee import foresee
    from km3gpu.pipeline.plan import Plan
    from km3gpu.pipeline.planning import make_plan
    from km3gpu.pipeline.receipt import Receipt
    from km3gpu.pipeline.recipe import Recipe, read_recipe
    from km3gpu.pipeline.result import RunResult
    from km3gpu.pipeline.start import resume, run
    from km3gpu.pipeline.task import Task, run_chunk

_MODULES = {
    "Plan": "plan",
    "Receipt": "receipt",
    "Recipe": "recipe",
    "RunResult": "result",
    "Task": "task",
    "foresee": "foresee",
    "make_plan": "planning",
    "read_recipe": "recipe",
    "resume": "start",
    "run": "start",
    "run_chunk": "task",
}

__all__ = [
    "Plan",
    "Receipt",
    "Recipe",
    "RunResult",
    "Task",
    "foresee",
    "make_plan",
    "read_recipe",
    "resume",
    "run",
    "run_chunk",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
