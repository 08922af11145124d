"""Write HDF5 files of km3pipe's format 5.1, which its pumps and the tools around it open.

Hits become "split" groups: a dataset per column, and ``_indices`` with the first
row and the number of rows of each event.  Other tables are compound, each row
with the number of its group (event).  What becomes of which column is in
`km3gpu.io.km3pipe_layout`; lists without a place in the format are named in the
attribute ``left_out`` of the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, file_digest
from km3gpu.errors import FormatError
from km3gpu.io import sink
from km3gpu.io.filebytes import is_url
from km3gpu.io.hdf5file import chunk_shape, full_disk_told, open_hdf5, write_text
from km3gpu.io.header import Header
from km3gpu.io.km3pipe_layout import READS, SPLIT, header_rows, laid_out, table_of
from km3gpu.io.opened import open_file
from km3gpu.table import Table

__all__ = ["Km3PipeSink"]

FORMAT_VERSION = "5.1"
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

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Give the columns that the format has a place for (see `Sink.reads`)."""
        columns = READS.get(kind, {})
        return {t: cs for t, cs in columns.items() if t in self.tables or not self.tables}

    def write(self, chunk: Chunk, path: Path) -> sink.Part:
        """Write one part (see `Sink.write`); the header is that of the file the chunk comes from."""
        tables = sink.host_tables(chunk, self.tables)
        if "events" not in tables:
            tables = {"events": Table("events", {"group": np.arange(chunk.n_events)}), **tables}
        header = _header(chunk.source.path)
        with full_disk_told(path), _created(path) as file:
            found, left = laid_out(tables, header)
            writer = _Writer(file, self.level)
            writer.append(found, chunk.n_events)
            writer.close()
            file.attrs["left_out"] = np.bytes_(", ".join(left))
            if header:
                file.create_dataset("raw_header", data=header_rows(header), track_times=False)
        return _part(path, {n: len(t) for n, t in tables.items()})

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Write all `parts` into one file, one at a time (see `Sink.merge`).

        The header is that of the first part that has one, as in files that
        km3pipe's own tools put together; the record is the dataset
        ``provenance``.
        """
        with full_disk_told(path), _created(path) as file:
            writer = _Writer(file, self.level)
            left: dict[str, None] = {}
            for part in parts:
                with h5py.File(part, "r") as piece:
                    writer.copy(piece, part)
                    left |= dict.fromkeys(bytes(piece.attrs["left_out"]).decode().split(", "))
                    if "raw_header" in piece and "raw_header" not in file:
                        piece.copy("raw_header", file)
            writer.close()
            file.attrs["left_out"] = np.bytes_(", ".join(filter(None, left)))
            write_text(file, "provenance", provenance)
        return _part(path, writer.rows)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        file = open_hdf5(str(path))
        dataset = file.dataset(file.default())
        return dataset.read(dataset.tables(), 0, dataset.n_entries, Backend("cpu"))


_ROOT_ATTRS = {
    "CLASS": "GROUP",
    "PYTABLES_FORMAT_VERSION": "2.1",
    "TITLE": "KM3NeT",
    "VERSION": "1.0",
    "format_version": FORMAT_VERSION,
    "km3pipe": "km3gpu",
}


def _header(path: str) -> Header | None:
    """Give the header of the file that rows come from, where that is a file with one."""
    # rows may also have been made in memory
    found = open_file(path).header() if is_url(path) or Path(path).is_file() else None
    return found if isinstance(found, Header) else None


def _created(path: Path) -> h5py.File:
    file = h5py.File(path, "w", libver=("earliest", "v110"))
    for key, value in _ROOT_ATTRS.items():
        file.attrs[key] = np.bytes_(value)
    return file


def _part(path: Path, rows: Mapping[str, int]) -> sink.Part:
    with open(path, "rb+") as out:
        os.fsync(out.fileno())
    return sink.Part(rows, path.stat().st_size, file_digest(str(path)))


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
        self.rows: dict[str, int] = {}

    def append(self, tables: Mapping[str, Table], n_events: int) -> None:
        """Add tables of `n_events` events, by their paths."""
        groups = np.arange(self._n_groups, self._n_groups + n_events, dtype=np.int64)
        for path, table in tables.items():
            counts = np.ones(n_events, np.int64) if table.offsets is None else np.diff(table.offsets)
            columns = {c: table.flat(c) for c in table.columns}
            columns["group_id"] = np.repeat(groups, counts)
            if path in SPLIT:
                for name, column in columns.items():
                    self._extend(f"{path}/{name}", column)
                self._indices.setdefault(path, []).append(counts)
            else:
                rows = np.zeros(
                    len(columns["group_id"]), [(n, c.dtype, c.shape[1:]) for n, c in columns.items()]
                )
                for name, column in columns.items():
                    rows[name] = column
                self._extend(path, rows)
        info = np.zeros(n_events, [("group_id", "i8"), ("blob_length", "i8")])
        info["group_id"], info["blob_length"] = groups, len(tables)
        self._extend("group_info", info)
        self._n_groups += n_events

    def copy(self, piece: h5py.File, name: Path) -> None:
        """Add the events of a part that was written so; the tables of all parts are the same."""
        first = not self._n_groups and not self.rows
        datasets: list[str] = []
        piece.visititems(lambda n, node: datasets.append(n) if isinstance(node, h5py.Dataset) else None)
        datasets = [n for n in datasets if n != "raw_header"]
        missing = {n for n in self._datasets() if n not in piece}
        if missing or not (first or all(n in self._file or n.endswith("/_indices") for n in datasets)):
            odd = sorted(missing or {n for n in datasets if n not in self._file})
            raise _unlike(f"parts differ in {', '.join(odd[:8])}", name)
        for path in datasets:
            rows = piece[path][()]
            table, _, column = path.rpartition("/")
            if column == "_indices":
                self._indices.setdefault(table, []).append(rows["n_items"])
                self._count(table, int(rows["n_items"].sum()))
                continue
            if column == "group_id" and table in SPLIT:
                rows = rows + self._n_groups
            elif rows.dtype.names:
                rows["group_id"] += self._n_groups
                self._count(path, len(rows))
            self._extend(path, rows, name)
        self._n_groups += len(piece["group_info"])

    def close(self) -> None:
        """Write the indices of the split groups."""
        for path, pieces in self._indices.items():
            counts = np.concatenate(pieces)
            rows = np.zeros(len(counts), [("index", "i8"), ("n_items", "i8")])
            rows["index"], rows["n_items"] = np.cumsum(counts) - counts, counts
            self._file.create_dataset(f"{path}/_indices", data=rows, track_times=False)

    def _datasets(self) -> list[str]:
        found: list[str] = []
        self._file.visititems(lambda n, node: found.append(n) if isinstance(node, h5py.Dataset) else None)
        return [n for n in found if n != "raw_header"]

    def _count(self, path: str, n: int) -> None:
        name = table_of(path)
        if name:
            self.rows[name] = self.rows.get(name, 0) + n

    def _extend(self, path: str, values: np.ndarray, part: Path | None = None) -> None:
        if path not in self._file:
            inner = values.shape[1:]
            self._file.create_dataset(
                path,
                shape=(0, *inner),
                maxshape=(None, *inner),
                chunks=chunk_shape(_ROWS, values),
                dtype=values.dtype,
                track_times=False,
                **self._filters,
            )
        dataset = self._file[path]
        if dataset.dtype != values.dtype:
            raise _unlike(f"parts differ in {path}: {values.dtype} after {dataset.dtype}", part)
        start = len(dataset)
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values


def _unlike(what: str, part: Path | None) -> FormatError:
    return FormatError(
        what,
        where=None if part is None else part.name,
        remedy="name in the plan the columns that all inputs have, or run the inputs apart",
    )
