"""The tables, names and types of km3pipe's HDF5 format 5.1, made from tables of ours.

``fitinf`` becomes a column for each fit parameter, ``rec_stages`` the table
``reco/rec_stages``, ``w`` and ``w2list`` columns of the events by the meaning
of their places, and user values of simulated tracks the columns that km3pipe
knows.  Any other list has no place in the format and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from km3gpu.definitions import FitParameter, w2list_of
from km3gpu.errors import UnknownNameError
from km3gpu.io.fields import fit_information, generator_of, user_values, w2list
from km3gpu.io.header import Entry, Header
from km3gpu.io.km3hdf5 import as_declared
from km3gpu.table import Ragged, Table

__all__ = ["READS", "SPLIT", "header_rows", "laid_out", "table_of", "with_trigger_bits"]

Columns: TypeAlias = Mapping[str, tuple[str, ...]]

_PLACE = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
_DAQ_EVENT = ("det_id", "run_id", "frame_index", "time_ns", "trigger_counter", "trigger_mask", "overlays")
_DAQ_HIT = ("dom_id", "channel_id", "tdc", "tot", *_PLACE, "t")
_TRACK = (*_PLACE, "t", "E", "len", "id")

READS: Mapping[str, Columns] = {
    "offline": {
        "events": (*_DAQ_EVENT, "id", "mc_run_id", "mc_t", "w", "w2list"),
        "hits": (*_DAQ_HIT, "trig"),
        "mc_hits": ("pmt_id", "t", "a", "origin"),
        "tracks": (*_TRACK, "lik", "rec_type", "rec_stages", "fitinf"),
        "mc_tracks": (*_TRACK, "type", "usr", "usr_names"),
    },
    "daq": {"events": _DAQ_EVENT, "hits": (*_DAQ_HIT, "trig"), "triggered_hits": (*_DAQ_HIT, "trig")},
}
"""By kind of the file, the columns that the format has a place for."""

SPLIT = ("hits", "mc_hits", "triggered_hits")
"""Tables that are written column by column, with ``_indices``."""

_STAGES = "reco/rec_stages"
_PATHS = {"events": "event_info", "tracks": "reco/tracks", "reco_rec_stages": _STAGES}
_NAMES = {
    "len": "length",
    "lik": "likelihood",
    "trig": "triggered",
    "mc_t": "mc_time",
    "t_sec": "timestamp",
    "t_ns": "nanoseconds",
}
# reconstructed tracks keep t and E in km3pipe's own files, all else is spelt out
_SPELT = {"t": "time", "E": "energy"}
_TYPES = {"timestamp": np.int64, "nanoseconds": np.int64}
_USER = ("energy_lost_in_can", "bx", "by", "ichan", "cc")
_WEIGHTS = 4
_NS = 1_000_000_000


def laid_out(tables: Mapping[str, Table], header: Header | None) -> tuple[dict[str, Table], list[str]]:
    """Give tables by their paths in the file, with the names and types of the format.

    Parameters
    ----------
    tables : mapping of str to Table
        On the host.
    header : Header or None
        That of the file they come from: it names the generator, which says
        what the places of ``w2list`` mean.

    Returns
    -------
    tables : dict of str to Table
        Without lists; in alphabetical order, and so are their columns.
    left_out : list of str
        ``table/column`` of the lists that the format has no place for.
    """
    found: dict[str, Table] = {}
    left: list[str] = []
    if "triggered_hits" in tables and "hits" in tables and "trig" not in tables["hits"]:
        tables = {**tables, "hits": with_trigger_bits(tables["hits"], tables["triggered_hits"])}
    for name, table in tables.items():
        columns, lists = _flat(name, table), _lists(name, table, header)
        left += [f"{name}/{c}" for c in table.columns if isinstance(table.flat(c), Ragged) and c not in lists]
        if "rec_stages" in lists:
            found[_STAGES] = _stages(table)
        for made in lists.values():
            columns |= made
        found[_PATHS.get(name, name)] = Table(name, dict(sorted(columns.items())), table.offsets)
    return dict(sorted(found.items())), left


def table_of(path: str) -> str | None:
    """Give the table of ours at a path of the file, None for what the format adds to them."""
    if path in ("group_info", _STAGES):
        return None
    return next((name for name, p in _PATHS.items() if p == path), path)


def _flat(name: str, table: Table) -> dict[str, np.ndarray]:
    spelt = {} if name == "tracks" else _SPELT
    columns: dict[str, np.ndarray] = {}
    for column in table.columns:
        values = table.flat(column)
        if isinstance(values, Ragged):
            continue
        # PyTables does not read the booleans of h5py; declared, so that chunks of any file agree
        boolean = values.dtype == bool
        values = values.astype(np.uint8) if boolean else as_declared(name, column, values)
        if name in SPLIT and column == "tdc" and "t" not in table:
            columns["time"] = values.astype(np.float64)
        elif name == "events" and column == "time_ns":
            if "t_sec" not in table:
                columns["timestamp"], columns["nanoseconds"] = values // _NS, values % _NS
        elif name == "events" and column == "id":
            columns["event_id"] = values
        elif name == "mc_tracks" and column == "type":
            columns["pdgid"] = values
        else:
            columns[spelt.get(column, _NAMES.get(column, column))] = values
    if name == "tracks" and table.offsets is not None:
        columns["idx"] = _places(table)
    return {n: v.astype(_TYPES.get(n, v.dtype), copy=False) for n, v in columns.items()}


def _lists(name: str, table: Table, header: Header | None) -> dict[str, dict[str, np.ndarray]]:
    """Give by column of lists what becomes of it: columns, or none for those of a table of their own."""
    there = {c for c in table.columns if isinstance(table.flat(c), Ragged)}
    found: dict[str, dict[str, np.ndarray]] = {}
    if name == "tracks" and "fitinf" in there:
        found["fitinf"] = {p.name: fit_information(table, p) for p in FitParameter}
    if name == "tracks" and "rec_stages" in there:
        found["rec_stages"] = {}
    if name == "events" and "w" in there:
        found["w"] = {f"weight_w{k + 1}": _place(table.flat("w"), k) for k in range(_WEIGHTS)}
    if name == "events" and "w2list" in there:
        generator = generator_of(header)
        try:
            places = () if generator is None else tuple(w2list_of(generator))
        except UnknownNameError:  # a program of muons, which fills no w2list
            places = ()
        if places or len(table.flat("w2list").content) == 0:
            prefix = f"W2LIST_{str(generator).upper()}_"
            found["w2list"] = {prefix + p.name: w2list(table, p, str(generator)) for p in places}
    if name == "mc_tracks" and {"usr", "usr_names"} <= there:
        found["usr_names"], found["usr"] = {}, {n: _user(table, n) for n in _USER}
    return found


def _place(lists: Any, k: int) -> np.ndarray:
    out = np.full(len(lists), np.nan)
    there = np.diff(lists.offsets) > k
    out[there] = lists.content[lists.offsets[:-1][there] + k]
    return out


def _user(tracks: Table, name: str) -> np.ndarray:
    try:
        return user_values(tracks, name)
    except UnknownNameError:
        return np.full(len(tracks), np.nan)


def _stages(tracks: Table) -> Table:
    """Give stages one by one, with the place of their track in its event."""
    lists = tracks.flat("rec_stages")
    columns = {"idx": np.repeat(_places(tracks), np.diff(lists.offsets)), "rec_stage": lists.content}
    return Table("reco_rec_stages", columns, lists.offsets[tracks.offsets])


def _places(tracks: Table) -> np.ndarray:
    """Give the place of each track in its event."""
    return np.asarray(np.arange(len(tracks)) - np.repeat(tracks.offsets[:-1], np.diff(tracks.offsets)))


def with_trigger_bits(hits: Table, triggered: Table) -> Table:
    """Give snapshot hits the bits of the triggered hit that is the same hit, as column ``trig``.

    Parameters
    ----------
    hits, triggered : Table
        Of the same DAQ events, with module, channel, time and time over
        threshold as stored.

    Returns
    -------
    Table
        `hits` with ``trig`` (n_hits,) uint64, 0 where a hit was not triggered.
    """
    names = ("dom_id", "channel_id", "tdc", "tot")
    layout = [("event", "i8"), *((n, hits.flat(n).dtype) for n in names)]
    keys = []
    for table in (hits, triggered):
        rows = np.zeros(len(table), layout)
        rows["event"] = np.repeat(np.arange(table.n_events), np.diff(table.offsets))
        for name in names:
            rows[name] = table.flat(name)
        keys.append(rows)
    both, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    bits = np.zeros(len(both), np.uint64)
    np.bitwise_or.at(bits, inverse[len(hits) :], triggered.flat("trig"))
    return hits.with_columns(trig=bits[inverse[: len(hits)]])


def header_rows(header: Header) -> np.ndarray:
    """Give a header as the rows of ``raw_header``: names, values and types, with blanks between.

    Returns
    -------
    (n_entries,) structured array
        ``parameter, field_names, field_values, dtype``, byte strings.
    """
    rows = []
    for name, entry in header.items():
        values = vars(entry) if isinstance(entry, Entry) else {f"{name}_0": entry}
        given = {k: v for k, v in values.items() if v is not None}
        kinds = [f"a{len(v)}" if isinstance(v, str) else "f4" for v in given.values()]
        row = (name, " ".join(given), " ".join(map(str, given.values())), " ".join(kinds))
        rows.append(tuple(text.encode() for text in row))
    names = ("parameter", "field_names", "field_values", "dtype")
    widths = [max((len(r[i]) for r in rows), default=0) or 1 for i in range(len(names))]
    return np.array(rows, [(n, f"S{w}") for n, w in zip(names, widths, strict=True)])
