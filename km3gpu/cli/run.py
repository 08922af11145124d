"""``km3gpu run``: a plan over files, the main job."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from km3gpu.cli.command import command
from km3gpu.cli.running import (
    AsJson,
    BackendOption,
    Catalogue,
    DryRun,
    Memory,
    Readers,
    RunnerOption,
    Scheduler,
    Threads,
    Verify,
    Workers,
    reported,
)

if TYPE_CHECKING:
    from km3gpu.pipeline import Recipe

__all__ = ["register"]


class Existing(StrEnum):
    """What to do in a directory with results."""

    RESUME = "resume"
    UPDATE = "update"
    REPLACE = "replace"


class Progress(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    BAR = "bar"
    JSON = "json"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "run")
    def run(
        plan: Annotated[str, typer.Argument(metavar="PLAN", help="Plan file (TOML).")],
        out: Annotated[
            Path, typer.Option("--out", "-o", help="Directory of the run; made where there is none.")
        ],
        files: Annotated[
            list[str] | None, typer.Argument(metavar="FILE", help="Inputs, instead of those of the plan.")
        ] = None,
        workers: Workers = None,
        runner: RunnerOption = None,
        readers: Readers = None,
        scheduler: Scheduler = None,
        threads: Threads = None,
        backend: BackendOption = None,
        chunk: Annotated[
            str | None,
            typer.Option(metavar="SIZE", help="Size of a chunk: events, '64 MB' or auto."),
        ] = None,
        memory: Memory = None,
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
        part: Annotated[
            str | None,
            typer.Option(
                "--slice",
                metavar="I/N",
                help="Make only the I-th of N slices, as one batch job; `km3gpu resume` then merges.",
            ),
        ] = None,
        progress: Annotated[
            Progress, typer.Option(help="auto: a bar on a terminal; json: lines on stderr for programs.")
        ] = Progress.AUTO,
        catalogue: Catalogue = None,
        verify: Verify = False,
        dry: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Run a plan over files, and record where every row came from.

        Running the same again goes on where the last run ended.
        """
        from km3gpu.cli.outlook import foreseen
        from km3gpu.pipeline import foresee, read_recipe
        from km3gpu.pipeline import run as run_plan

        settings = {
            "workers": workers,
            "runner": runner,
            "readers": readers,
            "scheduler": scheduler,
            "threads": threads,
            "backend": backend,
            "memory": memory,
            "catalogue": catalogue,
            "verify": verify or None,
        }
        size = int(chunk) if chunk and chunk.isdigit() else chunk
        recipe = read_recipe(plan, source={"chunk": size}, run=settings)
        if check_calibration:
            recipe = _checking(recipe)
        if dry:
            foreseen(str(out), foresee(out, recipe, files or None, existing=existing.value), as_json)
            return
        show = {"auto": None, "bar": True, "none": False, "json": "json"}[progress.value]
        reported(
            plan,
            lambda: run_plan(recipe, files or None, out=out, existing=existing.value, part=part, show=show),
            as_json,
        )


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
