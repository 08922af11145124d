"""The memory of this process: its peak, and giving back what libraries keep for later."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["give_back", "peak", "settled"]


def peak() -> int:
    """Give the largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent at the fork
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(largest if sys.platform == "darwin" else largest * 1024)


def give_back() -> None:
    """Give freed memory back to the system: Arrow's pool, and the C library's where it is glibc."""
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:  # what nobody has imported holds nothing
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Let the garbage collector leave alone what is there already, until the end.

    That is modules for the most part, a million objects: looking through them
    again and again took a twentieth of the time of a run.
    """
    first = gc.get_freeze_count() == 0
    if first:
        gc.collect(1)  # what a caller has just dropped is not to stay
        gc.freeze()
    try:
        yield
    finally:
        if first:
            gc.unfreeze()
