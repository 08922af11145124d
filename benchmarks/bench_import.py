"""What ``import km3gpu`` and the command line cost before they do anything."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.harness import Row

HEAVY = ("cupy", "dask", "astropy", "matplotlib", "torch")
RUN, WORKER = "km3gpu.pipeline.start", "km3gpu.pipeline.sealed"
# what no chunk needs that is read from ROOT and written as Parquet
NOT_A_WORKERS = (*HEAVY, "awkward", "distributed", "h5py", "pandas", "pyarrow", "uproot")
PROBE = """
import json, sys, time
start = time.process_time()
import {module}
print(json.dumps([time.process_time() - start, sorted(sys.modules)]))
"""


def run(quick: bool) -> list[Row]:
    """Measure imports in fresh processes, in turn."""
    repeats = 3 if quick else 9
    names = ("km3gpu", "km3gpu.io", RUN, WORKER, "km3gpu.cli.main", "km3io", "km3pipe")
    taken: dict[str, list[float]] = {name: [] for name in names}
    heavy = needless = 0
    for _ in range(repeats):
        for name in names:
            seconds, modules = probe(name)
            taken[name].append(seconds)
            if name == "km3gpu":
                heavy = len({m.partition(".")[0] for m in modules} & set(HEAVY))
            if name == WORKER:
                needless = len({m.partition(".")[0] for m in modules} & set(NOT_A_WORKERS))
    cpu = {name: statistics.median(seconds) for name, seconds in taken.items()}
    return [
        Row("import km3gpu", cpu["km3gpu"], "s", limit=0.3, sense="at most", note="names load when used"),
        Row(f"{', '.join(HEAVY)}", heavy, "modules", limit=0, sense="at most", note="imported with it"),
        Row("the command line, ready to parse", cpu["km3gpu.cli.main"], "s", limit=0.5, sense="at most"),
        beside("import km3gpu.io, all that reading needs", cpu, "km3gpu.io", "km3io"),
        beside("import km3gpu.pipeline.start, all that runs need", cpu, RUN, "km3pipe"),
        beside("a worker, before its first chunk", cpu, WORKER, "km3pipe"),
        Row(
            "large packages in a worker",
            needless,
            "modules",
            limit=0,
            sense="at most",
            note="of no use there",
        ),
    ]


def beside(name: str, cpu: dict[str, float], ours: str, peer: str) -> Row:
    """Make a row of two imports."""
    return Row(name, 1e3 * cpu[ours], "ms", 1e3 * cpu[peer], cpu[peer] / cpu[ours], note=f"import {peer}")


def probe(module: str) -> tuple[float, list[str]]:
    """Import a module in a fresh process: its CPU seconds, and what is then in ``sys.modules``."""
    command = [sys.executable, "-c", PROBE.format(module=module)]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, modules = json.loads(out.stdout.splitlines()[-1])
    return seconds, modules
