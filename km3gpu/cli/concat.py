"""``km3gpu concat``: files of one kind, one behind the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from km3gpu.cli.command import command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "concat")
    def concat(
        files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Inputs of one kind; globs too.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="The file to write (.parquet or .h5).")],
        workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Chunks in work at once.")] = 1,
        force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Put files of one kind one behind the other, in the order given."""
        from km3gpu.cli.convert import convert, report

        report(out, convert(files, out, workers=workers, replace=force), as_json)
