"""The outputs of a run: its parts put together, sink by sink, and the manifest that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from km3gpu.pipeline import provenance
from km3gpu.pipeline.interrupts import Stop
from km3gpu.pipeline.longjson import pieces
from km3gpu.pipeline.memory import give_back
from km3gpu.pipeline.merge import agrees, merge
from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.receipt import Output, Receipt
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.rundir import RunDirectory, write_atomically
from km3gpu.pipeline.tags import tagged

__all__ = ["put_together"]

_MERGES = 2  # outputs put together at a time


def put_together(
    plan: Plan,
    recipe: Recipe,
    directory: RunDirectory,
    receipts: Sequence[Receipt],
    failures: Sequence[Receipt],
    stop: Stop,
    tell: Callable[[str], None],
) -> list[Output]:
    """Make the outputs of a run from its parts, which are whole, where they are not there yet.

    Parameters
    ----------
    plan : Plan
    recipe : Recipe
    directory : RunDirectory
    receipts, failures : sequence of Receipt
        Of the chunks that are done, and of those that failed, in the order of the plan.
    stop : Stop
        Asked between two outputs.
    tell : callable
        Called with the name of each output.

    Returns
    -------
    list of Output
        Empty where it was stopped.
    """
    if (there := _there(plan, directory, receipts)) is not None:
        return there
    outputs = []
    place = (directory.parts, directory.path)
    sources = [(i.path, i.label) for i in plan.inputs if i.role == "data"]
    with ThreadPoolExecutor(_MERGES) as pool:  # copying, hashing and compressing let go of the GIL
        merging = []
        for sink in recipe.sinks:
            for name, paths in tagged(sink.name, sources).items():
                some = [r for r in receipts if r.path in paths]
                if not some:
                    continue
                missing = [r for r in failures if r.path in paths]
                record = provenance.embedded(directory, plan, some, missing, paths)
                made = pool.submit(merge, sink, some, *place, record, recipe.stages, name)
                merging.append((f"{name}{sink.suffix}", made))
        for name, made in merging:
            if stop:
                pool.shutdown(cancel_futures=True)
                return []
            tell(name)
            outputs.append(made.result())
            give_back()
    manifest = {
        "format": "km3gpu manifest",
        "plan": plan.id,
        "complete": not failures,
        "outputs": [asdict(o) for o in outputs],
        "chunks": (
            {"id": r.id, "n_out": r.n_out, "parts": [o.to_json() for o in r.outputs]} for r in receipts
        ),
        "missing": [{"id": r.id, "entries": list(r.entries), "path": r.path} for r in failures],
    }
    write_atomically(directory.path / "manifest.json", pieces(manifest))
    return outputs


def _there(plan: Plan, directory: RunDirectory, receipts: Sequence[Receipt]) -> list[Output] | None:
    """Give the outputs of an earlier session where they are those of the same chunks, and whole."""
    manifest = directory.manifest()
    if manifest is None:
        return None
    outputs = directory.outputs()
    same = manifest["plan"] == plan.id and [c["id"] for c in manifest["chunks"]] == [r.id for r in receipts]
    whole = all(agrees(directory.path / o.name, o) for o in outputs)
    return outputs if same and whole else None
