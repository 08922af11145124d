"""Memory of workers: their peak beside the chunk they read, and beside what was planned for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.harness import Row
from benchmarks.pipeline_jobs import DEMO, EVERYTHING, LARGE, ONLINE, copies, recipe
from km3gpu.cli.plan import worker
from km3gpu.pipeline import RunResult
from km3gpu.pipeline import run as run_plan

__all__ = ["memory"]

BASE, PER_CHUNK = 350.0, 2.5  # MB of a worker, and for each MB of its chunk as it is read


def memory(folder: Path, quick: bool) -> list[Row]:
    """Take the peak of one single-threaded worker: of our own processes, and of dask's."""
    rows = []
    jobs = {
        "demo plan": (DEMO, ONLINE, "64 MB"),
        "all columns, 64 MB": (EVERYTHING, LARGE, "64 MB"),
        "all columns, 16 MB": (EVERYTHING, LARGE, "16 MB"),
    }
    own: dict[str, Any] = {"runner": "processes"}
    dask: dict[str, Any] = {"scheduler": "local"}
    for i, (name, (text, path, size)) in enumerate(jobs.items()):
        made = recipe(text, folder, files=copies(path, 2 if quick else 6, folder / f"in{i}"))
        common: dict[str, Any] = {"chunk": size, "workers": 1, "threads": 1, "merge": False, "show": False}
        run_plan(made, out=folder / "compiled", **common, **own)  # the first ever compiles the kernels
        for kind, how in (("a worker", own), ("a worker of dask", dask)):
            result = run_plan(made, out=folder / kind, **common, **how)
            rows.append(_beside_chunk(f"peak of {kind}, {name}", result))
            if kind == "a worker":
                sizes = [result.plan.chunk_bytes(c) for c in result.plan.chunks]
                planned = worker(made, result.plan, max(sizes)) / 1e6
                peak = _peak(result)
                note = f"`km3gpu plan` says {planned:.0f} MB: no less than is used"
                rows.append(
                    Row(f"planned for {kind}, {name}", planned, "MB", peak, planned / peak, 1.0, note=note)
                )
        shutil.rmtree(folder)
    return rows


def _beside_chunk(name: str, result: RunResult) -> Row:
    read = max(r.bytes_in for r in result.receipts) / 1e6
    note = f"350 MB + 2.5 x chunk, {read:.1f} MB as it is read"
    limit = BASE + PER_CHUNK * read
    return Row(name, _peak(result), "MB", limit=limit, sense="at most", note=note)


def _peak(result: RunResult) -> float:
    return max(r.peak_memory for r in result.receipts) / 1e6
