"""Trigger finders on a GPU, under the name that kernels have: tracks and points of light."""

from __future__ import annotations

from km3gpu.kernels.cuda.showers import mixed, shower
from km3gpu.kernels.cuda.tracks import muon

__all__ = ["mixed", "muon", "shower"]
