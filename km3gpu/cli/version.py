"""``km3gpu version``."""

from __future__ import annotations

from typing import Annotated

import typer

from km3gpu.cli.command import command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "version")
    def version(
        source: Annotated[
            bool, typer.Option("--source", help="Add the hash of the package's own code.")
        ] = False,
    ) -> None:
        """Print the version."""
        from km3gpu import __version__
        from km3gpu.chunk import code_version

        print(code_version() if source else __version__)
