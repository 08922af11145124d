"""Where the rows of each event lie in km3pipe's HDF5: in compound tables, split groups and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.hdf5_blosc import rows_of

__all__ = ["Place", "event_numbers", "has_event_tables", "place_of"]

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
class Place:
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


def place_of(name: str, node: Any, groups: np.ndarray) -> Place | None:
    """Say where the rows of each event lie in a table.

    Parameters
    ----------
    name : str
        Path of the node.
    node : h5py.Group or h5py.Dataset
        Anything that the file holds.
    groups : (n_events,) int64 array
        Numbers of the events.

    Returns
    -------
    Place or None
        None for what is no table of events.

    Raises
    ------
    FormatError
        Its indices are not those of the events.
    """
    last = name.rpartition("/")[2]
    if name in _NOT_TABLES or any(p.startswith("_") for p in name.split("/")):
        return None
    if isinstance(node, h5py.Group):
        return _split_place(name, node, groups) if "_indices" in node else None
    if node.dtype.names is None:
        return _array_place(name, node, groups) if f"{name}_indices" in node.file else None
    key = next((k for k in _KEYS if k in node.dtype.names), None)
    return None if key is None or last.endswith("_indices") else _compound_place(name, node, key, groups)


def event_numbers(file: h5py.File) -> np.ndarray:
    """Give the numbers of the groups (events), in the order of the file."""
    for name in ("group_info", "event_info"):
        node = file.get(name)
        if node is not None:
            key = next((k for k in _KEYS if k in (node.dtype.names or ())), None)
            if key is not None:
                return rows_of(node, field=key).astype(np.int64)
    keys: list[np.ndarray] = []

    def look_at(name: str, node: Any) -> None:
        found = next((k for k in _KEYS if k in (getattr(node, "dtype", np.dtype("u1")).names or ())), None)
        if found is not None and not name.startswith("_"):
            keys.append(rows_of(node, field=found).astype(np.int64))

    file.visititems(look_at)
    return np.unique(np.concatenate([np.zeros(0, np.int64), *keys]))


def _compound_place(path: str, node: h5py.Dataset, key: str, groups: np.ndarray) -> Place:
    keys = rows_of(node, field=key).astype(np.int64)
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
    return Place(path, _our_names(names), starts, counts, order, False, node.dtype.itemsize * len(keys))


def _split_place(path: str, node: h5py.Group, groups: np.ndarray) -> Place:
    starts, counts, order = _indexed(node["_indices"], groups)
    columns = {
        n: d for n, d in node.items() if isinstance(d, h5py.Dataset) and n[0] != "_" and n not in _KEYS
    }
    n_bytes = sum(d.dtype.itemsize * len(d) for d in columns.values())
    return Place(path, _our_names(list(columns)), starts, counts, order, True, n_bytes)


def _array_place(path: str, node: h5py.Dataset, groups: np.ndarray) -> Place:
    """Place an array whose rows are cut into events by the table ``..._indices`` beside it."""
    starts, counts, order = _indexed(node.file[f"{path}_indices"], groups)
    return Place(path, {_VALUES: ""}, starts, counts, order, False, int(node.size * node.dtype.itemsize))


def _indexed(node: h5py.Dataset, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Read where the rows of each event begin and how many they are, and their order if they have another."""
    indices = rows_of(node)
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
