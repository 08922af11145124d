"""Triggers as parameters, grids of directions, and steps over flat arrays: no files, no chunks."""

from __future__ import annotations

from km3gpu.trigger.parameters import TriggerParameters

__all__ = ["TriggerParameters"]
