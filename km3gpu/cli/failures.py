"""``km3gpu failures``: the chunks of a run that failed, and why."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["listed", "register"]

_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "failures")
    def failures(
        run: Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")],
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with tracebacks.")] = False,
    ) -> None:
        """List the chunks of a run that failed, with the reason, and how to make each alone.

        Exits with 3 where there are any.
        """
        from km3gpu.cli.printing import grid, print_json, show
        from km3gpu.errors import RunFailedError

        found = listed(run)
        if as_json:
            print_json(found)
        elif found:
            rows = [
                (f["id"][:12], f["path"], "{}:{}".format(*f["entries"]), f["kind"], f["message"])
                for f in found
            ]
            show(grid("", ("chunk", "file", "entries", "kind", "why"), rows))
            show("", "to make one alone, with its traceback:", *(f"  {f['command']}" for f in found[:_SHOWN]))
            if len(found) > _SHOWN:
                show("  ...")
        else:
            show(f"no chunk of {run} failed")
        if found:
            raise typer.Exit(RunFailedError.exit_code)


def listed(run: str) -> list[dict[str, Any]]:
    """List what failed and was not done since, as plain values.

    Parameters
    ----------
    run : str
        Directory of a run.

    Returns
    -------
    list of dict
        ``id, path, entries, kind, message, traceback, attempt, command``, in the order of the
        record; ``command`` is the one that makes the chunk alone once more.

    Raises
    ------
    InputNotFoundError
        It is no directory of a run.
    """
    from km3gpu.pipeline import provenance

    record = provenance.read(run)
    missing = set(record["missing"])
    last = {f["id"]: f for f in record["failures"] if f["id"] in missing}
    return [
        {
            "id": f["id"],
            "path": f["path"],
            "entries": f["entries"],
            "attempt": f["attempt"],
            **{k: f["fault"][k] for k in ("kind", "message", "traceback")},
            "command": f"km3gpu prov replay {shlex.quote(run)} --chunk {f['id'][:12]} --debug",
        }
        for f in last.values()
    ]
