"""What every driver of the trigger finders agrees on."""

from __future__ import annotations

__all__ = ["CAPPED", "FACTORY", "FOUND", "MOST", "NOTHING", "WINDOW_CAP"]

MOST = 256
"""Candidates of one root that a clique is looked for in; the factory limit is no larger."""

WINDOW_CAP = 32768
"""Hits after (or around) one root that are looked at at all."""

# state of a root, in bits
NOTHING = 0
FOUND = 1  # it begins a trigger
FACTORY = 2  # all its candidates were taken, since they reach the factory limit
CAPPED = 4  # hits beyond the cap were not looked at
