"""``km3gpu convert``: data files to Parquet or HDF5, with the record of where rows came from."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["convert", "register", "report"]

_FORMATS = {".parquet": ("parquet",), ".h5": ("hdf5", "km3pipe"), ".hdf5": ("hdf5", "km3pipe")}


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
        columns: Annotated[
            str | None,
            typer.Option(
                "--columns", "-c", help="Only these, as table/column or table/*, with commas between."
            ),
        ] = None,
        kind: Annotated[
            str | None,
            typer.Option("--format", "-f", help="parquet, hdf5 or km3pipe; by default as OUT is called."),
        ] = None,
        tree: Annotated[
            str | None, typer.Option(help="The tree to read; by default the first filled.")
        ] = None,
        workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Chunks in work at once.")] = 1,
        force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Convert data files to one Parquet or HDF5 file; several inputs are put one behind the other.

        HDF5 is km3gpu's own layout, or with --format km3pipe that of km3pipe's tools.
        Nothing is computed: for calibrated or clustered rows run a plan.
        """
        from km3gpu.errors import ConfigError

        if len(files) < 2:
            raise ConfigError("convert needs an input and an output", remedy="km3gpu convert IN... OUT")
        *inputs, last = files
        out = Path(last)
        rows = convert(
            inputs,
            out,
            tables=tables.split(",") if tables else None,
            columns=columns.split(",") if columns else (),
            kind=kind,
            tree=tree,
            workers=workers,
            replace=force,
        )
        report(out, rows, as_json)


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
    columns: Sequence[str] = (),
    kind: str | None = None,
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
    columns : sequence of str
        Only these, as ``table/column`` or ``table/*``; all by default.
    kind : str, optional
        ``"parquet"``, ``"hdf5"`` or ``"km3pipe"``; by default as `out` is called.
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

    formats = _FORMATS.get(out.suffix, ())
    if not formats:
        raise ConfigError(f"no format for {out.name!r}", remedy=f"give it one of {', '.join(_FORMATS)}")
    if kind is not None and kind not in formats:
        raise ConfigError(f"no format {kind!r} for {out.name!r}", remedy=f"there is {', '.join(formats)}")
    if out.is_dir() or (out.exists() and not replace):
        remedy = "choose another name" + ("" if out.is_dir() else ", or --force")
        raise OutputExistsError(f"{str(out)!r} exists", remedy=remedy)
    source = io.open(files, tree=tree)
    for name in tables or ():
        if name not in source.tables:
            raise UnknownNameError.of("table", name, source.tables, where=source.paths[0])
    chosen = () if tables is None else tuple(dict.fromkeys(["events", *tables]))
    sink: Any = SINKS[kind or formats[0]](name="converted", tables=chosen)
    settings = SourceSettings(tree=source.tree)
    if columns:
        events = () if any(c.startswith("events/") for c in columns) else ("events/*",)
        settings = dataclasses.replace(settings, columns=(*events, *columns))
    recipe = Recipe(settings, sinks=(sink,), run=RunSettings(workers=workers))
    out.parent.mkdir(parents=True, exist_ok=True)
    # a run like any other, beside the output, so that the last step is a rename
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        result = run(recipe, source.paths, out=Path(folder) / "run")
        result.outputs[0].replace(out)
    rows: Counter[str] = Counter()
    for receipt in result.receipts:
        rows.update(receipt.outputs[0].rows)
    return dict(rows)
