"""The command ``km3gpu``: puts the commands together."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from km3gpu.cli import (
    concat,
    convert,
    demo,
    detector,
    doctor,
    failures,
    head,
    histogram,
    info,
    plan,
    prov,
    rates,
    resume,
    run,
    score,
    sky,
    stages,
    top,
    tree,
    version,
)

__all__ = ["app", "call", "main"]

app = typer.Typer(
    help="KM3NeT data as calibrated, clustered, sky-located columns.",
    epilog="Start with `km3gpu demo`; `km3gpu COMMAND --help` tells more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (
    run,
    resume,
    plan,
    stages,
    top,
    info,
    tree,
    head,
    histogram,
    convert,
    concat,
    detector,
    prov,
    failures,
    rates,
    score,
    sky,
    demo,
    doctor,
    version,
):
    module.register(app)

# click's UsageError, which typer keeps in different places in different versions
_UsageError: Any = typer.BadParameter.__base__


def call(arguments: Sequence[str]) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.

    Returns
    -------
    int
        The exit code: 0 done, 1 an error, 2 wrong usage, 3 a run that ended
        with failed chunks or detectors that differ, 130 interrupted.
    """
    try:
        return int(app(args=list(arguments), prog_name="km3gpu", standalone_mode=False) or 0)
    except _UsageError as error:
        # `km3gpu` alone, or a group of commands: the help, which this error carries
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return 2
        help_line = f"see `{error.ctx.command_path} --help`" if error.ctx else "see `km3gpu --help`"
        words = " ".join(error.format_message().split()).rstrip(".")
        print(f"km3gpu: error: {words}; {help_line}", file=sys.stderr)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        print("km3gpu: interrupted", file=sys.stderr)
        return 130


def main() -> None:
    """Run the command line of this process and exit with its code."""
    # Arrow's own pools keep what they once had, a hundred MB in the demo; this
    # reaches worker processes too, and a user's own choice stands
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.stdout is None:  # closed by who called
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be in a terminal's alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(call(sys.argv[1:]))
