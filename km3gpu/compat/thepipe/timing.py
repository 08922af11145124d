"""How long cycles and modules take: measured, kept for the last cycles, printed at the end."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from km3gpu.compat.thepipe.tools import peak_memory_usage

__all__ = ["STATS_LIMIT", "Stopwatch", "report"]

STATS_LIMIT = 100_000
"""How many cycles statistics look at by default."""


class Stopwatch:
    """Wall and CPU times of something that is done again and again.

    Parameters
    ----------
    limit : int
        How many of the last times are kept.
    """

    def __init__(self, limit: int) -> None:
        self.wall: deque[float] = deque(maxlen=limit)
        self.cpu: deque[float] = deque(maxlen=limit)
        self.finish = (0.0, 0.0)  # wall, CPU

    @contextlib.contextmanager
    def cycle(self) -> Iterator[None]:
        """Measure the block, where it ends well."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Measure the block as the end of a module."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.finish = (time.perf_counter() - wall, time.process_time() - cpu)

    def summary(self) -> dict[str, Any]:
        """Give sum, mean, median, smallest, largest and standard deviation, in seconds."""
        return {
            "n": len(self.wall),
            "wall": _summary(self.wall),
            "cpu": _summary(self.cpu),
            "finish": {"wall": self.finish[0], "cpu": self.finish[1]},
        }


def _summary(times: Iterable[float]) -> dict[str, float]:
    values = list(times)
    if not values:
        return {}
    return {
        "sum": sum(values),
        "mean": statistics.fmean(values),
        "medi": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "std": statistics.pstdev(values),
    }


def report(
    n_cycles: int,
    spent: tuple[float, float],
    cycles: Stopwatch,
    modules: Iterable[tuple[str, Stopwatch]],
) -> None:
    """Print the statistics of a pipeline.

    Parameters
    ----------
    n_cycles : int
        Cycles in all.
    spent : (float, float)
        Wall and CPU time of the pipeline in seconds.
    cycles : Stopwatch
    modules : iterable of (str, Stopwatch)
        Those to show, with their names.
    """
    lines = [
        "=" * 60,
        f"{n_cycles} cycles drained in {_time(spent[0])} (CPU {_time(spent[1])}). "
        f"Memory peak: {peak_memory_usage():.2f} MB",
    ]
    if n_cycles > len(cycles.wall):
        lines.append(f"Statistics are based on the last {len(cycles.wall)} cycles.")
    lines += _lines(cycles)
    for name, watch in modules:
        lines.append(
            f"{name} - process: {sum(watch.wall):.3f}s (CPU {sum(watch.cpu):.3f}s)"
            f" - finish: {watch.finish[0]:.3f}s (CPU {watch.finish[1]:.3f}s)"
        )
        lines += _lines(watch)
    sys.stdout.write("\n".join(lines) + "\n")


def _lines(watch: Stopwatch) -> list[str]:
    found = []
    for label, times in (("wall", watch.wall), ("CPU ", watch.cpu)):
        values = _summary(times)
        if values:
            words = "  ".join(f"{k}: {_time(v)}" for k, v in values.items() if k != "sum")
            found.append(f"  {label}  {words}")
    return found


def _time(seconds: float) -> str:
    return f"{seconds / 60:.6f}min" if seconds > 180 else f"{seconds:.6f}s"
