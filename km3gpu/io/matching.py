"""Simulated events of DAQ events, in files that hold both."""

from __future__ import annotations

import numpy as np

from km3gpu.backend import Backend
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.io import source
from km3gpu.io.origins import Columns

__all__ = ["simulated_events"]

_TREE = "E"


def simulated_events(
    chunk: Chunk, simulation: str | None = None, tables: source.Tables = None, columns: Columns = None
) -> Chunk:
    """Read the simulated events that DAQ events were made of.

    Jpp's trigger gives a DAQ event the number of its simulated event as
    ``trigger_counter``: the entry, from 0, of the tree ``E`` of the simulation,
    which its output carries along.

    Parameters
    ----------
    chunk : Chunk
        DAQ events, with ``trigger_counter``.
    simulation : str, optional
        The file with the simulated events; that of `chunk` by default.
    tables, columns
        What to read, as for `Source.read`.

    Returns
    -------
    Chunk
        On the CPU; event ``i`` is the simulated one of event ``i`` of `chunk`.
        Its origin is the range of entries that was read.

    Raises
    ------
    FormatError
        A counter lies beyond the simulated events.
    UnknownNameError
        The file has no tree of simulated events.
    """
    entries = np.asarray(Backend.to_host(chunk.events.flat("trigger_counter"))).astype(np.int64)
    events = source.open(simulation or chunk.source.path, tree=_TREE)
    first, last = (int(entries.min()), int(entries.max()) + 1) if len(entries) else (0, 0)
    if last > events.n_events:
        raise FormatError(
            f"event {last - 1} was simulated, by its trigger_counter, but there are {events.n_events}",
            where=events.paths[0],
            remedy="give the simulation that these events were made of",
        )
    read = events.read(tables, columns, (first, last), backend="cpu")
    return Chunk(read.source, {n: t.take_events(entries - first) for n, t in read.tables.items()})
