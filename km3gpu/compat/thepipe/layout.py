"""What a blob holds of an event: keys, column names and types as km3pipe has them.

A blob has an array of records for each table that has rows in the event:
``EventInfo`` (one row), ``Hits``, ``McHits``, ``Tracks``, ``McTracks`` and so on;
of a timeslice ``TimesliceInfo`` and ``TSHits``.  Where km3pipe is loaded the
arrays are its ``Table``, else record arrays of NumPy.  They are views of one
array per table.

Columns have the names of the schema, but for ``time`` (t), ``triggered`` (trig),
``energy`` (E), ``length`` (len), ``likelihood`` (lik), ``timestamp`` (t_sec),
``nanoseconds`` (t_ns), ``mc_time`` (mc_t), ``event_id`` (id) of events and
``pdgid`` (type) of simulated tracks.  To look at, but not to be written to, there
are ``weight_w1`` to ``weight_w4`` (from w) of events, and of DAQ files, which have
no such columns, ``timestamp`` and ``nanoseconds`` (from time_ns), ``time`` (from
tdc) and ``triggered`` (from the triggered hits).
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable
from typing import Any

import numpy as np

from km3gpu.chunk import Chunk
from km3gpu.io.km3pipe_layout import with_trigger_bits
from km3gpu.table import Ragged, Table

__all__ = ["key_of", "names_in_blob", "records_of"]

_COLUMNS = {
    "t": "time",
    "trig": "triggered",
    "E": "energy",
    "len": "length",
    "lik": "likelihood",
    "t_sec": "timestamp",
    "t_ns": "nanoseconds",
    "mc_t": "mc_time",
}
_OF_TABLE = {"mc_tracks": {"type": "pdgid"}, "events": {"id": "event_id"}}
_OF_SLICES = {"events": "TimesliceInfo", "hits": "TSHits"}
_WEIGHTS = 4
_NS = 1_000_000_000

# where km3pipe's sink puts its tables, and those that it writes column by column
_PLACES = {"EventInfo": "/event_info", "TimesliceInfo": "/timeslice_info", "TSHits": "/timeslice_hits"}
_SPLIT = {"Hits", "McHits", "TSHits", "TriggeredHits"}


def key_of(table: str, kind: str = "offline") -> str:
    """Give the key that a table of this kind of file has in a blob: ``"mc_hits"`` is ``"McHits"``."""
    if kind == "timeslices" and table in _OF_SLICES:
        return _OF_SLICES[table]
    return "EventInfo" if table == "events" else "".join(p[:1].upper() + p[1:] for p in table.split("_"))


def names_in_blob(table: str, columns: Iterable[str]) -> dict[str, str]:
    """Give the names that columns of a table have in a blob, by their own."""
    own = {**_COLUMNS, **_OF_TABLE.get(table, {})}
    return {c: own.get(c, c) for c in columns}


def records_of(name: str, chunk: Chunk, lists: Container[str] | None = None) -> Any:
    """Give the rows of a table as one array of records.

    Parameters
    ----------
    name : str
        Of the table.
    chunk : Chunk
    lists : container of str, optional
        Columns of lists to give as objects, ``"table/column"``; all by default.

    Returns
    -------
    np.recarray or km3pipe.Table
        (n_rows,).
    """
    table = chunk.tables[name]
    columns: dict[str, Any] = {}
    for column, label in names_in_blob(name, table.columns).items():
        values = table.flat(column)
        if not isinstance(values, Ragged):
            columns[label] = values
        elif name == "events" and column == "w":
            columns |= {f"weight_w{k + 1}": _place(values, k) for k in range(_WEIGHTS)}
        elif lists is None or f"{name}/{column}" in lists:
            columns[label] = _lists(values)
    for label, values in _derived(name, chunk).items():
        columns.setdefault(label, values)
    records = np.zeros(len(table), [(n, v.dtype, v.shape[1:]) for n, v in columns.items()])
    for label, values in columns.items():
        records[label] = values
    key = key_of(name, chunk.source.kind)
    km3pipe = sys.modules.get("km3pipe.dataclasses")
    if km3pipe is None:
        return records.view(np.recarray)
    return km3pipe.Table(records, h5loc=_PLACES.get(key, f"/{name}"), split_h5=key in _SPLIT, name=key)


def _derived(name: str, chunk: Chunk) -> dict[str, np.ndarray]:
    """Give what km3pipe makes of DAQ data, where the table does not have it."""
    table = chunk.tables[name]
    made: dict[str, np.ndarray] = {}
    if name == "events" and "time_ns" in table and "t_sec" not in table:
        made["timestamp"], made["nanoseconds"] = np.divmod(table.flat("time_ns"), _NS)
    if name in ("hits", "triggered_hits") and "tdc" in table and "t" not in table:
        made["time"] = table.flat("tdc").astype(np.float64)
    triggered = chunk.tables.get("triggered_hits")
    if name == "hits" and "trig" not in table and triggered is not None and _comparable(table, triggered):
        made["triggered"] = with_trigger_bits(table, triggered).flat("trig")
    return made


def _comparable(hits: Table, triggered: Table) -> bool:
    names = {"dom_id", "channel_id", "tdc", "tot"}
    return names.issubset(hits.columns) and (names | {"trig"}).issubset(triggered.columns)


def _place(lists: Ragged, k: int) -> np.ndarray:
    """Give the k-th number of each list, NaN where it is shorter."""
    out = np.full(len(lists), np.nan)
    there = np.diff(lists.offsets) > k
    out[there] = lists.content[lists.offsets[:-1][there] + k]
    return out


def _lists(values: Ragged) -> np.ndarray:
    """Give the lists of a column as objects: arrays, or text."""
    out = np.empty(len(values), object)
    ends = values.offsets
    content = _lists(values.content) if isinstance(values.content, Ragged) else values.content
    for i in range(len(values)):
        piece = content[ends[i] : ends[i + 1]]
        out[i] = bytes(piece).decode("utf-8", "replace") if values.text else piece
    return out
