"""Events that are the same in parts of different chunks: the first in the order of the plan stays."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from km3gpu import io
from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import FormatError
from km3gpu.io.sink import Sink
from km3gpu.pipeline.chosen import Chosen
from km3gpu.stages.deduplicate import Deduplicate, first_of_each
from km3gpu.stages.identity import IDENTITY
from km3gpu.stages.select import kept_events
from km3gpu.stages.stage import Stage
from km3gpu.table import Table

__all__ = ["without_duplicates"]

_BY_RANGE = ("parquet", "hdf5")  # formats that are read column by column


@contextmanager
def without_duplicates(
    sink: Sink, stages: Iterable[Stage], parts: Sequence[Path], folder: Path
) -> Iterator[list[Path]]:
    """Give parts to merge in which no event comes twice, where a stage of the plan asks for that.

    Parameters
    ----------
    sink : Sink
    stages : iterable of Stage
        Of the plan; all `Deduplicate` are kept to.
    parts : sequence of Path
        In the order of the plan.
    folder : Path
        Where parts with duplicates are written again without, for as long as needed.

    Yields
    ------
    list of Path
        The parts, in order; those without duplicates are the same files.
    """
    asked = [s for s in stages if isinstance(s, Deduplicate)]
    if not asked:
        yield list(parts)
        return
    scratch = folder / f".duplicates.{uuid.uuid4().hex[:12]}.tmp"
    scratch.mkdir()
    try:
        clean = list(parts)
        for stage in asked:
            keys = [stage.keys(_events(sink, p, stage.by)) for p in clean]
            for i, keep in enumerate(first_of_each(keys)):
                if not keep.all():
                    clean[i] = _rewritten(sink, clean[i], keep, scratch / f"{uuid.uuid4().hex}{sink.suffix}")
        yield clean
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _events(sink: Sink, part: Path, by: Sequence[str]) -> Table:
    if sink.format not in _BY_RANGE:
        tables = sink.read(part)
        if "events" not in tables:
            raise FormatError("a part without events, to find duplicates by", where=str(part))
        return tables["events"]
    source = io.open(str(part))
    there = source.tables.get("events", ())
    names = [n for n in (by or IDENTITY[:4]) if n in there]
    if not names:
        raise FormatError(
            "a part without the columns that identify events",
            where=str(part),
            remedy="write the table 'events' in every sink of a plan with 'deduplicate'",
        )
    return source.read(columns={"events": names}, backend="cpu").events


def _rewritten(sink: Sink, part: Path, keep: Any, path: Path) -> Path:
    tables = kept_events(sink.read(part), keep)
    inner: Any = sink.sink if isinstance(sink, Chosen) else sink
    inner.write(Chunk(Origin(str(part), "tables", "", 0, int(keep.sum())), tables), path)
    return path
