"""Many chunks: plan them, run them, survive faults, and write down where every row came from."""

from __future__ import annotations

from km3gpu.pipeline.plan import Plan, make_plan
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.recipe import Recipe, read_recipe
from km3gpu.pipeline.run import RunResult, run
from km3gpu.pipeline.task import Task, run_chunk

__all__ = ["Plan", "Receipt", "Recipe", "RunResult", "Task", "make_plan", "read_recipe", "run", "run_chunk"]
