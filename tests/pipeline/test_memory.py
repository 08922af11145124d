"""Memory of workers and of the driver: what a worker imports, its peak, and how much is on its way."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from km3gpu.pipeline import Task, make_plan, read_recipe, run
from km3gpu.pipeline.footprint import footprint, worker_memory
from km3gpu.pipeline.processes import ProcessRunner
from km3gpu.pipeline.runners import ThreadRunner

from .conftest import DETECTOR, ONLINE

DEMO = f"""
[source]
files = ["{ONLINE}"]
[[stage]]
use = "calibrate"
detector = "{DETECTOR}"
[[stage]]
use = "coincidences"
[[stage]]
use = "summarise"
"""
# as `km3gpu.pipeline.worker` does it
WORKER = """
import json, pickle, sys
import km3gpu.pipeline.worker
import km3gpu.pipeline.sealed
from km3gpu.pipeline.task import run_chunk
task = pickle.loads(sys.stdin.buffer.read())
receipt = run_chunk(task)
print(json.dumps([receipt.state, receipt.bytes_in, receipt.peak_memory, sorted(sys.modules)]))
"""


def in_a_worker(task: Task) -> tuple[int, int, set[str]]:
    """Make a chunk in a fresh process: bytes read, peak, and the packages that are imported then."""
    command = [sys.executable, "-c", WORKER]
    done = subprocess.run(command, input=pickle.dumps(task), capture_output=True, check=True)
    state, read, peak, modules = json.loads(done.stdout.splitlines()[-1])
    assert state == "done"
    return read, peak, {m.partition(".")[0] for m in modules}


def test_a_worker_is_as_small_as_is_promised(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(DEMO + '[[sink]]\nformat = "parquet"\n[[sink]]\nformat = "hdf5"\n')
    recipe = read_recipe(path, environment={})
    plan = make_plan(recipe)
    [chunk] = plan.chunks
    [source] = plan.data().values()
    (tmp_path / "parts").mkdir()
    history, sinks = plan.history, recipe.sinks
    task = Task(
        chunk.id, chunk.origin, source, recipe.stages, history, sinks, str(tmp_path), plan.code, "cpu", 1
    )
    in_a_worker(task)  # the first ever compiles the kernels, and that takes memory
    read, peak, _ = in_a_worker(task)
    # the chunk grows to nine times what is read
    assert peak < 350e6 + 2.5 * read
    columns = {"hits": ("dom_id", "channel_id", "tdc", "tot"), "events": ("time_ns",)}
    planned = worker_memory(recipe, footprint(recipe.stages, "daq", columns), plan.chunk_bytes(chunk))
    assert 0.6 * planned < peak < planned
    alone, _, packages = in_a_worker(replace(task, sinks=sinks[:1]))
    assert alone == read
    others = {"astropy", "awkward", "cupy", "dask", "distributed", "h5py", "matplotlib", "pandas", "uproot"}
    assert not packages & others


@pytest.mark.parametrize("kind", [ThreadRunner, ProcessRunner])
@pytest.mark.parametrize(("workers", "window", "most"), [(2, 3, 3), (1, 0, 2)])
def test_no_more_than_the_window_is_handed_out(
    tmp_path: Path,
    odd: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Any],
    workers: int,
    window: int,
    most: int,
) -> None:
    busy: list[int] = []
    submit = kind.submit

    def counting(self: Any, task: Task, slot: int = 0) -> None:
        submit(self, task, slot)
        busy.append(self.busy)

    monkeypatch.setattr(kind, "submit", counting)
    how: dict[str, Any] = {"runner": kind.name, "workers": workers, "window": window}
    run(odd(chunk=10, bare=True), out=tmp_path / "out", merge=False, show=False, **how)
    assert (len(busy), max(busy)) == (25, most)
