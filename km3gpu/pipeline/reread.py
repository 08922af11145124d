"""Read the inputs again at the end of a run, and take back what was made of one that is not the same."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from km3gpu.errors import Km3GpuError
from km3gpu.pipeline.plan import Input, Plan, PlannedChunk, check_input
from km3gpu.pipeline.rundir import RunDirectory

__all__ = ["distrust"]

_AT_ONCE = 4  # hashing is as fast as memory; more would only move the disk's head about


def distrust(plan: Plan, chunks: Sequence[PlannedChunk], directory: RunDirectory) -> None:
    """Check the bytes of the inputs of these chunks, and remove the parts made of one that differs.

    A part may have been made before or after the bytes changed: nobody can tell,
    so all are made again when the input is back.

    Parameters
    ----------
    plan : Plan
    chunks : sequence of PlannedChunk
    directory : RunDirectory

    Raises
    ------
    SourceChangedError, InputNotFoundError
        An input is not what the plan was made for, or is gone.
    """
    paths = {c.origin.path for c in chunks}
    inputs = [i for i in plan.inputs if i.role != "data" or i.path in paths]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        faults = list(pool.map(_fault, inputs))
    bad = [(i, fault) for i, fault in zip(inputs, faults, strict=True) if fault is not None]
    if not bad:
        return
    spoilt = {i.path for i, _ in bad if i.role == "data"}
    everything = any(i.role != "data" for i, _ in bad)
    state = directory.state()
    for chunk in plan.chunks:
        if everything or chunk.origin.path in spoilt:
            for leaf in {chunk.id, *(half.id for half in state.leaves(chunk))}:
                for part in directory.parts.glob(f"{leaf}.*"):
                    part.unlink(missing_ok=True)
    raise bad[0][1]


def _fault(known: Input) -> Km3GpuError | None:
    try:
        check_input(known, verify=True)
    except Km3GpuError as error:
        return error
    return None
