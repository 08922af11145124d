"""Files to chunks and back: every KM3NeT format that km3gpu reads."""

from __future__ import annotations

from km3gpu.io.matching import simulated_events
from km3gpu.io.origins import read_origin
from km3gpu.io.source import Source, open  # noqa: A004 - km3gpu.open

__all__ = ["Source", "open", "read_origin", "simulated_events"]
