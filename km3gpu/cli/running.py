"""What the commands that run plans have in common: options on how, and the report at the end."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from km3gpu.pipeline import RunResult

__all__ = [
    "AsJson",
    "Backend",
    "BackendOption",
    "Catalogue",
    "DryRun",
    "Memory",
    "Readers",
    "Runner",
    "RunnerOption",
    "Scheduler",
    "Threads",
    "Verify",
    "Workers",
    "reported",
]


class Runner(StrEnum):
    """How chunks are run."""

    AUTO = "auto"
    SERIAL = "serial"
    THREADS = "threads"
    PROCESSES = "processes"
    DISTRIBUTED = "distributed"
    SLURM = "slurm"
    HTCONDOR = "htcondor"


class Backend(StrEnum):
    """Where arrays live."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    CUDASIM = "cudasim"


Workers = Annotated[int | None, typer.Option("--workers", "-j", min=1, help="Chunks in work at once.")]
RunnerOption = Annotated[
    Runner | None, typer.Option("--runner", help="How chunks are run; auto: processes for several.")
]
Readers = Annotated[
    int | None,
    typer.Option("--readers", min=0, help="Workers that only read, beside those that compute (dask)."),
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="A dask scheduler (tcp://host:8786), or 'local'."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=0, help="CPU threads for a worker's kernels; 0: all for a single worker."),
]
BackendOption = Annotated[Backend | None, typer.Option("--backend", help="Where arrays live.")]
Memory = Annotated[
    str | None, typer.Option("--memory", metavar="SIZE", help="Limit of a worker's memory ('2 GB').")
]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Read all inputs again, before and after they are used: finds bad bytes."),
]
Catalogue = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Database of runs to enter this one into; 'user', or 'none'."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", "-n", help="Say which chunks would be made, and why; write nothing."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def reported(title: str, run: Callable[[], RunResult], as_json: bool) -> None:
    """Run, and say what was made; also where some chunks failed.

    Parameters
    ----------
    title : str
        Over the column of the table.
    run : callable
        Runs a plan.
    as_json : bool
        Print JSON instead of a table.

    Raises
    ------
    RunFailedError
        After what was made is told.
    """
    from numba.core.event import install_timer

    from km3gpu.errors import RunFailedError

    compiled: list[float] = []
    try:
        with install_timer("numba:compile", compiled.append):
            result = run()
    except RunFailedError as error:
        if (partial := getattr(error, "result", None)) is not None:
            _report(title, partial, sum(compiled), as_json)
        raise
    _report(title, result, sum(compiled), as_json)


def _report(title: str, result: RunResult, compiled: float, as_json: bool) -> None:
    from km3gpu.cli.printing import print_json, show
    from km3gpu.cli.summary import lines, summarised, table

    summary = summarised(result, compiled)
    if as_json:
        print_json(summary)
        return
    show(table({Path(title).name: summary}), *lines(summary))
