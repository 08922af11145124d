"""``km3gpu resume``: go on with a run, from what lies in its directory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "resume")
    def resume(
        run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run.")],
        workers: Workers = None,
        runner: RunnerOption = None,
        readers: Readers = None,
        scheduler: Scheduler = None,
        threads: Threads = None,
        backend: BackendOption = None,
        memory: Memory = None,
        catalogue: Catalogue = None,
        verify: Verify = False,
        dry: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Go on with a run that was stopped or killed; chunks that failed are tried again."""
        from km3gpu.cli.outlook import foreseen
        from km3gpu.pipeline import foresee
        from km3gpu.pipeline import resume as resume_run

        if dry:
            foreseen(str(run), foresee(run), as_json)
            return
        reported(
            str(run),
            lambda: resume_run(
                run,
                workers=workers,
                runner=runner,
                readers=readers,
                scheduler=scheduler,
                threads=threads,
                backend=backend,
                memory=memory,
                catalogue=catalogue,
                verify=verify or None,
            ),
            as_json,
        )
