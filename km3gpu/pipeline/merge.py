"""Putting parts together: in the order of the plan, each checked against its receipt."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from km3gpu.chunk import Chunk, Origin, file_digest
from km3gpu.io.sink import Sink
from km3gpu.pipeline.chosen import Chosen
from km3gpu.pipeline.duplicates import without_duplicates
from km3gpu.pipeline.receipt import Output, Receipt, sink_key
from km3gpu.pipeline.task import part_name, publish
from km3gpu.stages.concat import concatenate
from km3gpu.stages.stage import Stage

_READERS = 8

__all__ = ["agrees", "damaged", "join", "merge"]


def damaged(receipts: Sequence[Receipt], folder: Path) -> list[Receipt]:
    """Give the receipts with a part that is not, byte for byte, what was written.

    Parameters
    ----------
    receipts : sequence of Receipt
        Of chunks that are done.
    folder : Path
        Folder of the parts.
    """

    def whole(receipt: Receipt) -> bool:
        return all(agrees(folder / o.name, o) for o in receipt.outputs)

    with ThreadPoolExecutor(_READERS) as pool:  # hashing and reading let go of the GIL
        return [r for r, good in zip(receipts, pool.map(whole, receipts), strict=True) if not good]


def agrees(path: Path, output: Output) -> bool:
    """Tell whether a file is there and is, byte for byte, what was written."""
    try:
        return path.stat().st_size == output.bytes and file_digest(str(path)) == output.digest
    except OSError:
        return False


def merge(
    sink: Sink,
    receipts: Sequence[Receipt],
    folder: Path,
    out: Path,
    provenance: str,
    stages: Sequence[Stage] = (),
    name: str | None = None,
) -> Output:
    """Put the parts of one sink together.

    Parameters
    ----------
    sink : Sink
    receipts : sequence of Receipt
        In the order of the plan.
    folder : Path
        Folder of the parts.
    out : Path
        Folder of the merged file.
    provenance : str
        Record to embed, JSON.
    stages : sequence of Stage
        Of the plan; what one of them promises of the whole run is kept here.
    name : str, optional
        Of the output without suffix, instead of the sink's.

    Returns
    -------
    Output
        The merged file; it has its name only when it is whole and on disk.
    """
    key = sink_key(sink)
    names = [
        next(o.name for o in r.outputs if o.sink == key and o.name == part_name(r.id, sink)) for r in receipts
    ]
    final = out / f"{sink.name if name is None else name}{sink.suffix}"
    temporary = out / f".{final.name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        with without_duplicates(sink, stages, [folder / n for n in names], out) as parts:
            part = sink.merge(parts, temporary, provenance)
        publish(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Output(key, final.name, part.rows, part.bytes, part.digest)


def join(sink: Sink, halves: Sequence[Path], identity: str, origin: Origin, folder: Path) -> Output:
    """Make the part of a chunk that was split from the parts of its halves.

    The part is the same, byte for byte, as the whole chunk would have given, so
    that the merged output does not tell how much memory a worker had.
    """
    final = folder / part_name(identity, sink)
    temporary = folder / f"{final.name}.{uuid.uuid4().hex[:12]}.tmp"
    inner: Any = sink.sink if isinstance(sink, Chosen) else sink  # its events were chosen before
    try:
        if hasattr(inner, "join"):
            part = inner.join(halves, temporary)
        else:
            read = [inner.read(path) for path in halves]
            tables = {n: concatenate([tables[n] for tables in read]) for n in read[0]}
            part = inner.write(Chunk(origin, tables), temporary)
        publish(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Output(sink_key(sink), final.name, part.rows, part.bytes, part.digest)
