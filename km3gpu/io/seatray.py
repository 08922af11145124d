"""HDF5 files that SeaTray (ANTARES, IceCube) writes: a compound table per object of a frame.

Every row carries run and event, and whether the object was there at all.  An
event may have several frames (one for each trigger, which ``TriggerCounter``
tells apart): an entry is the event with all of them.  Tables and columns keep
their names but for run and event, which become ``run_id`` and ``id`` of
``events``.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.dataset import Wanted
from km3gpu.io.hdf5file import opened
from km3gpu.io.onedataset import OneDataset
from km3gpu.table import Table, counts_to_offsets

__all__ = ["INDEX", "SeaTrayFile"]

INDEX = "__I3Index__"
_KEYS = ("Run", "Event")
_BOOKKEEPING = (*_KEYS, "exists", "vector_index")


class SeaTrayFile(OneDataset):
    """An HDF5 file of SeaTray; an entry is an event of any of its tables.

    Parameters
    ----------
    path : str
        A file or URL.

    Raises
    ------
    FormatError
        A table that the index names lacks run and event.
    """

    kind = "seatray"
    name = "seatray"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        with opened(path) as file:
            names = list(file[INDEX])
            self._columns = {n: _columns(file, n, path) for n in names}
            keys = {n: _keys(file[n]) for n in names}
            self._sizes = {n: file[n].dtype.itemsize * len(file[n]) for n in names}
        every = np.concatenate([np.zeros((0, 2), np.int64), *(k[there] for k, there in keys.values())])
        self._events, event_of = np.unique(every, axis=0, return_inverse=True)
        self.n_entries = len(self._events)
        self._rows: dict[str, np.ndarray] = {}  # rows of each table in the order of events
        self._offsets: dict[str, np.ndarray] = {}
        first = 0
        for name, (_, there) in keys.items():
            n = int(there.sum())
            events = event_of.reshape(-1)[first : first + n]
            self._rows[name] = np.flatnonzero(there)[np.argsort(events, kind="stable")]
            self._offsets[name] = counts_to_offsets(np.bincount(events, minlength=self.n_entries))
            first += n

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        return {"events": ("run_id", "id"), **self._columns}

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all events of these tables."""
        return sum(self._sizes.get(t, 16 * self.n_entries) for t in wanted)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read events ``start <= i < stop``."""
        made = {}
        with opened(self.path) as file:
            for table, names in wanted.items():
                if table == "events":
                    run, event = np.ascontiguousarray(self._events[start:stop].T)
                    made[table] = Table(table, {"run_id": run, "id": event}).keep(*names)
                    continue
                offsets = self._offsets[table][start : max(start, stop) + 1]
                places = self._rows[table][offsets[0] : offsets[-1]]
                begin, end = (int(places.min()), int(places.max()) + 1) if len(places) else (0, 0)
                rows = file[table][begin:end][places - begin]
                columns = {n: np.ascontiguousarray(rows[n]) for n in names}
                made[table] = Table(table, columns, offsets - offsets[0])
        return {t: table.map(where.to_device) for t, table in made.items()}


def _columns(file: h5py.File, name: str, path: str) -> tuple[str, ...]:
    node: Any = file.get(name)
    names = node.dtype.names or () if isinstance(node, h5py.Dataset) else ()
    if not {*_KEYS, "exists"} <= set(names):
        raise FormatError(f"no table {name!r} with run and event, which {INDEX} names", where=path)
    return tuple(n for n in names if n not in _BOOKKEEPING)


def _keys(node: h5py.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Give run and event of each row, (n, 2), and whether its object was there."""
    rows = node.fields([*_KEYS, "exists"])[()]
    return np.stack([rows[k].astype(np.int64) for k in _KEYS], axis=1), rows["exists"] != 0
