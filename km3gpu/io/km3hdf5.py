"""HDF5 files of km3pipe (formats 4 and 5), and others whose tables carry the number of the event.

A file has compound tables whose rows carry the number of their group (event),
"split" groups: a dataset per column, and ``_indices`` that says where the rows of
each event begin, which are our offsets already, and arrays with such a table
beside them, which get the single column ``values``.  Tables and columns get
the names of the schema (``time`` is ``t``, ``triggered`` is ``trig``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from km3gpu import schema
from km3gpu.backend import Backend
from km3gpu.io.dataset import Wanted
from km3gpu.io.hdf5_blosc import rows_of
from km3gpu.io.hdf5file import opened
from km3gpu.io.header import Header
from km3gpu.io.km3places import Place, event_numbers, place_of
from km3gpu.io.meta import chain_of
from km3gpu.io.onedataset import OneDataset
from km3gpu.table import Table

__all__ = ["Km3Hdf5", "as_declared"]

_TABLES = {
    "event_info": "events",
    "reco/tracks": "tracks",
    # summaries of aanet files, which astropy wrote
    "ID": "events",
    "MC/MC_EVENTS": "mc_tracks",
    "RECO/RECO_EVENTS": "tracks",
}


class Km3Hdf5(OneDataset):
    """An HDF5 file of km3pipe, or another with tables of events.

    Parameters
    ----------
    path : str
        A file or URL.
    """

    def __init__(self, path: str) -> None:
        with opened(path) as file:
            self.attrs = {k: _plain(v) for k, v in file.attrs.items()}
            of_km3pipe = "format_version" in self.attrs or "km3pipe" in self.attrs
            self.kind = self.name = "km3pipe" if of_km3pipe else "event_tables"
            super().__init__(path)
            groups = event_numbers(file)
            self.n_entries = len(groups)
            self.places: dict[str, Place] = {}
            file.visititems(lambda name, node: self._add(name, place_of(name, node, groups)))
            self._header = _header(file)
            self._record = bytes(file["provenance"][()]) if "provenance" in file else b""

    def header(self) -> Header | None:
        """Give the header of the simulation, or None."""
        return self._header

    def meta(self) -> list[dict[str, Any]]:
        """Give the version of km3pipe that wrote the file, or the steps that led to one of ours."""
        if self._record:
            return chain_of(self._record)
        version = self.attrs.get("km3pipe", "")
        return [{"application": "km3pipe", "git": version, **self.attrs}] if version else []

    def _add(self, name: str, place: Place | None) -> None:
        if place is not None:
            self.places[_TABLES.get(name, name.replace("/", "_"))] = place

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns, ``events`` first."""
        found = {}
        for table in sorted(self.places, key=lambda t: t != "events"):
            names = tuple(self.places[table].columns)
            if table == "events" and {"t_sec", "t_ns"} <= set(names):
                names = (*names, "time_ns")
            found[table] = names
        return found

    def edges(self) -> list[int]:
        """Give no edges but the ends: HDF5 chunks do not follow events."""
        return [0, self.n_entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all events of these tables."""
        return sum(
            self.places[t].n_bytes * len(cs) // max(len(self.places[t].columns), 1)
            for t, cs in wanted.items()
        )

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read events ``start <= i < stop``.

        Raises
        ------
        FormatError
            A dataset does not read.
        """
        with opened(self.path) as file:
            made = {t: self._table(file, t, names, start, stop) for t, names in wanted.items()}
        return {t: table.map(where.to_device) for t, table in made.items()}

    def _table(self, file: h5py.File, table: str, names: tuple[str, ...], start: int, stop: int) -> Table:
        place = self.places[table]
        counts = place.counts[start:stop]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        first = int(place.starts[start]) if stop > start else 0
        rows: slice | np.ndarray = slice(first, first + int(offsets[-1]))
        if place.order is not None:
            rows = place.order[rows]
        read = _reader(file[place.path], place.split, rows)
        columns = {}
        for name in names:
            if name == "time_ns" and table == "events":
                sec, ns = (read(place.columns[c]).astype(np.int64) for c in ("t_sec", "t_ns"))
                columns[name] = sec * 1_000_000_000 + ns
            else:
                columns[name] = as_declared(table, name, read(place.columns[name]))
        one_each = table == "events" and bool((counts == 1).all())
        return Table(table, columns, None if one_each else offsets)


def _reader(node: Any, split: bool, rows: Any) -> Callable[[str], np.ndarray]:
    """Give a function that reads one column; a compound table is read once for all."""
    if split:
        return lambda name: np.ascontiguousarray(_take(node[name], rows))
    table = _take(node, rows)
    if table.dtype.names is None:
        return lambda _: np.ascontiguousarray(table)
    return lambda name: np.ascontiguousarray(table[name])


def _take(dataset: h5py.Dataset, rows: Any) -> np.ndarray:
    if isinstance(rows, slice):
        return rows_of(dataset, rows)
    return np.asarray(rows_of(dataset)[rows])


def as_declared(table: str, name: str, column: np.ndarray) -> np.ndarray:
    """Give a column in the type that the schema declares, where no value is changed by that."""
    declared = schema.FIELDS.get((table, name))
    if column.dtype.byteorder == ">":
        column = column.astype(column.dtype.newbyteorder("="))
    if declared is None or declared.dtype[0] in "[s" or column.ndim > 1:
        return column
    with np.errstate(invalid="ignore"):
        cast: np.ndarray = column.astype(declared.dtype)
    return cast if np.array_equal(cast, column, equal_nan=column.dtype.kind == "f") else column


def _header(file: h5py.File) -> Header | None:
    for path, name, value in (
        ("raw_header", "parameter", "field_values"),
        ("HEADER", "Parameter", "Value"),  # of astropy's tables
    ):
        node = file.get(path)
        if isinstance(node, h5py.Dataset) and {name, value} <= set(node.dtype.names or ()):
            return Header({str(_plain(r[name])): _values(str(_plain(r[value]))) for r in rows_of(node)})
    return None


def _values(text: str) -> str:
    """Give the values of a named tuple written as text, ``can(zmin=0, zmax=1027)``."""
    inner = re.fullmatch(r"\w+\((\w+=.*)\)", text)
    if inner is None:
        return text
    return " ".join(v.partition("=")[2].strip("'") for v in inner[1].split(", "))


def _plain(value: Any) -> Any:
    """Give an attribute as a plain Python value."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else str(value)
