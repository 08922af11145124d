"""``km3gpu concat``: files of one kind, one behind the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from km3gpu.cli.command import command
from km3gpu.cli.convert import (
    AsJson,
    Columns,
    Force,
    Format,
    Tables,
    Tree,
    Workers,
    convert,
    names,
    report,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "concat")
    def concat(
        files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Inputs of one kind; globs too.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="The file to write (.parquet, .h5 or .fits).")],
        tables: Tables = None,
        columns: Columns = None,
        kind: Format = None,
        tree: Tree = None,
        workers: Workers = 1,
        force: Force = False,
        as_json: AsJson = False,
    ) -> None:
        """Put files of one kind one behind the other, in the order given."""
        rows = convert(
            files,
            out,
            tables=names(tables),
            columns=names(columns),
            kind=kind,
            tree=tree,
            workers=workers,
            replace=force,
        )
        report(out, rows, as_json)
