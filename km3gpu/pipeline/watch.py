"""How a run in progress is doing, seen from outside by its journal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from km3gpu.pipeline import environment, journal
from km3gpu.pipeline.receipt import Total, total
from km3gpu.pipeline.rundir import RunDirectory

__all__ = ["Standing", "standing"]


@dataclass(frozen=True)
class Standing:
    """A run at one moment.

    Attributes
    ----------
    running : bool
        A process is writing.
    status : str
        ``"running"``, or how the last session ended.
    chunks, done, failed : int
        Chunks of the plan, and how many are done or failed.
    events, events_done : int
        The same in events.
    elapsed : float
        Seconds of the last session until its end, or until now.
    rate : float
        Events per second of the last session.
    left : float
        Seconds it will still take at that rate; NaN where there is no rate.
    workers : dict of str to tuple
        By worker: chunks done in the last session, seconds since its last receipt.
    total : Total
        Sums over what is done.
    dashboard : str
        Address of the dask dashboard of a run in progress, or ``""``.
    hits_rate, bytes_rate : float
        Hits written and bytes read per second of the last session.
    """

    running: bool
    status: str
    chunks: int
    done: int
    failed: int
    events: int
    events_done: int
    elapsed: float
    rate: float
    left: float
    workers: dict[str, tuple[int, float]]
    total: Total
    dashboard: str = ""
    hits_rate: float = 0.0
    bytes_rate: float = 0.0


def standing(path: str | Path) -> Standing:
    """Look at a run, whether it is in progress or not.

    Parameters
    ----------
    path : str or Path
        Directory of a run.

    Raises
    ------
    InputNotFoundError
        No run there.
    """
    directory = RunDirectory(Path(path))
    plan = directory.existing_plan()
    state = directory.state()
    leaves = [leaf for c in plan.chunks for leaf in state.leaves(c)]
    done = [c for c in leaves if c.id in state.done]
    failed = [c for c in leaves if c.id in state.failed]
    now, running = time.time(), directory.running()
    last: dict[str, Any] = state.sessions[-1] if state.sessions else {"time": now}
    ended: dict[str, Any] = last.get("ended", {})
    receipts = _of_now(directory, last)
    fresh = [e for e in receipts if e["state"] == "done"]
    workers: dict[str, tuple[int, float]] = {}
    for e in receipts:
        n, _ = workers.get(e["worker"], (0, 0.0))
        workers[e["worker"]] = (n + 1, now - e["started"] - sum(e["seconds"].values()))
    newest = max((e["started"] + sum(e["seconds"].values()) for e in receipts), default=now)
    elapsed = max(_elapsed(last, now if running else newest, running), 1e-9)
    rate = sum(e["n_in"] for e in fresh) / elapsed
    events_done = sum(c.origin.n_entries for c in done)
    left = (plan.n_events - events_done) / rate if rate > 0 else float("nan")
    return Standing(
        running,
        "running" if running else ended.get("status", "killed"),
        len(leaves),
        len(done),
        len(failed),
        plan.n_events,
        events_done,
        elapsed,
        rate,
        left,
        workers,
        total(state.done[c.id] for c in done),
        _dashboard(directory) if running else "",
        sum(e["rows"].get("hits", 0) for e in fresh) / elapsed,
        sum(e["bytes_in"] for e in fresh) / elapsed,
    )


def _dashboard(directory: RunDirectory) -> str:
    known = [e.get("dashboard", "") for e in journal.read(directory.journals()) if e.get("event") == "runner"]
    return str(known[-1]) if known else ""


def _of_now(directory: RunDirectory, last: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the receipts of the last session, and of the slices that go on beside it."""
    found = []
    for path in directory.journals():
        session: Mapping[str, Any] = {}
        own: list[dict[str, Any]] = []
        for e in journal.read([path]):
            if e.get("event") == "started":  # lines are in order, clocks need not be
                session, own = e, []
            elif e.get("event") == "ended" and session.get("session") != last.get("session"):
                own = []
            elif e.get("event") == "receipt" and "joined" not in e:
                own.append(e)
        found += own
    return found


def _elapsed(session: Mapping[str, Any], end: float, running: bool) -> float:
    """Give the seconds that a session took until now, or until it ended."""
    ended = session.get("ended", {})
    if "seconds" in ended:
        return float(ended["seconds"])
    host = environment.worker_name().rpartition(":")[0]
    if running and "monotonic" in session and str(session["worker"]).rpartition(":")[0] == host:
        return time.monotonic() - float(session["monotonic"])  # the clock may have been set
    return end - float(session["time"])
