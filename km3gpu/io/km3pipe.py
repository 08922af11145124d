"""Write HDF5 files of km3pipe's format 5.1, which its pumps and the tools around it open.

Hits become "split" groups: a dataset per column, and ``_indices`` with the first
row and the number of rows of each event.  Other tables are compound, each row
with the number of its group (event).  ``fitinf`` becomes a column for each fit
parameter and ``rec_stages`` the table ``reco/rec_stages``; other lists have no
place in the format and are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, file_digest
from km3gpu.definitions import FitParameter
from km3gpu.errors import DiskFullError, FormatError
from km3gpu.io import sink
from km3gpu.io.fields import fit_information
from km3gpu.io.hdf5file import open_hdf5
from km3gpu.table import Ragged, Table

__all__ = ["Km3PipeSink", "with_trigger_bits"]

FORMAT_VERSION = "5.1"
_SPLIT = ("hits", "mc_hits", "triggered_hits")
_PATHS = {"events": "event_info", "tracks": "reco/tracks", "reco_rec_stages": "reco/rec_stages"}
_NAMES = {
    "t": "time",
    "E": "energy",
    "len": "length",
    "lik": "likelihood",
    "trig": "triggered",
    "mc_t": "mc_time",
    "t_sec": "timestamp",
    "t_ns": "nanoseconds",
}
_NS = 1_000_000_000
_ROWS = 16384  # of one HDF5 chunk


@dataclass(frozen=True)
class Km3PipeSink:
    """Write chunks as HDF5 in km3pipe's format.

    Attributes
    ----------
    name : str
        Name of the merged file, without suffix.
    tables : tuple of str
        Tables to write; empty for all.
    level : int
        Level of gzip, 1 to 9.
    """

    format: ClassVar[str] = "km3pipe"
    suffix: ClassVar[str] = ".h5"

    name: str = "events"
    tables: tuple[str, ...] = ()
    level: int = field(default=5, metadata={"minimum": 1})

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""
        return sink.fingerprint(self)

    def write(self, chunk: Chunk, path: Path) -> sink.Part:
        """Write one part (see `Sink.write`).

        Raises
        ------
        FormatError
            A column of lists that the format has no place for.
        """
        tables = sink.host_tables(chunk, self.tables)
        if "triggered_hits" in tables and "hits" in tables and "trig" not in tables["hits"]:
            tables["hits"] = with_trigger_bits(tables["hits"], tables["triggered_hits"])
        if "events" not in tables:
            tables = {"events": Table("events", {"group": np.arange(chunk.n_events)}), **tables}
        return self._written(path, [_for_km3pipe(tables)], {n: len(t) for n, t in tables.items()})

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Write all `parts` into one file (see `Sink.merge`); the record is the dataset ``provenance``."""
        pieces = [self.read(p) for p in parts]
        rows: dict[str, int] = {}
        for piece in pieces:
            for name, table in piece.items():
                rows[name] = rows.get(name, 0) + len(table)
        return self._written(path, [_for_km3pipe(p) for p in pieces], rows, provenance)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        file = open_hdf5(str(path))
        dataset = file.dataset(file.default())
        return dataset.read(dataset.tables(), 0, dataset.n_entries, Backend("cpu"))

    def _written(
        self,
        path: Path,
        pieces: Sequence[Mapping[str, Table]],
        rows: Mapping[str, int],
        provenance: str | None = None,
    ) -> sink.Part:
        try:
            with h5py.File(path, "w", libver=("earliest", "v110")) as file:
                for key, value in _ROOT_ATTRS.items():
                    file.attrs[key] = np.bytes_(value)
                writer = _Writer(file, self.level)
                for piece in pieces:
                    writer.append(piece)
                writer.close()
                if provenance is not None:
                    text = provenance.encode()
                    file.create_dataset("provenance", data=np.frombuffer(text, np.uint8), track_times=False)
        except OSError as error:
            if "28" in str(error) or "No space" in str(error):
                raise DiskFullError(
                    "no space left on the disk of the output",
                    where=str(path),
                    remedy="make room, then resume",
                ) from error
            raise
        with open(path, "rb+") as out:
            os.fsync(out.fileno())
        return sink.Part(rows, path.stat().st_size, file_digest(str(path)))


_ROOT_ATTRS = {
    "CLASS": "GROUP",
    "PYTABLES_FORMAT_VERSION": "2.1",
    "TITLE": "KM3NeT",
    "VERSION": "1.0",
    "format_version": FORMAT_VERSION,
    "km3pipe": "km3gpu",
}


