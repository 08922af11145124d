"""What a run has still to make, and why: what changed since it was made, or that it never was."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from km3gpu.chunk import chunk_id, code_version
from km3gpu.errors import OutputExistsError, SourceChangedError
from km3gpu.pipeline import journal
from km3gpu.pipeline.difference import Change, stage_changes
from km3gpu.pipeline.plan import Input, Plan, PlannedChunk, check_input, identify
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.rundir import RunDirectory, State

__all__ = ["Cause", "Outlook", "outlook", "refusal", "today"]


@dataclass(frozen=True)
class Cause:
    """One reason for which chunks are to be made.

    Attributes
    ----------
    change : Change
        What changed: its section is ``"code"``, ``"input"``, ``"stage"``,
        ``"columns"`` or ``"chunk"``; or what is the matter with them: ``"part"``,
        ``"sink"``, ``"failed"`` or ``"new"``.
    chunks : tuple of PlannedChunk
        Those that it concerns, in order; a chunk may have several reasons.
    """

    change: Change
    chunks: tuple[PlannedChunk, ...]


@dataclass(frozen=True)
class Outlook:
    """What a run into a directory has still to make.

    Attributes
    ----------
    plan : Plan
        What is to be done.
    done : tuple of PlannedChunk
        Chunks that are there, and kept.
    left : tuple of PlannedChunk
        Chunks that will be made.
    causes : tuple of Cause
        Why, the most frequent first.
    refusal : str
        What a run that starts now would say instead of making them, or ``""``.
    """

    plan: Plan
    done: tuple[PlannedChunk, ...]
    left: tuple[PlannedChunk, ...]
    causes: tuple[Cause, ...]
    refusal: str = ""


def outlook(plan: Plan, directory: RunDirectory | None) -> Outlook:
    """Compare a plan with what lies in a directory; nothing is touched.

    Parameters
    ----------
    plan : Plan
    directory : RunDirectory, optional
        Need not be there; None for one that will be cleared.

    Returns
    -------
    Outlook
    """
    if directory is None:
        causes = (Cause(Change("new", "the run", "-", "to be made"), plan.chunks),)
        return Outlook(plan, (), plan.chunks, causes)
    state = directory.state(plan.sinks)
    done: list[PlannedChunk] = []
    left: list[PlannedChunk] = []
    for chunk in plan.chunks:
        whole = all(leaf.id in state.done for leaf in state.leaves(chunk))
        (done if whole else left).append(chunk)
    why: dict[Change, list[PlannedChunk]] = {}
    if left:
        because = _Because(plan, directory, state)
        for chunk in left:
            for change in because.of(chunk):
                why.setdefault(change, []).append(chunk)
    most = sorted(why.items(), key=lambda c: -len(c[1]))
    return Outlook(plan, tuple(done), tuple(left), tuple(Cause(c, tuple(some)) for c, some in most))


def today(plan: Plan, recipe: Recipe) -> Plan:
    """Give the same cut of the same files as they are now, with the code and the calibration of now.

    Parameters
    ----------
    plan : Plan
        Of a run.
    recipe : Recipe
        Its stages and sinks, made again.

    Returns
    -------
    Plan
        Equal to `plan` where nothing changed.

    Raises
    ------
    InputNotFoundError
        A file is gone.
    """
    inputs = tuple(_now(i, recipe) for i in plan.inputs)
    data = {i.path: i for i in inputs if i.role == "data"}
    chunks = []
    for c in plan.chunks:
        source = data[c.origin.path]
        origin = replace(c.origin, digest=source.digest)
        chunks.append(PlannedChunk(chunk_id(origin, source.history or recipe.history), origin))
    return replace(plan, code=code_version(), history=recipe.history, inputs=inputs, chunks=tuple(chunks))


def _now(known: Input, recipe: Recipe) -> Input:
    try:
        check_input(known)
    except SourceChangedError:
        how = "content" if known.digest.startswith("sha256:") else "mark"
        digest, size, written = identify(known.path, how)
        known = replace(known, digest=digest, size=size, mtime_ns=written)
    if known.role != "data":
        return known
    return replace(known, history=recipe.history_of(known.label, known.files))


def refusal(directory: RunDirectory, found: Outlook) -> OutputExistsError:
    """Make the error of a run that cannot go on, since it would make other chunks now.

    Parameters
    ----------
    directory : RunDirectory
    found : Outlook
        For the plan that `today` gave.
    """
    n, of = len(found.left), len(found.plan.chunks)
    words = "; ".join(map(str, dict.fromkeys(c.change for c in found.causes[:2])))
    if not n:  # a table of calibrations, or a run list, which says what holds for whom only to a new plan
        return OutputExistsError(
            f"a table or run list has changed since the run in {str(directory.path)!r} was planned",
            remedy=f"`km3gpu run PLAN -o {shlex.quote(str(directory.path))} --existing update` plans again,"
            " and keeps what is the same",
        )
    return OutputExistsError(
        f"{n} of {of} chunks of the run in {str(directory.path)!r} would be others now ({words})",
        remedy=f"`km3gpu run PLAN -o {shlex.quote(str(directory.path))} --existing update` makes them again,"
        " and keeps the others",
    )


class _Because:
    """Finds the reasons, chunk by chunk, by the plan that the directory was made for."""

    def __init__(self, plan: Plan, directory: RunDirectory, state: State) -> None:
        self.plan = plan
        self.before = directory.plan()
        self.state = state
        self.any_sink = directory.state()
        receipts = (e for e in journal.read(directory.journals()) if e.get("event") == "receipt")
        self.made = {e["id"] for e in receipts if e.get("state") == "done"}
        self.known: dict[tuple[str, int, int], PlannedChunk] = {}
        self.files: set[str] = set()
        if self.before is not None:
            for c in self.before.chunks:
                self.known[c.origin.path, c.origin.start, c.origin.stop] = c
                self.files.add(c.origin.path)
        self._of: dict[tuple[str, str, tuple[str, ...]], tuple[Change, ...]] = {}

    def of(self, chunk: PlannedChunk) -> Sequence[Change]:
        """Give the reasons for one chunk."""
        o = chunk.origin
        there = self.known.get((o.path, o.start, o.stop))
        if self.before is None or o.path not in self.files:
            return self._never(chunk, Change("new", o.path if self.before else "the run", "-", "to be made"))
        if there is None:
            sizes = [str(p.recipe["source"]["chunk"]) for p in (self.before, self.plan)]
            return self._never(chunk, Change("chunk", "size", *sizes))
        if there.id == chunk.id:
            return self._never(chunk, Change("new", "not reached yet", "-", "to be made"))
        key = (o.path, there.origin.digest, there.origin.columns)
        if key not in self._of:
            found = tuple(self._changed(there, chunk))
            self._of[key] = found or (Change("chunk", "identity", there.id, chunk.id),)
        return self._of[key]

    def _never(self, chunk: PlannedChunk, otherwise: Change) -> Sequence[Change]:
        """Say what is the matter with a chunk that is what it was."""
        leaves = list(self.state.leaves(chunk))
        failed = [self.state.failed[c.id] for c in leaves if c.id in self.state.failed]
        if failed:
            return [Change("failed", failed[0].fault.message if failed[0].fault else "", "failed", "again")]
        if chunk.id in self.any_sink.done:
            return [Change("sink", "a new one, or other options", "-", "to be written")]
        if chunk.id in self.made:
            return [Change("part", "gone, or cut short", "made", "again")]
        return [otherwise]

    def _changed(self, there: PlannedChunk, now: PlannedChunk) -> Iterator[Change]:
        assert self.before is not None
        a, b = there.origin, now.origin
        if self.before.code != self.plan.code:
            yield Change("code", "version", self.before.code, self.plan.code)
        if a.digest != b.digest:
            yield Change("input", b.path, a.digest, b.digest)
        if (a.tree, a.kind) != (b.tree, b.kind):
            yield Change("input", f"tree of {b.path}", a.tree, b.tree)
        if sorted(a.columns) != sorted(b.columns):
            less, more = (set(x.columns) - set(y.columns) for x, y in ((a, b), (b, a)))
            yield Change("columns", "read", *(", ".join(sorted(c)) or "-" for c in (less, more)))
        steps = [
            [json.loads(h) for h in plan.history_of(plan.data()[b.path])] for plan in (self.before, self.plan)
        ]
        names = _names(self.before), _names(self.plan)
        for change in stage_changes(*steps):
            yield replace(change, a=_named(change.a, names[0]), b=_named(change.b, names[1]))


def _names(plan: Plan) -> dict[str, str]:
    return {i.digest: i.path for i in plan.inputs}


def _named(value: str, names: dict[str, str]) -> str:
    """Put the name of a file before its digest."""
    return f"{Path(names[value]).name} {value}" if value in names else value
