"""Reading the rows of an origin, as sources and workers do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from km3gpu import backend as _backend
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import FormatError
from km3gpu.io.dataset import choose
from km3gpu.io.opened import open_file

__all__ = ["Columns", "read_origin"]

Columns: TypeAlias = Mapping[str, Iterable[str]] | Iterable[str] | None


def read_origin(origin: Origin, columns: Columns = None, *, backend: str | Backend = "auto") -> Chunk:
    """Read the rows of an origin: from what a worker is handed to what it works on.

    Files stay open per process, so the chunks of one file open it once.

    Parameters
    ----------
    origin : Origin
        File, tree, entry range and columns.
    columns : mapping or iterable of str, optional
        Read these instead of the origin's own; they then belong to the
        chunk's identity.
    backend : str or Backend
        Where the arrays go.

    Returns
    -------
    Chunk

    Raises
    ------
    FormatError, TruncatedFileError
        The file is damaged, or has fewer entries than the origin says.
    UnknownNameError
        It lacks a column.
    """
    where = _backend.select(backend)
    file = open_file(origin.path)
    dataset = file.dataset(origin.tree)
    if not 0 <= origin.start <= origin.stop <= dataset.n_entries:
        raise FormatError(
            f"entries {origin.start} to {origin.stop} of {dataset.n_entries}",
            where=dataset.where,
            remedy="plan the chunks again: the file has changed",
        )
    wanted = choose(dataset, None, columns if columns is not None else origin.columns or None)
    if columns is not None:
        origin = replace(origin, columns=tuple(f"{t}/{c}" for t, cs in wanted.items() for c in cs))
    if not origin.uuid:
        origin = replace(origin, uuid=file.uuid)
    return Chunk(origin, dataset.read(wanted, origin.start, origin.stop, where))
