"""Many chunks: plan them, run them, survive faults, and write down where every row came from."""

from __future__ import annotations

from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.planning import make_plan
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.recipe import Recipe, read_recipe
from km3gpu.pipeline.session import RunResult
from km3gpu.pipeline.start import resume, run
from km3gpu.pipeline.task import Task, run_chunk

__all__ = [
    "Plan",
    "Receipt",
    "Recipe",
    "RunResult",
    "Task",
    "make_plan",
    "read_recipe",
    "resume",
    "run",
    "run_chunk",
]
