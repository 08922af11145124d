"""``km3gpu tree``: trees, tables and columns of a file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["contents", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "tree")
    def tree(
        file: Annotated[str, typer.Argument(metavar="FILE", help="A data file.")],
        everything: Annotated[
            bool, typer.Option("--all", help="Columns of trees without entries too.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """List the trees of a file, and the tables and columns that km3gpu reads from them."""
        from rich.text import Text
        from rich.tree import Tree

        from km3gpu.cli.printing import print_json, show

        found = contents(file)
        if as_json:
            print_json(found)
            return
        root = Tree(Text(file, style="bold"))
        for name, entry in found.items():
            top = root.add(
                Text(f"{name}  {entry['entries']:,} entries" + ("" if entry["tables"] else ", not read"))
            )
            if not (entry["entries"] or everything):
                continue
            for table, columns in entry["tables"].items():
                branch = top.add(Text(table, style="bold"))
                width = max((len(c["name"]) for c in columns), default=0)
                for c in columns:
                    line = f"{c['name']:<{width}}  {c['dtype']:<6} {c['unit']:<4} {c['meaning']}"
                    branch.add(Text(line.rstrip()))
        show(root)


def contents(path: str) -> dict[str, Any]:
    """List what a file holds, as plain values.

    Parameters
    ----------
    path : str
        A data file.

    Returns
    -------
    dict
        By tree: ``entries``, and by table the columns that km3gpu reads, each
        with ``name, dtype, unit, frame, meaning`` of the schema.

    Raises
    ------
    InputNotFoundError, NotRootError, TruncatedFileError, FormatError
        The file cannot be read.
    """
    from km3gpu.errors import ConfigError, UnknownNameError
    from km3gpu.io.opened import open_file
    from km3gpu.io.paths import resolve

    names = resolve(path)
    if len(names) > 1:
        raise ConfigError(f"{path!r} matches {len(names)} files", remedy="give one file")
    file = open_file(names[0])
    found: dict[str, Any] = {}
    for tree, entries in file.counts().items():
        try:
            tables = file.dataset(tree).tables()
        except UnknownNameError:  # a tree of another kind, listed by its name alone
            tables = {}
        found[tree] = {
            "entries": entries,
            "tables": {table: [_column(table, c) for c in columns] for table, columns in tables.items()},
        }
    return found


def _column(table: str, name: str) -> dict[str, str]:
    from km3gpu.schema import FIELDS

    known = FIELDS.get((table, name))
    if known is None:
        return {"name": name, "dtype": "", "unit": "", "frame": "", "meaning": ""}
    return {
        "name": name, "dtype": known.dtype, "unit": known.unit, "frame": known.frame, "meaning": known.meaning
    }  # fmt: skip
