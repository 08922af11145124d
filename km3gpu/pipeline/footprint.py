"""Memory of a chunk on its way through the stages, counted before anything is read.

Bytes per hit, since hits are what grows: from the columns that are read and made
(`km3gpu.schema` has their types) and from what a stage has alive beside them.
From these, from what a worker holds beside its chunk and from the free memory of
the backend comes the size of chunks where a plan says ``chunk = "auto"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from km3gpu import backend, schema
from km3gpu.errors import BackendError, UnknownNameError
from km3gpu.io.dataset import parse_size
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.settings import BATCH
from km3gpu.stages.stage import Columns, Stage

__all__ = ["Step", "auto_chunk", "footprint", "worker_memory"]

# what a stage has alive beside its columns, bytes per hit; a test holds it against measured memory
_SCRATCH = {
    "calibrate": 26.0,
    "clean": 120.0,
    "coincidences": 40.0,
    "summarise": 90.0,
    "triggers": 120.0,
    "truth": 120.0,
}
_ANY_SCRATCH = 64.0
# stages that leave rows out or move them: the rows kept are copied while the others are still there
_COPIES = frozenset(
    (
        "causality",
        "clean",
        "deduplicate",
        "isolated",
        "light_select",
        "runs",
        "sample",
        "select",
        "sky_select",
        "sort",
    )
)
# coincidences and triggered events per hit, at most: tables with fewer rows than there are hits
_SPARSE = {"clusters": 0.5, "triggers": 0.01, "scores": 0.01, "frames": 0.01}
_PER_HIT = ("hits", "triggered_hits", "mc_hits")
_RAW = 10.0  # of a hit in a DAQ file, decoded on the backend
_RESERVE = 0.2  # share of the free memory left alone: tables of the detector, offsets, rounding
# resident memory of a worker process with one thread beside its chunk [bytes]: the interpreter,
# LLVM and compiled kernels, raw bytes of the file; the benchmark holds it against measured peaks
_BASE = 220e6
_DASK = 30e6  # more of a worker of dask
# what a sink adds: its library and its buffers [bytes], and copies, in sizes of the chunk
_SINKS = {
    "fits": (15e6, 1.2),
    "hdf5": (15e6, 0.3),
    "histogram": (5e6, 0.0),
    "km3pipe": (15e6, 1.0),
    "parquet": (25e6, 0.0),
}
_ANY_SINK = (15e6, 1.0)
_LARGEST = {"cpu": 64e6, "cuda": 512e6, "cudasim": 64e6}  # beyond this a chunk is no faster


class Step(NamedTuple):
    """Memory of one step.

    Attributes
    ----------
    name : str
        ``"read"``, or the stage.
    highest, left : float
        Bytes per hit that are alive at its highest point, and after it.
    """

    name: str
    highest: float
    left: float


def footprint(stages: Sequence[Stage], kind: str, columns: Columns) -> tuple[Step, ...]:
    """Count the bytes per hit that each step of a plan has alive.

    Parameters
    ----------
    stages : sequence of Stage
        In the order they are applied.
    kind : str
        Kind of the file.
    columns : mapping of str to tuple of str
        Columns that are read, by table.

    Returns
    -------
    tuple of Step
        The first is ``"read"``; what it leaves is the size of a hit as it is read.
    """
    main = _main(columns)
    there = {(main, c) for c in columns.get(main, ())}
    alive = sum(_width(kind, main, c) for c in columns.get(main, ())) or 1.0
    steps = [Step("read", alive + (_RAW if kind in ("daq", "timeslices") else 0.0), alive)]
    for stage in stages:
        beside, made = _SCRATCH.get(stage.name, _ANY_SCRATCH), 0.0
        for table, names in stage.writes(kind).items():
            share = 1.0 if table == main else _SPARSE.get(table, 0.0)
            for column in names:
                width = share * _width(kind, table, column)
                # a column that is replaced is there until the stage has ended
                beside, made = (beside + width, made) if (table, column) in there else (beside, made + width)
                there.add((table, column))
        if stage.name in _COPIES or "drop" in vars(stage).values():
            beside += alive
        steps.append(Step(stage.title, alive + made + beside, alive + made))
        alive += made
    return tuple(steps)


def auto_chunk(recipe: Recipe, kind: str, columns: Columns) -> str:
    """Give the size of a chunk that fits the memory which is free now.

    Parameters
    ----------
    recipe : Recipe
        Its stages, its backend and the chunks that are on their way at once.
    kind, columns
        As for `footprint`.

    Returns
    -------
    str
        As ``[source] chunk`` takes it: a power of two bytes, so that machines
        that differ little make the same chunks.

    Raises
    ------
    BackendError
        There is too little memory for any.
    """
    where = backend.select(recipe.run.backend)
    steps = footprint(recipe.stages, kind, columns)
    run = recipe.run
    free = where.free_memory()
    room, own, limit = free * (1 - _RESERVE) / run.workers, 0.0, ""
    if where.name == "cpu" and (own := _processes(recipe)) and run.memory is not None:
        most = parse_size(run.memory) * (1 - _RESERVE)
        if run.runner in BATCH or most < room:  # what is free here says nothing of where jobs run
            room, limit = most, run.memory
    fits = min((room - own) / _highest(recipe, steps) * steps[0].left, _LARGEST[where.name])
    if fits < 1e5:
        few = f"memory = {limit!r} is" if limit else f"{free} bytes of free memory are"
        holds = f", each with {own / 1e6:.0f} MB beside its chunk" if own else ""
        raise BackendError(
            f"{few} too little for {run.workers} chunks at once{holds}",
            remedy="free memory, take fewer workers, or give the size of a chunk",
        )
    return f"{1 << (int(fits).bit_length() - 1)} B"


def worker_memory(recipe: Recipe, steps: Sequence[Step], largest: float) -> float:
    """Estimate the resident memory of a worker process with one thread, at its peak.

    Parameters
    ----------
    recipe : Recipe
    steps : sequence of Step
        From `footprint`.
    largest : float
        Size of the largest chunk as it is read, in bytes.

    Returns
    -------
    float
        Bytes.
    """
    alone = _BASE + sum(own for own, _ in _sinks(recipe))
    return (_processes(recipe) or alone) + largest / steps[0].left * _highest(recipe, steps)


def _highest(recipe: Recipe, steps: Sequence[Step]) -> float:
    """Give the bytes per hit that are alive at the highest point of stages and sinks."""
    copies = max((share for _, share in _sinks(recipe)), default=0.0)  # one sink after the other
    return max(steps[-1].left * (1 + copies), *(s.highest for s in steps))


def _processes(recipe: Recipe) -> float:
    """Give what a worker process holds beside its chunk; 0 where workers are no processes of their own."""
    run = recipe.run
    by_dask = run.scheduler is not None or run.runner in ("distributed", *BATCH)
    if not by_dask and run.runner != "processes" and (run.runner != "auto" or run.workers == 1):
        return 0.0
    return _BASE + sum(own for own, _ in _sinks(recipe)) + (_DASK if by_dask else 0.0)


def _sinks(recipe: Recipe) -> list[tuple[float, float]]:
    return [_SINKS.get(name, _ANY_SINK) for name in {s.format for s in recipe.sinks}]


def _main(columns: Mapping[str, Sequence[str]]) -> str:
    """Give the table whose rows are counted: hits where they are read, else the widest."""
    found = next((t for t in _PER_HIT if t in columns), None)
    return found or max(columns, key=lambda t: len(columns[t]), default="hits")


def _width(kind: str, table: str, column: str) -> float:
    """Give the bytes of one value of a column in memory; 8 where the schema does not know it."""
    try:
        field = schema.field(table, column)
    except UnknownNameError:
        return 8.0
    dtype = field.daq_dtype if kind in ("daq", "timeslices") and field.daq_dtype else field.dtype
    try:
        return float(np.dtype(dtype).itemsize) or 8.0
    except TypeError:  # a list, or text
        return 16.0
