"""km3pipe beside the pipeline: from ROOT files to tables of calibrated, clustered hits."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness import Row
from benchmarks.pipeline_jobs import CLUSTERED, HIGH_ENERGY, LOW_ENERGY, copies, recipe
from km3gpu.pipeline import run as run_plan

__all__ = ["beside_km3pipe"]

# without imports; the median cycle leaves out what is compiled in the first
_TOLD = re.compile(r"(\d+) cycles drained in .*\(CPU ([0-9.]+)s\)")
_MEDIAN = re.compile(r"CPU +mean: [0-9.]+s +medi: ([0-9.]+)s")
_MAIN = "import sys; from km3pipe.utils.h5extract import main; sys.argv[0] = 'h5extract'; main()"
_JOBS = {
    "ARCA, 5,850 hits an event": (HIGH_ENERGY, "KM3NeT_-00000001_20171212.detx", 31),
    "ORCA, 128 hits an event": (LOW_ENERGY, "D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx", 140),
}


def beside_km3pipe(folder: Path, quick: bool) -> list[Row]:
    """Take events per CPU second from ROOT to calibrated, clustered Parquet, and of ``h5extract``.

    km3pipe runs in this Python, or in that of the environment variable
    ``KM3PIPE_PYTHON``; where neither has it, the figure stands alone.
    """
    rows = []
    rounds = 1 if quick else 3
    for name, (path, detector, n_events) in _JOBS.items():
        folder.mkdir(parents=True, exist_ok=True)
        # more files than a process keeps open
        pattern = copies(path, 3 if quick else 200, folder / "in")
        made = recipe(CLUSTERED, folder, files=pattern, detector=f"testdata:detx/{detector}")
        run_plan(made, [str(folder / "in/copy00000.root")], out=folder / "warm", show=False)
        peers, all_ours = [], []
        for _ in range(rounds):  # in turn
            peers.append(_h5extract(path, folder))
            start = time.process_time()
            result = run_plan(made, out=folder / "out", threads=1, show=False)
            all_ours.append(result.total.n_in / (time.process_time() - start))
            shutil.rmtree(folder / "out")
        ours = statistics.median(all_ours)
        told = [p for p in peers if p is not None]
        if told:
            peer = statistics.median(told)
            note = f"h5extract, {n_events} events; ours plans, writes and merges {len(result.receipts)} files"
            rows.append(Row(f"to clusters, {name}", ours, "event/s", peer, ours / peer, 50.0, note=note))
        else:
            note = "no km3pipe: pip install 'km3gpu[bench]', or set KM3PIPE_PYTHON to a Python that has it"
            rows.append(Row(f"to clusters, {name}", ours, "event/s", note=note))
        shutil.rmtree(folder)
    return rows


def _h5extract(path: Path, folder: Path) -> float | None:
    """Run ``h5extract``: events per CPU second of its loop; None where there is no km3pipe."""
    python = os.environ.get("KM3PIPE_PYTHON", sys.executable)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if subprocess.run([python, "-c", "import km3pipe"], capture_output=True, env=environment).returncode:
        return None
    shutil.copy(path, folder / "peer.root")
    command = [python, "-c", _MAIN, "-o", str(folder / "peer.h5"), str(folder / "peer.root")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True, env=environment)
    told, median = (x.search(done.stdout + done.stderr) for x in (_TOLD, _MEDIAN))
    if told is None or median is None:
        raise RuntimeError(f"h5extract said {json.dumps(done.stdout[-500:])}")
    return max(int(told[1]) / float(told[2]), 1.0 / float(median[1]))
