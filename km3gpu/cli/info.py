"""``km3gpu info``: what a file is, and what made it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["describe", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "info")
    def info(
        files: Annotated[
            list[str], typer.Argument(metavar="FILE...", help="Data or detector files; globs too.")
        ],
        rows: Annotated[
            bool, typer.Option("--rows", help="Count the rows of every table (reads the file).")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Say what a file is: detector, run, time range, events, tables, header, applications."""
        from km3gpu.cli.printing import facts, print_json, show
        from km3gpu.errors import FormatError, Km3GpuError
        from km3gpu.io.paths import resolve

        paths = resolve(files)
        found: list[dict[str, Any]] = []
        faults: list[Km3GpuError] = []
        for path in paths:
            try:
                found.append(describe(path, rows))
            except Km3GpuError as error:
                faults.append(error)
        if as_json and not (faults and len(paths) == 1):
            print_json(found)
        else:
            for i, each in enumerate(found):
                show(*([""] if i else []), facts(each["path"], _pairs(each)))
        if faults and len(paths) > 1:
            raise FormatError(f"{len(faults)} of {len(paths)} files do not read, the first: {faults[0]}")
        if faults:
            raise faults[0]


def describe(path: str, rows: bool = False) -> dict[str, Any]:
    """Describe one file as plain values.

    Parameters
    ----------
    path : str
        A data file, or a detector description.
    rows : bool
        Count the rows of every table, which reads a column of each.

    Returns
    -------
    dict

    Raises
    ------
    InputNotFoundError, NotRootError, TruncatedFileError, FormatError
        The file cannot be read.
    """
    from km3gpu.cli.detector_facts import described
    from km3gpu.io import open as open_source
    from km3gpu.io.detectorfiles import DetectorFile
    from km3gpu.io.filebytes import file_bytes
    from km3gpu.io.opened import open_file

    source = open_source(path)
    file = open_file(source.paths[0])
    if isinstance(file, DetectorFile):
        return described(file.detector)
    header = source.header
    return {
        "path": path,
        "bytes": file_bytes(source.paths[0]).size,
        "kind": source.kind,
        "tree": source.tree,
        "trees": source.trees,
        "uuid": source.uuid,
        "detector": source.detector_id,
        "run": source.run_id,
        "events": source.n_events,
        **_times(source),
        "tables": {name: list(columns) for name, columns in source.tables.items()},
        "rows": _rows(source) if rows else None,
        "header": None if header is None else dict(header.raw),
        "applications": source.meta,
    }


def _times(source: Any) -> dict[str, Any]:
    """Give the dates of the earliest and latest event, and how many have none."""
    import numpy as np

    if "time_ns" not in source.tables.get("events", ()):
        return {"first": None, "last": None, "without_date": 0}
    chunks = source.chunks(columns={"events": ("time_ns",)}, backend="cpu")
    times = np.concatenate([np.zeros(0, "i8"), *(c.events.flat("time_ns") for c in chunks)])
    dated = times[times > _BEFORE_KM3NET]
    first, last = (
        (f"{np.datetime64(int(t), 'ns').astype('M8[us]')}Z" for t in (dated.min(), dated.max()))
        if len(dated)
        else (None, None)
    )
    return {"first": first, "last": last, "without_date": len(times) - len(dated)}


def _rows(source: Any) -> dict[str, int]:
    """Count rows by reading the first column of every table."""
    columns = {table: names[:1] for table, names in source.tables.items()}
    counts = dict.fromkeys(columns, 0)
    for chunk in source.chunks(columns=columns, backend="cpu"):
        for table in counts:
            counts[table] += len(chunk.tables[table])
    return counts


def _pairs(d: dict[str, Any]) -> list[tuple[str, object]]:
    from km3gpu.cli.detector_facts import pairs
    from km3gpu.cli.printing import bytes_text

    if d["kind"] == "detector":
        return pairs(d)
    tables = (
        f"{name} ({len(columns)} columns" + (f", {d['rows'][name]:,} rows)" if d["rows"] else ")")
        for name, columns in d["tables"].items()
    )
    others = ", ".join(f"{n} ({e:,})" for n, e in d["trees"].items() if n != d["tree"])
    made = (f"{a['application']} {a['git']}  {a.get('time', '')}".strip() for a in d["applications"])
    header = d["header"] or {}
    return [
        ("is", f"{_KINDS.get(d['kind'], d['kind'])}, {bytes_text(d['bytes'])}"),
        ("detector", d["detector"]),
        ("run", d["run"]),
        ("entries", f"{d['events']:,} in tree {d['tree']}"),
        ("other trees", others),
        ("time", _time(d)),
        ("tables", "\n".join(tables)),
        ("uuid", d["uuid"]),
        ("made by", "\n".join(made)),
        ("header", "\n".join(f"{name}: {text}" for name, text in header.items())),
    ]


def _time(d: dict[str, Any]) -> str:
    if d["first"] is None:
        return "no event has a date (simulated events carry none)" if d["without_date"] else ""
    missing = f"; {d['without_date']:,} events without a date" if d["without_date"] else ""
    return f"{d['first']} to {d['last']}{missing}"


# simulated events count from 1970, or carry a stamp that was never set
_BEFORE_KM3NET = 946_684_800 * 10**9  # 2000-01-01
_KINDS = {
    "offline": "offline events",
    "daq": "events of the data acquisition",
    "summaryslices": "summary slices",
    "tables": "tables that km3gpu wrote",
    "acoustic_fits": "acoustic fits",
    "gseagen": "events of gSeaGen",
    "oscillations": "oscillation open data",
    "clb_hits": "hits of a control board",
    "event_tables": "HDF5 tables of events",
    "evt": "events of a simulation, EVT text",
    "hydrophone": "positions of hydrophones",
    "km3pipe": "HDF5 of km3pipe",
    "mechanics": "mechanical constants of strings",
    "orientations": "orientations of modules",
    "pmt_file": "properties of PMTs",
    "raw_acoustics": "raw acoustics",
    "seatray": "HDF5 of SeaTray",
    "transmitter": "positions of acoustic transmitters",
    "tripod": "positions of acoustic emitters",
    "waveform": "waveforms of acoustic emitters",
}
