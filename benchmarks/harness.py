"""How a figure is taken: ours and the peer's in turn, in one process, medians of CPU and wall time.

In turn, because a shared machine changes its mind while we measure; CPU time,
because what others do on it should not count.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Row", "Spent", "Times", "alternate", "cpu_time", "ratio_row"]


@dataclass(frozen=True)
class Times:
    """Medians over the repeats, in seconds, the spread of the CPU time and the best wall time."""

    cpu: float
    wall: float
    cpu_min: float
    cpu_max: float
    wall_min: float
    repeats: int


@dataclass(frozen=True)
class Spent:
    """What a call cost elsewhere: a peer in a process of its own says it in this form [s]."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Row:
    """One figure beside its peer's.

    Attributes
    ----------
    name : str
        What was measured.
    ours, peer : float
        The figures, in `unit`; `peer` is None for a figure with a limit only.
    unit : str
        ``"ms"``, ``"Mhit/s"``, ...
    ratio : float or None
        How much better ours is: above 1 is better, whichever way the unit runs.
    limit : float or None
        What the project promises: for `ratio` where there is a peer, else for `ours`.
    sense : str
        Whether the limit is the least (``"at least"``) or the most (``"at most"``) allowed.
    note : str
        The peer, and what it did.
    details : mapping
        Whatever else belongs to the figure (wall times, spreads, sizes).
    """

    name: str
    ours: float
    unit: str
    peer: float | None = None
    ratio: float | None = None
    limit: float | None = None
    sense: Literal["at least", "at most"] = "at least"
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept; None where there is none."""
        if self.limit is None:
            return None
        figure = self.ours if self.ratio is None else self.ratio
        return figure >= self.limit if self.sense == "at least" else figure <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """Give the row for JSON."""
        return {**asdict(self), "kept": self.kept}


def alternate(
    functions: Mapping[str, Callable[[], object]], repeats: int = 7, warm_up: int = 1
) -> dict[str, Times]:
    """Call the functions in turn, `repeats` times each.

    Parameters
    ----------
    functions : mapping of str to callable
        By name; called without arguments, their results are dropped.  One that has its work
        done by another process returns `Spent`, which then counts.
    repeats : int
        Rounds that count.
    warm_up : int
        Rounds before, which do not (compilation, page cache).

    Returns
    -------
    dict of str to Times
        CPU time is that of this process with all its threads.
    """
    cpu: dict[str, list[float]] = {name: [] for name in functions}
    wall: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(warm_up + repeats):
        for name, function in functions.items():
            gc.collect()
            start_cpu, start_wall = time.process_time(), time.perf_counter()
            result = function()
            spent_cpu, spent_wall = time.process_time() - start_cpu, time.perf_counter() - start_wall
            if isinstance(result, Spent):
                spent_cpu, spent_wall = result.cpu, result.wall
            del result
            if turn >= warm_up:
                cpu[name].append(spent_cpu)
                wall[name].append(spent_wall)
    return {
        n: Times(
            statistics.median(cpu[n]),
            statistics.median(wall[n]),
            min(cpu[n]),
            max(cpu[n]),
            min(wall[n]),
            repeats,
        )
        for n in functions
    }


def ratio_row(
    name: str,
    times: Mapping[str, Times],
    *,
    ours: str = "ours",
    peer: str = "peer",
    limit: float | None = None,
    items: float | None = None,
    unit: str = "ms",
    note: str = "",
) -> Row:
    """Make a row from two of the times that `alternate` took.

    Parameters
    ----------
    name : str
        What was measured.
    times : mapping of str to Times
        From `alternate`.
    ours, peer : str
        Their keys in `times`.
    limit : float, optional
        How many times less CPU than the peer is promised.
    items : float, optional
        Given in units of `unit` times seconds (hits / 1e6 for ``"Mhit/s"``): the
        figures are rates; else they are CPU milliseconds.
    unit, note : str
        See `Row`.

    Returns
    -------
    Row
    """
    a, b = times[ours], times[peer]
    figures = [items / t.cpu if items is not None else 1e3 * t.cpu for t in (a, b)]
    return Row(
        name, figures[0], unit, figures[1], b.cpu / a.cpu, limit, "at least", note,
        {"ours": asdict(a), "peer": asdict(b)},
    )  # fmt: skip


def cpu_time(function: Callable[[], object]) -> float:
    """Call a function once; give the CPU time of this process that it took, in seconds."""
    start = time.process_time()
    function()
    return time.process_time() - start