class _Writer:
    """Datasets that grow by the rows of one piece after another."""

    def __init__(self, file: h5py.File, level: int) -> None:
        self._file = file
        self._filters = {
            "compression": "gzip",
            "compression_opts": level,
            "shuffle": True,
            "fletcher32": True,
        }
        self._n_groups = 0
        self._indices: dict[str, list[np.ndarray]] = {}

    def append(self, tables: Mapping[str, Table]) -> None:
        """Add the rows of tables that belong to the same events."""
        n = len(tables["events"])
        groups = np.arange(self._n_groups, self._n_groups + n, dtype=np.int64)
        for name, table in tables.items():
            path = _PATHS.get(name, name)
            counts = np.ones(n, np.int64) if table.offsets is None else np.diff(table.offsets)
            columns = {c: table.flat(c) for c in table.columns}
            columns["group_id"] = np.repeat(groups, counts)
            if name in _SPLIT:
                self._add_split(path, columns, counts)
            else:
                self._add_compound(path, columns)
        info = {"group_id": groups, "blob_length": np.full(n, len(tables), np.int64)}
        self._add_compound("group_info", info)
        self._n_groups += n

    def close(self) -> None:
        """Write the indices of the split groups."""
        for path, pieces in self._indices.items():
            counts = np.concatenate(pieces)
            rows = np.zeros(len(counts), [("index", "i8"), ("n_items", "i8")])
            rows["index"], rows["n_items"] = np.cumsum(counts) - counts, counts
            self._file.create_dataset(f"{path}/_indices", data=rows, track_times=False)

    def _add_split(self, path: str, columns: Mapping[str, np.ndarray], counts: np.ndarray) -> None:
        for name, column in columns.items():
            self._extend(f"{path}/{name}", column)
        self._indices.setdefault(path, []).append(counts)

    def _add_compound(self, path: str, columns: Mapping[str, np.ndarray]) -> None:
        rows = np.zeros(len(columns["group_id"]), [(n, c.dtype, c.shape[1:]) for n, c in columns.items()])
        for name, column in columns.items():
            rows[name] = column
        self._extend(path, rows)

    def _extend(self, path: str, values: np.ndarray) -> None:
        if path not in self._file:
            inner = values.shape[1:]
            self._file.create_dataset(
                path,
                shape=(0, *inner),
                maxshape=(None, *inner),
                chunks=(_ROWS, *inner),
                dtype=values.dtype,
                track_times=False,
                **self._filters,
            )
        dataset = self._file[path]
        if dataset.dtype != values.dtype:
            raise FormatError(
                f"parts differ in {path}: {values.dtype} after {dataset.dtype}",
                remedy="name in the plan the columns that all inputs have, or run the inputs apart",
            )
        start = len(dataset)
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values


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


def _for_km3pipe(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Give tables with the names and columns of km3pipe's format."""
    found: dict[str, Table] = {}
    for name, table in tables.items():
        columns: dict[str, Any] = {}
        for column in table.columns:
            values = table.flat(column)
            if isinstance(values, Ragged):
                continue
            if name in _SPLIT and column == "tdc" and "t" not in table:
                columns["time"] = values.astype(np.float64)
            elif name == "events" and column == "time_ns":
                if "t_sec" not in table:
                    columns["timestamp"], columns["nanoseconds"] = values // _NS, values % _NS
            elif name == "mc_tracks" and column == "type":
                columns["pdgid"] = values
            else:
                columns[_NAMES.get(column, column)] = values
        lists = [c for c in table.columns if isinstance(table.flat(c), Ragged)]
        if "fitinf" in lists:
            columns |= _fit_columns(table)
        if "rec_stages" in lists and table.offsets is not None:
            found["reco_rec_stages"] = _stages(table)
        refused = [c for c in lists if c not in ("fitinf", "rec_stages")]
        if refused:
            raise FormatError(
                f"km3pipe's format has no place for the lists {', '.join(refused)} of table {name!r}",
                remedy="name the columns to read without them",
            )
        found[name] = Table(name, columns, table.offsets)
    return found


def _fit_columns(tracks: Table) -> dict[str, np.ndarray]:
    """Give each fit parameter as a column; aliases of the same place only once."""
    return {p.name: fit_information(tracks, p) for p in FitParameter}


def _stages(tracks: Table) -> Table:
    """Give stages one by one, with the place of their track in its event."""
    lists = tracks.flat("rec_stages")
    counts = np.diff(lists.offsets)
    place = np.arange(len(lists)) - np.repeat(tracks.offsets[:-1], np.diff(tracks.offsets))
    columns = {"idx": np.repeat(place, counts), "rec_stage": lists.content}
    return Table("reco_rec_stages", columns, lists.offsets[tracks.offsets])
