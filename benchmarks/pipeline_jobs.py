"""Jobs for the benchmarks of the pipeline: plans over real files that are repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import km3net_testdata

from km3gpu.pipeline import Plan, Receipt, Recipe, Task, make_plan, read_recipe, run_chunk
from km3gpu.pipeline.plan import PlannedChunk

DATA = Path(km3net_testdata.__file__).parent / "data"
ONLINE = DATA / "online/muon_cc_daqevents.root"
HIGH_ENERGY = DATA / "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
LOW_ENERGY = DATA / "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root"
LARGE = DATA / "offline/muon_cc_events.root"

DEMO = """
[source]
files = ["{files}"]
[[stage]]
use = "calibrate"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"
[[stage]]
use = "coincidences"
window = 25.0
[[stage]]
use = "summarise"
[[sink]]
format = "parquet"
[[sink]]
format = "hdf5"
"""
COMPUTE = """
[source]
files = ["{files}"]
[[stage]]
use = "triggers"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"
[[sink]]
format = "parquet"
tables = ["events", "triggers"]
"""
BARE = '[source]\nfiles = ["{files}"]\n[[sink]]\nformat = "parquet"\ntables = ["events"]\n'
EVERYTHING = '[source]\nfiles = ["{files}"]\n[[sink]]\nformat = "parquet"\n'
CLUSTERED = """
[source]
files = ["{files}"]
[[stage]]
use = "calibrate"
detector = "{detector}"
[[stage]]
use = "coincidences"
[[sink]]
format = "parquet"
"""
FILES = "testdata:" + ONLINE.relative_to(DATA).as_posix()


def copies(path: Path, n: int, folder: Path) -> Path:
    """Make `n` inputs of one real file, and give the pattern of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes()
    for i in range(n):
        (folder / f"copy{i:05}.root").write_bytes(data + f"copy {i}\n".encode())
    return folder / "copy*.root"


def recipe(text: str, folder: Path, **names: object) -> Recipe:
    """Read a plan from its text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.toml"
    path.write_text(text.format(**names))
    return read_recipe(path, environment={})


def task_of(plan: Plan, made: Recipe, chunk: PlannedChunk, out: Path) -> Task:
    """Make the task of a chunk, for one thread."""
    source = plan.data()[chunk.origin.path]
    return Task(
        chunk.id, chunk.origin, source, made.stages, plan.history, made.sinks, str(out), plan.code, "cpu", 1
    )


def good(receipt: Receipt) -> Receipt:
    if receipt.fault is not None:
        raise RuntimeError(receipt.fault.message)
    return receipt


def many(folder: Path, n: int) -> tuple[Recipe, Plan, Receipt]:
    """Make a plan of `n` chunks by name only, and the receipt of one of them."""
    made = recipe(DEMO, folder, files=FILES)
    plan = make_plan(made)
    [chunk] = plan.chunks
    (folder / "one/parts").mkdir(parents=True)
    receipt = good(run_chunk(task_of(plan, made, chunk, folder / "one")))
    chunks = tuple(PlannedChunk(f"{i:032x}", replace(chunk.origin, start=i, stop=i + 1)) for i in range(n))
    return made, replace(plan, chunks=chunks), receipt
