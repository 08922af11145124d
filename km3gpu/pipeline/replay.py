"""Replay: make chunks of a run again and compare them with what it made then.

On the same device the bytes must be the same.  Across devices and versions of
libraries floating-point columns may differ in their last digits: they are
compared column by column, within a tolerance.
"""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.errors import RunFailedError, UnknownNameError
from km3gpu.io.sink import Sink
from km3gpu.pipeline import journal
from km3gpu.pipeline.plan import PlannedChunk
from km3gpu.pipeline.receipt import Receipt
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.rundir import RunDirectory
from km3gpu.pipeline.task import Task, run_chunk
from km3gpu.pipeline.variants import varied
from km3gpu.table import Ragged, Table

__all__ = ["Comparison", "replay", "same_within"]


@dataclass(frozen=True)
class Comparison:
    """A chunk made again.

    Attributes
    ----------
    id : str
        The chunk.
    sink : str
        Name of the sink's file.
    state : str
        ``"identical"`` (byte for byte), ``"equal"`` (within the tolerance),
        ``"different"``, ``"unknown"`` where the old part is gone and its
        digest is another, or ``"made"``: it had failed, and does no more.
    columns : tuple of str
        The columns that differ, with the largest difference.
    """

    id: str
    sink: str
    state: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tolerance:
    """What may differ: relative and absolute, and absolute for some columns by name or pattern."""

    rtol: float
    atol: float
    columns: Mapping[str, float]

    def of(self, table: str, column: str) -> tuple[float, float]:
        """Give relative and absolute tolerance of a column."""
        for pattern, absolute in self.columns.items():
            if fnmatch.fnmatchcase(f"{table}/{column}", pattern):
                return 0.0, absolute
        return self.rtol, self.atol


def replay(
    path: str | Path,
    *,
    chunk: str | None = None,
    backend: str = "auto",
    rtol: float = 1e-9,
    atol: float = 1e-9,
    columns: Mapping[str, float] | None = None,
    keep: str | Path | None = None,
) -> Iterator[Comparison]:
    """Make the chunks of a run again and compare.

    Parameters
    ----------
    path : str or Path
        Directory of a run.
    chunk : str, optional
        Only the chunk whose id begins so.  A chunk that failed is made again
        too: its fault is raised.
    backend : str
        Where to make them.
    rtol, atol : float
        Relative and absolute tolerance of floating-point columns.
    columns : mapping of str to float, optional
        Absolute tolerance of some columns, instead, by ``table/column`` or a
        pattern (``"hits/pos_*"``); the first that fits holds.
    keep : str or Path, optional
        Leave the new parts in this directory.

    Yields
    ------
    Comparison
        One for each chunk and sink.

    Raises
    ------
    InputNotFoundError
        No run there.
    UnknownNameError
        No such chunk.
    RunFailedError
        A chunk failed this time.
    SourceChangedError
        An input is not the file any more.
    """
    directory = RunDirectory(Path(path))
    plan = directory.existing_plan()
    recipe = Recipe.from_json(plan.recipe, str(directory.path / "plan.json"))
    state = directory.state()
    leaves = [leaf for c in plan.chunks for leaf in state.leaves(c)]
    wanted = [c for c in leaves if chunk is None or c.id.startswith(chunk)]
    if not wanted:
        raise UnknownNameError.of("chunk", str(chunk), [c.id for c in leaves], where=str(directory.path))
    plan.check_sources()
    then = _receipts(directory)
    with tempfile.TemporaryDirectory(prefix="km3gpu-replay-") as temporary:
        out = Path(keep if keep is not None else temporary)
        (out / "parts").mkdir(parents=True, exist_ok=True)
        sources = plan.data()
        for planned in wanted:
            source = sources[planned.origin.path]
            task = Task(
                planned.id,
                planned.origin,
                source,
                varied(recipe.stages, source.files),
                plan.history_of(source),
                recipe.sinks,
                str(out.absolute()),
                plan.code,
                backend,
            )
            yield from _compare(
                planned,
                run_chunk(_here(task)),
                then.get(planned.id),
                recipe,
                directory,
                out,
                Tolerance(rtol, atol, columns or {}),
            )


def _receipts(directory: RunDirectory) -> dict[str, Receipt]:
    """Give the last receipt of each chunk that was made, whether its parts are still there or not."""
    events = (e for e in journal.read(directory.journals()) if e.get("event") == "receipt")
    return {e["id"]: Receipt.from_json(e) for e in events if e["state"] == "done"}


def _here(task: Task) -> Task:
    """Let the code of today make the chunk, whatever version made it then: that is the question."""
    from km3gpu.chunk import code_version

    return replace(task, code=code_version())


def _compare(
    planned: PlannedChunk,
    new: Receipt,
    old: Receipt | None,
    recipe: Recipe,
    directory: RunDirectory,
    out: Path,
    tolerance: Tolerance,
) -> Iterator[Comparison]:
    if new.fault is not None:
        raise RunFailedError(
            f"chunk {planned.id} fails: {new.fault.message}", remedy="see the traceback with --debug"
        ) from RuntimeError(new.fault.traceback)
    then = {} if old is None else {o.name: o for o in old.outputs}
    for sink, output in zip(recipe.sinks, new.outputs, strict=True):
        file = sink.name + sink.suffix
        known = then.get(output.name)
        if known is not None and known.digest == output.digest:
            yield Comparison(planned.id, file, "identical")
            continue
        old_part = directory.parts / output.name
        if old is None:
            yield Comparison(planned.id, file, "made")
            continue
        if known is None or not old_part.exists():
            yield Comparison(planned.id, file, "unknown")
            continue
        columns = tuple(_differing(sink, old_part, out / "parts" / output.name, tolerance))
        state = "different" if any(c.startswith("!") for c in columns) else "equal"
        yield Comparison(planned.id, file, state, tuple(c.lstrip("!") for c in columns))


def _differing(sink: Sink, a: Path, b: Path, tolerance: Tolerance) -> Iterator[str]:
    """Name the columns that differ; those beyond the tolerance begin with an exclamation mark."""
    one, other = sink.read(a), sink.read(b)
    for name in one.keys() | other.keys():
        if name not in one or name not in other:
            yield f"!{name} (only in one)"
            continue
        yield from _table(one[name], other[name], tolerance)


def _table(a: Table, b: Table, tolerance: Tolerance) -> Iterator[str]:
    if set(a.columns) != set(b.columns):
        yield f"!{a.name}: other columns"
        return
    if a.offsets is not None and not np.array_equal(a.offsets, b.offsets):
        yield f"!{a.name}: other rows"
        return
    for column in a.columns:
        within, largest = same_within(a.flat(column), b.flat(column), *tolerance.of(a.name, column))
        if largest > 0 or not within:
            yield f"{'' if within else '!'}{a.name}/{column}: {largest:.3g}"


def same_within(a: Any, b: Any, rtol: float, atol: float) -> tuple[bool, float]:
    """Compare two columns.

    Returns
    -------
    bool
        Equal: whole numbers exactly, others within the tolerance; NaN equals NaN.
    float
        Largest difference; infinite where they cannot be compared.
    """
    if isinstance(a, Ragged) != isinstance(b, Ragged):
        return False, np.inf
    if isinstance(a, Ragged):
        if not np.array_equal(a.offsets, b.offsets):
            return False, np.inf
        return same_within(a.content, b.content, rtol, atol)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False, np.inf
    if not len(a):
        return True, 0.0
    if a.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            largest = float(np.nanmax(abs(a - b), initial=0.0))
        return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)), largest
    differing = a != b
    return not bool(differing.any()), float(differing.any())
