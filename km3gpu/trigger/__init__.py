"""Triggers: parameters, match criteria, finders and streams over flat arrays; no files, no chunks."""

from __future__ import annotations

from km3gpu.trigger.match import clique, match_1d, match_3b, match_3d, match_3g
from km3gpu.trigger.parameters import TriggerParameters
from km3gpu.trigger.stream import TriggerStream
from km3gpu.trigger.stream_events import StreamEvents

__all__ = [
    "StreamEvents",
    "TriggerParameters",
    "TriggerStream",
    "clique",
    "match_1d",
    "match_3b",
    "match_3d",
    "match_3g",
]
