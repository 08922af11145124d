"""``km3gpu prov find | index``: the catalogue of runs."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from rich.table import Table

    from km3gpu.pipeline.lineage import Found

__all__ = ["register"]

_Place = Annotated[
    str | None,
    typer.Option(
        "--catalogue",
        metavar="PATH",
        help="The database; by default what KM3GPU_CATALOGUE names, or the user's own.",
    ),
]
_SHOWN = 4  # outputs of a run; --json names them all
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(prov: typer.Typer) -> None:
    """Add the commands to the group ``prov``."""
    _register_find(prov)
    _register_index(prov)


def _register_find(prov: typer.Typer) -> None:
    @command(prov, "find")
    def find(
        any_role: Annotated[
            str | None,
            typer.Argument(metavar="[FILE]", help="A file or digest: the runs that used or made it."),
        ] = None,
        data: Annotated[
            str | None, typer.Option("--input", metavar="FILE", help="Runs that read this file.")
        ] = None,
        calibration: Annotated[
            str | None,
            typer.Option(metavar="FILE", help="Runs that calibrated with this file, and what came of them."),
        ] = None,
        output: Annotated[
            str | None,
            typer.Option(metavar="FILE", help="The run that made this file, and those that made its inputs."),
        ] = None,
        direct: Annotated[
            bool, typer.Option("--direct", help="Do not follow outputs that became inputs.")
        ] = False,
        catalogue: _Place = None,
        as_json: _AsJson = False,
    ) -> None:
        """Find the runs that used or made a file, by its content and its path, and what came of them.

        FILE may be gone (its path or bare name will do), or the beginning of a
        digest.  Exits with 1 where there is none.
        """
        import dataclasses

        from km3gpu.cli.printing import print_json, show
        from km3gpu.pipeline import lineage
        from km3gpu.pipeline.catalogue import Catalogue

        asked = [
            (role, target)
            for role, target in ((None, any_role), ("data", data), ("calibration", calibration))
            if target
        ] + ([("output", output)] if output else [])
        if len(asked) != 1:
            raise typer.BadParameter("name one file: FILE, or one of --input, --calibration, --output")
        role, target = asked[0]
        path = _place(catalogue)
        with Catalogue(path) as known:
            found = lineage.find(known, target, role, direct=direct)
        if as_json:
            print_json([dataclasses.asdict(f) for f in found])
        elif found:
            show(_table(found))
        else:
            print(f"no run that {_VERBS[role]} {target} is in the catalogue {path}", file=sys.stderr)
        if not found:
            raise typer.Exit(1)


_VERBS = {None: "used or made", "data": "read", "calibration": "calibrated with", "output": "made"}


def _place(catalogue: str | None) -> Path:
    from km3gpu.errors import ConfigError
    from km3gpu.pipeline.catalogue import place

    path = place(catalogue)
    if path is None:
        raise ConfigError("the catalogue is switched off ('none')", remedy="name one with --catalogue PATH")
    return path


def _table(found: list[Found]) -> Table:
    from km3gpu.cli.printing import grid

    rows = []
    for f in found:
        began = "" if f.started is None else f"{dt.datetime.fromtimestamp(f.started, dt.UTC):%Y-%m-%d %H:%M}"
        gone = ", gone" if f.gone else ""
        did = "made" if f.role == "output" else f"used as {f.role}"
        made = [Path(p).name for p in f.outputs]
        shown = ", ".join(made[:_SHOWN]) + (f", ... ({len(made)} in all)" if len(made) > _SHOWN else "")
        rows.append(
            (f.level, f.directory, began, f.status + gone, did, Path(f.path).name, f.match, shown or "-")
        )
    return grid("", (">level", "run", "began (UTC)", "status", "", "file", "same", "its outputs"), rows)


def _register_index(prov: typer.Typer) -> None:
    @command(prov, "index")
    def index(
        places: Annotated[
            list[str],
            typer.Argument(metavar="DIR...", help="Directories to search for runs, or outputs of runs."),
        ],
        rebuild: Annotated[
            bool, typer.Option("--rebuild", help="Begin with an empty catalogue; the old one is kept beside.")
        ] = False,
        catalogue: _Place = None,
        as_json: _AsJson = False,
    ) -> None:
        """Enter all runs below some directories into the catalogue, from their records."""
        from km3gpu.cli.printing import print_json, show
        from km3gpu.pipeline.indexing import index as indexed

        path = _place(catalogue)
        n, wrong = indexed(path, places, rebuild=rebuild)
        if as_json:
            print_json({"catalogue": str(path), "runs": n, "wrong": wrong})
        else:
            show(f"{n} run{'s' if n != 1 else ''} entered into {path}")
            for line in wrong:
                print(f"left out: {line}", file=sys.stderr)
        if wrong:
            raise typer.Exit(1)
