"""HDF5 files of km3pipe (formats 4 and 5), and others whose tables carry the number of the event.

A file has compound tables whose rows carry the number of their group (event),
"split" groups: a dataset per column, and ``_indices`` that says where the rows of
each event begin, which are our offsets already, and arrays with such a table
beside them, which get the single column ``values``.  Tables and columns get
the names of the schema (``time`` is ``t``, ``triggered`` is ``trig``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from km3gpu import schema
from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.dataset import Wanted
from km3gpu.io.hdf5file import opened
from km3gpu.io.header import Header
from km3gpu.io.meta import chain_of
from km3gpu.io.onedataset import OneDataset
from km3gpu.table import Table

__all__ = ["Km3Hdf5", "as_declared", "has_event_tables"]

_TABLES = {
    "event_info": "events",
    "reco/tracks": "tracks",
    # summaries of aanet files, which astropy wrote
    "ID": "events",
    "MC/MC_EVENTS": "mc_tracks",
    "RECO/RECO_EVENTS": "tracks",
}
_COLUMNS = {
    "time": "t",
    "energy": "E",
    "length": "len",
    "likelihood": "lik",
    "triggered": "trig",
    "pdgid": "type",
    "pdg_id": "type",
    "mc_time": "mc_t",
    "utc_seconds": "t_sec",
    "timestamp": "t_sec",
    "utc_nanoseconds": "t_ns",
    "nanoseconds": "t_ns",
}
_VALUES = "values"  # the only column of an array
_KEYS = ("group_id", "event_id")  # of format 5, and of format 4
_NOT_TABLES = ("group_info", "raw_header", "meta")


@dataclass(frozen=True)
class _Place:
    """Where a table lies and where its events begin."""

    path: str
    columns: Mapping[str, str]  # our names: those of the file
    starts: np.ndarray  # (n_events,) first row of each event
    counts: np.ndarray
    order: np.ndarray | None  # rows in the order of events, where the file has another
    split: bool
    n_bytes: int


def has_event_tables(file: h5py.File) -> bool:
    """Tell whether a file has compound tables whose rows carry the number of the event."""

    def look_at(name: str, node: Any) -> bool | None:
        names = getattr(getattr(node, "dtype", None), "names", None) or ()
        return True if any(k in names for k in _KEYS) else None

    return bool(file.visititems(look_at))


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
            groups = _groups(file)
            self.n_entries = len(groups)
            self.places: dict[str, _Place] = {}
            file.visititems(lambda name, node: self._look_at(name, node, groups))
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

    def _look_at(self, name: str, node: Any, groups: np.ndarray) -> None:
        last = name.rpartition("/")[2]
        if name in _NOT_TABLES or any(p.startswith("_") for p in name.split("/")):
            return
        if isinstance(node, h5py.Group):
            if "_indices" in node:
                self._add(name, _split_place(name, node, groups))
        elif node.dtype.names is not None and not last.endswith("_indices"):
            key = next((k for k in _KEYS if k in node.dtype.names), None)
            if key is not None:
                self._add(name, _compound_place(name, node, key, groups))
        elif f"{name}_indices" in node.file:
            self._add(name, _array_place(name, node, groups))

    def _add(self, name: str, place: _Place) -> None:
        table = _TABLES.get(name, name.replace("/", "_"))
        self.places[table] = place

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


def _groups(file: h5py.File) -> np.ndarray:
    """Give the numbers of the groups (events), in the order of the file."""
    for name in ("group_info", "event_info"):
        node = file.get(name)
        if node is not None:
            key = next((k for k in _KEYS if k in (node.dtype.names or ())), None)
            if key is not None:
                return np.asarray(node.fields(key)[()]).astype(np.int64)
    keys: list[np.ndarray] = []

    def look_at(name: str, node: Any) -> None:
        found = next((k for k in _KEYS if k in (getattr(node, "dtype", np.dtype("u1")).names or ())), None)
        if found is not None and not name.startswith("_"):
            keys.append(node.fields(found)[()].astype(np.int64))

    file.visititems(look_at)
    return np.unique(np.concatenate([np.zeros(0, np.int64), *keys]))


def _compound_place(path: str, node: h5py.Dataset, key: str, groups: np.ndarray) -> _Place:
    keys = node.fields(key)[()].astype(np.int64)
    order = None
    if len(keys) and (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
    starts = np.searchsorted(keys, groups, "left")
    counts = np.searchsorted(keys, groups, "right") - starts
    if (groups[1:] < groups[:-1]).any() or int(counts.sum()) != len(keys):
        # events in another order, or rows of events that group_info does not know
        order = (np.arange(len(keys)) if order is None else order)[_rows_of(starts, counts)]
        starts = np.cumsum(counts) - counts
    names = [n for n in node.dtype.names if n != key]
    return _Place(path, _our_names(names), starts, counts, order, False, node.dtype.itemsize * len(keys))


def _split_place(path: str, node: h5py.Group, groups: np.ndarray) -> _Place:
    starts, counts, order = _indexed(node["_indices"], groups)
    columns = {
        n: d for n, d in node.items() if isinstance(d, h5py.Dataset) and n[0] != "_" and n not in _KEYS
    }
    n_bytes = sum(d.dtype.itemsize * len(d) for d in columns.values())
    return _Place(path, _our_names(list(columns)), starts, counts, order, True, n_bytes)


def _array_place(path: str, node: h5py.Dataset, groups: np.ndarray) -> _Place:
    """Place an array whose rows are cut into events by the table ``..._indices`` beside it."""
    starts, counts, order = _indexed(node.file[f"{path}_indices"], groups)
    return _Place(path, {_VALUES: ""}, starts, counts, order, False, int(node.size * node.dtype.itemsize))


def _indexed(node: h5py.Dataset, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Read where the rows of each event begin and how many they are, and their order if they have another."""
    indices = node[()]
    starts, counts = indices["index"].astype(np.int64), indices["n_items"].astype(np.int64)
    if len(starts) != len(groups):
        raise FormatError(
            f"{node.name.strip('/')} has {len(starts)} events, the file {len(groups)}",
            where=node.file.filename,
            remedy="write the file again",
        )
    if len(starts) and (starts != np.cumsum(counts) - counts).any():
        return np.cumsum(counts) - counts, counts, _rows_of(starts, counts)
    return starts, counts, None


def _rows_of(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    offsets = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(starts - offsets, counts))


def _our_names(names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        ours = _COLUMNS.get(name, name).replace(".", "_")
        found[ours if ours not in found else name] = name
    return found


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
        return np.asarray(dataset[rows])
    return np.asarray(np.asarray(dataset[()])[rows])


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
            return Header({str(_plain(r[name])): _values(str(_plain(r[value]))) for r in node[()]})
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
