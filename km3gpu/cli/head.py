"""``km3gpu head``: the first rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["first_rows", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "head")
    def head(
        file: Annotated[str, typer.Argument(metavar="FILE", help="A data file.")],
        table: Annotated[str, typer.Argument(metavar="TABLE", help="events, hits, tracks, ...")] = "events",
        rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="How many.")] = 10,
        columns: Annotated[
            str | None, typer.Option("--columns", "-c", help="Only these, with commas between.")
        ] = None,
        tree: Annotated[
            str | None, typer.Option(help="The tree to read; by default the first filled.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Show the first rows of a table, each with the event it belongs to."""
        from km3gpu.cli.convert import names
        from km3gpu.cli.printing import grid, print_json, show

        found = first_rows(file, table, rows, names(columns), tree)
        if as_json:
            print_json(found)
            return
        titles = [">event", *(f">{name}" for name in _titles(table, found["columns"]))]
        show(grid("", titles, ([row["event"], *map(_cell, list(row.values())[1:])] for row in found["rows"])))


def first_rows(
    path: str, table: str, n: int, columns: Sequence[str] = (), tree: str | None = None
) -> dict[str, Any]:
    """Read the first rows of a table, as plain values.

    Parameters
    ----------
    path : str
        A data file.
    table : str
        Its table.
    n : int
        At most so many rows.
    columns : sequence of str
        Only these; all by default.
    tree : str, optional
        The tree to read.

    Returns
    -------
    dict
        ``columns``, and ``rows``: one dict each, with ``event``, the entry it
        belongs to, before the columns.

    Raises
    ------
    InputNotFoundError, NotRootError, TruncatedFileError, FormatError
        The file cannot be read.
    UnknownNameError
        No such tree, table or column.
    """
    import numpy as np

    from km3gpu.io import open as open_source

    source = open_source(path, tree=tree)
    wanted: dict[str, Any] = {"columns": {table: columns}} if columns else {"tables": (table,)}
    rows: list[dict[str, Any]] = []
    names: tuple[str, ...] = ()
    start, step = 0, 1
    # hits come by the hundred, tracks by the dozen: take ever more events until there are enough rows
    while len(rows) < n and (start < source.n_events or not names):
        stop = min(start + step, source.n_events)
        read = source.read(**wanted, entries=(start, stop), backend="cpu").tables[table]
        names = read.columns
        events = np.arange(start, stop)
        if read.offsets is not None:
            events = np.repeat(events, read.counts)
            read = type(read)(read.name, {c: read.flat(c) for c in names})
        values = read.to_awkward()[: n - len(rows)].to_list()
        rows += [{"event": int(e), **row} for e, row in zip(events, values, strict=False)]
        start, step = stop, 2 * step
    return {"columns": list(names), "rows": rows}


def _titles(table: str, columns: list[str]) -> list[str]:
    """Put units behind the names of columns."""
    from km3gpu.schema import FIELDS

    units = [FIELDS[table, c].unit if (table, c) in FIELDS else "" for c in columns]
    return [f"{c} [{unit}]" if unit else c for c, unit in zip(columns, units, strict=True)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        shown = ", ".join(map(_cell, value[:4]))
        return f"[{shown}, ... {len(value)} in all]" if len(value) > 4 else f"[{shown}]"
    return str(value)
