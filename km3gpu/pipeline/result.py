"""What a run made, as its caller gets it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from km3gpu.errors import Km3GpuError, RunFailedError
from km3gpu.pipeline.memory import peak
from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.receipt import Output, Receipt, Total, total

__all__ = ["RunResult", "failed", "result_of"]


@dataclass(frozen=True)
class RunResult:
    """What a run made.

    Attributes
    ----------
    out : Path
        Its directory.
    plan : Plan
    outputs : tuple of Path
        The merged files, one for each sink.
    receipts : tuple of Receipt
        Of all chunks that are done, in the order of the plan.
    failures : tuple of Receipt
        Of the chunks that failed.
    resumed : int
        Chunks that an earlier session had done.
    seconds : float
        Wall time of this session.
    total : Total
        Sums over `receipts`.
    provenance : Path
        The record.
    """

    out: Path
    plan: Plan
    outputs: tuple[Path, ...]
    receipts: tuple[Receipt, ...]
    failures: tuple[Receipt, ...]
    resumed: int
    seconds: float
    total: Total
    provenance: Path


def result_of(
    out: Path,
    plan: Plan,
    outputs: Sequence[Output],
    done: Iterable[Receipt],
    failures: Iterable[Receipt],
    resumed: int,
    began: float,
) -> RunResult:
    """Put together what a session made; `began` is ``time.perf_counter()`` of its beginning."""
    receipts = tuple(done)
    sums = total(receipts)
    # the peak of a worker, or of this process, which put the parts together
    sums = replace(sums, peak_memory=max(sums.peak_memory, peak()))
    return RunResult(
        out,
        plan,
        tuple(out / o.name for o in outputs),
        receipts,
        tuple(failures),
        resumed,
        time.perf_counter() - began,
        sums,
        out / "provenance.json",
    )


def failed(result: RunResult) -> Km3GpuError:
    """Make the error of a run with chunks that failed; its ``result`` is that of the others."""
    first = result.failures[0]
    assert first.fault is not None
    n, of = len(result.failures), len(result.failures) + len(result.receipts)
    if not result.receipts:
        return first.fault.raised()  # nothing came out at all: the fault itself is the news
    error = RunFailedError(
        f"{n} of {of} chunks failed, the first: {first.fault.message}",
        where=str(result.out),
        remedy=f"see `km3gpu failures {result.out}`; the others are in the output",
    )
    error.result = result  # type: ignore[attr-defined]
    return error
