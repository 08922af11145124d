"""``km3gpu convert``: data files to Parquet or HDF5, with the record of where rows came from."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["convert", "register", "report"]

_SINKS = {".parquet": "parquet", ".h5": "hdf5", ".hdf5": "hdf5"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "convert")
    def convert_files(
        files: Annotated[
            list[str],
            typer.Argument(metavar="IN... OUT", help="Inputs, and the file to write (.parquet or .h5)."),
        ],
        tables: Annotated[
            str | None, typer.Option("--tables", "-t", help="Only these, with commas between; events always.")
        ] = None,
        tree: Annotated[
            str | None, typer.Option(help="The tree to read; by default the first filled.")
        ] = None,
        workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Chunks in work at once.")] = 1,
        force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Convert data files to one Parquet or HDF5 file; several inputs are put one behind the other.

        Nothing is computed: for calibrated or clustered rows run a plan.
        """
        from km3gpu.errors import ConfigError

        if len(files) < 2:
            raise ConfigError("convert needs an input and an output", remedy="km3gpu convert IN... OUT")
        *inputs, last = files
        out = Path(last)
        chosen = tables.split(",") if tables else None
        report(out, convert(inputs, out, tables=chosen, tree=tree, workers=workers, replace=force), as_json)


def report(out: Path, rows: Mapping[str, int], as_json: bool) -> None:
    """Say what was written."""
    from km3gpu.cli.printing import bytes_text, print_json, show

    size = out.stat().st_size
    if as_json:
        print_json({"out": str(out), "rows": rows, "bytes": size})
        return
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in rows.items())
    show(f"wrote {out} ({bytes_text(size)}): {counts}")


def convert(
    files: Sequence[str],
    out: Path,
    *,
    tables: Sequence[str] | None = None,
    tree: str | None = None,
    workers: int = 1,
    replace: bool = False,
) -> dict[str, int]:
    """Write the tables of data files into one file.

    Parameters
    ----------
    files : sequence of str
        Paths or patterns, of one kind.
    out : Path
        ``.parquet``, ``.h5`` or ``.hdf5``.
    tables : sequence of str, optional
        Only these, and ``events``; all by default.
    tree : str, optional
        The tree to read.
    workers : int
        Processes.
    replace : bool
        Replace `out` where it exists; else that is an error.

    Returns
    -------
    dict of str to int
        Rows by table.

    Raises
    ------
    ConfigError
        The suffix of `out` is none of those.
    OutputExistsError
        `out` exists.
    UnknownNameError
        A table that the files do not have.
    """
    from km3gpu import io
    from km3gpu.errors import ConfigError, OutputExistsError, UnknownNameError
    from km3gpu.pipeline import Recipe, run
    from km3gpu.pipeline.settings import RunSettings, SourceSettings
    from km3gpu.pipeline.steps import SINKS

    if out.suffix not in _SINKS:
        raise ConfigError(f"no format for {out.name!r}", remedy=f"give it one of {', '.join(_SINKS)}")
    if out.exists() and not replace:
        raise OutputExistsError(f"{str(out)!r} exists", remedy="choose another name, or --force")
    source = io.open(files, tree=tree)
    for name in tables or ():
        if name not in source.tables:
            raise UnknownNameError.of("table", name, source.tables, where=source.paths[0])
    chosen = () if tables is None else tuple(dict.fromkeys(["events", *tables]))
    sink: Any = SINKS[_SINKS[out.suffix]](name="converted", tables=chosen)
    recipe = Recipe(SourceSettings(tree=source.tree), sinks=(sink,), run=RunSettings(workers=workers))
    out.parent.mkdir(parents=True, exist_ok=True)
    # a run like any other, beside the output, so that the last step is a rename
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        result = run(recipe, source.paths, out=Path(folder) / "run")
        result.outputs[0].replace(out)
    rows: Counter[str] = Counter()
    for receipt in result.receipts:
        rows.update(receipt.outputs[0].rows)
    return dict(rows)
