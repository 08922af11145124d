"""The interface of km3io 1.2 over km3gpu's readers, and the online readers that km3io lost.

Change ``import km3io`` to ``from km3gpu.compat import km3io`` and a script runs
as before, but for what was wrong: fit information beyond a list is NaN,
``is_cc`` knows gSeaGen's long lists, a header object that is called ``Header``
is found.
"""

from __future__ import annotations

from km3gpu.compat.km3io import acoustics, definitions, offline, online, tools
from km3gpu.compat.km3io.acoustics import RawAcousticReader
from km3gpu.compat.km3io.offline import OfflineReader
from km3gpu.compat.km3io.online import OnlineReader, SummarysliceReader

__all__ = [
    "OfflineReader",
    "OnlineReader",
    "RawAcousticReader",
    "SummarysliceReader",
    "acoustics",
    "definitions",
    "offline",
    "online",
    "tools",
]
