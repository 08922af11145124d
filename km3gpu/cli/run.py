"""``km3gpu run``: a plan over files, the main job."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from km3gpu.pipeline import Recipe, RunResult

__all__ = ["register"]


class Runner(StrEnum):
    """How chunks are run."""

    AUTO = "auto"
    SERIAL = "serial"
    THREADS = "threads"
    PROCESSES = "processes"
    DISTRIBUTED = "distributed"


class Backend(StrEnum):
    """Where arrays live."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    CUDASIM = "cudasim"


class Existing(StrEnum):
    """What to do in a directory with results."""

    RESUME = "resume"
    UPDATE = "update"
    REPLACE = "replace"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "run")
    def run(
        plan: Annotated[str, typer.Argument(metavar="PLAN", help="Plan file (TOML).")],
        out: Annotated[
            Path, typer.Option("--out", "-o", help="Directory of the run; made where there is none.")
        ],
        files: Annotated[
            list[str] | None,
            typer.Argument(metavar="FILE", help="Inputs, instead of those of the plan."),
        ] = None,
        workers: Annotated[
            int | None, typer.Option("--workers", "-j", min=1, help="Chunks in work at once.")
        ] = None,
        runner: Annotated[
            Runner | None, typer.Option(help="How chunks are run; auto: processes for several.")
        ] = None,
        scheduler: Annotated[
            str | None,
            typer.Option(metavar="ADDRESS", help="A dask scheduler (tcp://host:8786), or 'local'."),
        ] = None,
        threads: Annotated[
            int | None,
            typer.Option(min=0, help="CPU threads for the kernels of one worker; 0: all for a single one."),
        ] = None,
        backend: Annotated[Backend | None, typer.Option(help="Where arrays live.")] = None,
        chunk: Annotated[
            str | None, typer.Option(metavar="SIZE", help="Size of a chunk: events, or bytes as '64 MB'.")
        ] = None,
        memory: Annotated[
            str | None, typer.Option(metavar="SIZE", help="Limit of a worker's memory ('2 GB').")
        ] = None,
        check_calibration: Annotated[
            bool,
            typer.Option("--check-calibration", help="Compare with the calibrated hits that the files hold."),
        ] = False,
        existing: Annotated[
            Existing,
            typer.Option(
                help="In a directory with results: go on with the same plan; update: take this plan and keep"
                " what it shares; replace: remove what the last run wrote."
            ),
        ] = Existing.RESUME,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Run a plan over files, and record where every row came from.

        Running the same again goes on where the last run ended.
        """
        from numba.core.event import install_timer

        from km3gpu.errors import RunFailedError
        from km3gpu.pipeline import read_recipe
        from km3gpu.pipeline import run as run_plan

        settings = {
            "workers": workers,
            "runner": runner,
            "scheduler": scheduler,
            "threads": threads,
            "backend": backend,
            "memory": memory,
        }
        size = int(chunk) if chunk and chunk.isdigit() else chunk
        recipe = read_recipe(plan, source={"chunk": size}, run=settings)
        if check_calibration:
            recipe = _checking(recipe)
        compiled: list[float] = []
        try:
            with install_timer("numba:compile", compiled.append):
                result = run_plan(recipe, files or None, out=out, existing=existing.value)
        except RunFailedError as error:
            # what was made is told before what was not
            if (partial := getattr(error, "result", None)) is not None:
                _report(plan, partial, sum(compiled), as_json)
            raise
        _report(plan, result, sum(compiled), as_json)


def _checking(recipe: Recipe) -> Recipe:
    """Tell the stages that calibrate to compare with what the files hold."""
    from km3gpu.errors import ConfigError
    from km3gpu.stages import Calibrate

    if not any(isinstance(s, Calibrate) for s in recipe.stages):
        raise ConfigError(
            "nothing to check: the plan does not calibrate",
            where=recipe.path,
            remedy="add [[stage]] use = 'calibrate'",
        )
    stages = tuple(
        dataclasses.replace(s, check=True) if isinstance(s, Calibrate) else s for s in recipe.stages
    )
    return dataclasses.replace(recipe, stages=stages)


def _report(plan: str, result: RunResult, compiled: float, as_json: bool) -> None:
    from km3gpu.cli.printing import print_json, show
    from km3gpu.cli.summary import lines, summarised, table

    summary = summarised(result, compiled)
    if as_json:
        print_json(summary)
        return
    show(table({Path(plan).name: summary}), *lines(summary))
