"""What ``import km3gpu`` and the command line cost before they do anything."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.harness import Row

HEAVY = ("cupy", "dask", "astropy", "matplotlib", "torch")
PROBE = """
import json, sys, time
start = time.process_time()
import {module}
print(json.dumps([time.process_time() - start, sorted(sys.modules)]))
"""


def run(quick: bool) -> list[Row]:
    """Measure imports in fresh processes, in turn."""
    repeats = 3 if quick else 9
    ours, peer, heavy, command = [], [], 0, []
    for _ in range(repeats):
        seconds, modules = probe("km3gpu")
        ours.append(seconds)
        heavy = len({m.partition(".")[0] for m in modules} & set(HEAVY))
        peer.append(probe("km3io")[0])
        command.append(probe("km3gpu.cli.main")[0])
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return [
        Row("import km3gpu", 1e3 * mine, "ms", 1e3 * theirs, theirs / mine, note="peer: import km3io"),
        Row("import km3gpu", mine, "s", limit=0.3, sense="at most"),
        Row(f"{', '.join(HEAVY)} imported with it", heavy, "modules", limit=0, sense="at most"),
        Row("the command line ready to parse", statistics.median(command), "s", limit=1.0, sense="at most"),
    ]


def probe(module: str) -> tuple[float, list[str]]:
    """Import a module in a fresh process: its CPU seconds, and what is then in ``sys.modules``."""
    out = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=module)], capture_output=True, text=True, check=True
    )
    seconds, modules = json.loads(out.stdout.splitlines()[-1])
    return seconds, modules
