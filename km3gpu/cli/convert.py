"""``km3gpu convert``: data files to Parquet or HDF5, with the record of where rows came from."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["convert", "names", "register", "report"]

_FORMATS = {
    ".parquet": ("parquet",),
    ".h5": ("hdf5", "km3pipe"),
    ".hdf5": ("hdf5", "km3pipe"),
    ".fits": ("fits",),
}


Tables = Annotated[
    str | None, typer.Option("--tables", "-t", help="Only these, with commas between; events always.")
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", "-c", help="Only these, as table/column or table/*, with commas between."),
]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help="parquet, hdf5, km3pipe or fits; by default as OUT is called."),
]
Tree = Annotated[str | None, typer.Option("--tree", help="The tree to read; by default the first filled.")]
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, help="Chunks in work at once.")]
Force = Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "convert")
    def convert_files(
        files: Annotated[
            list[str],
            typer.Argument(metavar="IN... OUT", help="Inputs, and the file to write (.parquet, .h5, .fits)."),
        ],
        tables: Tables = None,
        columns: Columns = None,
        kind: Format = None,
        tree: Tree = None,
        workers: Workers = 1,
        force: Force = False,
        as_json: AsJson = False,
    ) -> None:
        """Convert data files to one Parquet or HDF5 file; several inputs are put one behind the other.

        HDF5 is km3gpu's own layout, or with --format km3pipe that of km3pipe's tools.
        Nothing is computed: for calibrated or clustered rows run a plan.
        """
        from km3gpu.errors import ConfigError

        if len(files) < 2:
            raise ConfigError("convert needs an input and an output", remedy="km3gpu convert IN... OUT")
        *inputs, last = files
        rows = convert(
            inputs,
            Path(last),
            tables=names(tables),
            columns=names(columns),
            kind=kind,
            tree=tree,
            workers=workers,
            replace=force,
        )
        report(Path(last), rows, as_json)


def names(listed: str | None) -> list[str]:
    """Give the names of a list with commas between."""
    return [name.strip() for name in (listed or "").split(",") if name.strip()]


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
    tables: Sequence[str] = (),
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
        ``.parquet``, ``.h5``, ``.hdf5`` or ``.fits``.
    tables : sequence of str
        Only these, and ``events``; all by default.
    columns : sequence of str
        Only these, as ``table/column`` or ``table/*``; all by default.
    kind : str, optional
        ``"parquet"``, ``"hdf5"``, ``"km3pipe"`` or ``"fits"``; by default as `out` is called.
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
        The suffix of `out` is none of those, its folder cannot be written to,
        an input is named twice, or inputs do not go together.
    OutputExistsError
        `out` exists.
    UnknownNameError
        A table that the files do not have.
    """
    from km3gpu import io
    from km3gpu.errors import ConfigError, Km3GpuError, OutputExistsError, UnknownNameError
    from km3gpu.pipeline import Recipe, run
    from km3gpu.pipeline.settings import RunSettings, SourceSettings
    from km3gpu.pipeline.sinks import SINKS

    formats = _FORMATS.get(out.suffix, ())
    if not formats:
        raise ConfigError(f"no format for {out.name!r}", remedy=f"give it one of {', '.join(_FORMATS)}")
    if kind is not None and kind not in formats:
        raise ConfigError(f"no format {kind!r} for {out.name!r}", remedy=f"there is {', '.join(formats)}")
    if out.is_dir() or (out.exists() and not replace):
        remedy = "choose another name" + ("" if out.is_dir() else ", or --force")
        raise OutputExistsError(f"{str(out)!r} exists", remedy=remedy)
    source = io.open(files, tree=tree)
    if len(set(source.paths)) < len(source.paths):
        twice = next(p for p in source.paths if source.paths.count(p) > 1)
        raise ConfigError(f"{twice!r} is named twice", remedy="name each input once")
    if not source.tables:
        raise ConfigError(
            "no tables of events", where=source.paths[0], remedy="see what it holds: km3gpu info"
        )
    for name in tables:
        if name not in source.tables:
            raise UnknownNameError.of("table", name, source.tables, where=source.paths[0])
    chosen = tuple(dict.fromkeys(["events", *tables])) if tables else ()
    sink: Any = SINKS[kind or formats[0]](name="converted", tables=chosen)
    settings = SourceSettings(tree=source.tree)
    if columns:
        events = () if any(c.startswith("events/") for c in columns) else ("events/*",)
        settings = dataclasses.replace(settings, columns=(*events, *columns))
    recipe = Recipe(settings, sinks=(sink,), run=RunSettings(workers=workers))
    # a run like any other, beside the output, so that the last step is a rename
    with _folder_beside(out) as folder:
        try:
            result = run(recipe, source.paths, out=folder / "run")
        except Km3GpuError as error:
            if error.remedy and ("[source]" in error.remedy or "in the plan" in error.remedy):
                error.remedy = "name with --columns those that all inputs have, or convert them apart"
            raise
        result.outputs[0].replace(out)
    rows: Counter[str] = Counter()
    for receipt in result.receipts:
        rows.update(receipt.outputs[0].rows)
    return dict(rows)


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """Give a new folder beside a file, which is removed at the end.

    Raises
    ------
    ConfigError
        It cannot be made.
    """
    from km3gpu.errors import ConfigError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent)
    except OSError as error:
        raise ConfigError(
            f"cannot write in {str(out.parent)!r}: {error.strerror}", remedy="choose another folder"
        ) from error
    with made as folder:
        yield Path(folder)
