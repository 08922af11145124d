"""The catalogue from the records: what a run entered can be read again from where it lies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from km3gpu.chunk import file_digest
from km3gpu.errors import InputNotFoundError, Km3GpuError
from km3gpu.pipeline import provenance
from km3gpu.pipeline.catalogue import Catalogue, Entry, Use, located
from km3gpu.pipeline.rundir import RunDirectory

__all__ = ["entry_of", "index"]


def entry_of(record: Mapping[str, Any], where: str | Path) -> Entry:
    """Make the entry of a run from its record.

    Parameters
    ----------
    record : mapping
        From `km3gpu.pipeline.provenance.read`.
    where : str or Path
        Directory of the run, or an output that carries the record.
    """
    path = Path(where).resolve()
    sessions = record.get("sessions") or [{}]
    outputs = [Use("output", str(path / o["name"]), o["digest"]) for o in record.get("outputs", [])]
    status = record.get("status", "complete" if not record["missing"] else "failed")
    if path.is_file():  # an output that was taken away from its run
        outputs = [Use("output", str(path), file_digest(str(path)))]
    return Entry(
        str(path),
        record["plan"],
        record["code"],
        status,
        sessions[-1].get("worker", ""),
        sessions[0].get("time"),
        sessions[-1].get("ended", {}).get("time"),
        tuple(Use(i["role"], located(i["path"]), i["digest"]) for i in record["inputs"]),
        tuple(outputs),
    )


def index(path: Path, places: Iterable[str | Path], *, rebuild: bool = False) -> tuple[int, list[str]]:
    """Enter all runs below some directories from their records.

    Parameters
    ----------
    path : Path
        The catalogue.
    places : iterable of path
        Directories, searched to any depth, or outputs of runs.
    rebuild : bool
        Begin with an empty catalogue; a damaged one is kept beside, as
        ``.damaged-<time>``.

    Returns
    -------
    int
        Runs that were entered.
    list of str
        What is wrong with those that could not be, a line each.

    Raises
    ------
    InputNotFoundError
        There is no such directory.
    FormatError
        The catalogue cannot be written.
    """
    found: list[Entry] = []
    wrong: list[str] = []
    for top in map(Path, places):
        if not top.exists():
            raise InputNotFoundError(f"no directory {str(top)!r}", remedy="check the path")
        for where in [top] if top.is_file() else _runs(top):
            try:
                found.append(entry_of(provenance.read(where), where))
            except (Km3GpuError, KeyError, TypeError, ValueError, AttributeError) as error:
                wrong.append(f"{where}: {' '.join(str(error).split())}")
    if rebuild and path.exists():
        path.rename(path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}"))
    with Catalogue(path, make=True) as catalogue:
        catalogue.add(*found)
    return len(found), wrong


def _runs(top: Path) -> Iterator[Path]:
    """Find the directories of runs; there are none inside of a run."""
    for folder, below, files in os.walk(top):
        if "plan.json" in files and RunDirectory(Path(folder)).journals():
            below.clear()
            yield Path(folder)
        below.sort()
