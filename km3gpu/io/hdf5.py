"""HDF5: a group per table, its columns flat datasets, `offsets` beside them.

``/hits/t`` holds the times of all hits, ``/hits/offsets`` (n_events + 1) cuts
them into events.  A column of lists is a group of ``offsets`` and ``content``.
Units and meanings are attributes of the datasets.  ``/provenance`` is the
record of where the rows came from, as JSON.

Parts have their large columns compressed already, in pieces: ``/pieces`` holds
their sizes and checksums, ``/packed`` says whose they are.  Merging copies them.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import h5py

from km3gpu.chunk import Chunk, file_digest
from km3gpu.errors import FormatError
from km3gpu.io import sink
from km3gpu.io.hdf5_chunks import ChunkWriter, Column, chunk_rows
from km3gpu.io.hdf5_parts import PartWriter, Pieces
from km3gpu.io.hdf5file import full_disk_told, write_text
from km3gpu.table import Ragged, Table

__all__ = ["HDF5Sink"]

_LIBVER = ("earliest", "v110")


@dataclass(frozen=True)
class HDF5Sink:
    """Write chunks as HDF5.

    Attributes
    ----------
    name : str
        Name of the merged file, without suffix.
    tables : tuple of str
        Tables to write; empty for all.
    compression : str
        ``"gzip"`` (any HDF5 library reads it; bytes are shuffled in columns
        that get smaller by that), ``"lzf"`` or ``"none"``.
    level : int
        Level of gzip, 1 to 9.
    """

    format: ClassVar[str] = "hdf5"
    suffix: ClassVar[str] = ".h5"

    name: str = "events"
    tables: tuple[str, ...] = ()
    compression: str = field(default="gzip", metadata={"choices": ("gzip", "lzf", "none")})
    level: int = field(default=1, metadata={"minimum": 1})

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""
        return sink.fingerprint(self)

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Ask for no column: whatever there is can be written."""
        return {}

    def write(self, chunk: Chunk, path: Path) -> sink.Part:
        """Write one part (see `Sink.write`)."""
        tables = sink.host_tables(chunk, self.tables)
        # in memory first: HDF5 does not tell a full disk from other faults
        image = io.BytesIO()
        with h5py.File(image, "w", libver=_LIBVER) as file:
            write_text(file, "schema", sink.describe(tables))
            writer = PartWriter(file, self.level if self.compression == "gzip" else None)
            for table in tables.values():
                writer.add(table)
            writer.close()
        with sink.HashingFile(path) as out:
            out.write(image.getbuffer())
        return sink.Part({n: len(t) for n, t in tables.items()}, out.size, out.digest)

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Write all `parts` into one file (see `Sink.merge`)."""
        with full_disk_told(path):
            rows = self._merge(parts, path, provenance)
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
        return sink.Part(rows, path.stat().st_size, file_digest(str(path)))

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back into tables."""
        with h5py.File(path, "r") as file:
            return {name: _read_table(file[name], about) for name, about in _schema(file, path).items()}

    def _merge(self, parts: Sequence[Path], path: Path, provenance: str) -> dict[str, int]:
        rows: dict[str, int] = {}
        described: dict[str, Any] = {}
        attrs: list[dict[str, dict[str, str]]] = []
        columns: dict[str, _Column] = {}
        with h5py.File(path, "w", libver=_LIBVER) as out:
            with ChunkWriter(self.level) as writer:
                for part in parts:
                    with h5py.File(part, "r") as file:
                        about = _schema(file, part)
                        if not columns:
                            described = about
                            columns = {
                                n: self._column(out, n, like, writer) for n, like in _datasets(file, about)
                            }
                        sink.check_same(described, about, part, parts[0])
                        attrs.append({name: dict(file[name].attrs) for name in about})
                        pieces = Pieces(file)
                        for name, column in columns.items():
                            column.append(name, pieces)
                        for name in about:
                            rows[name] = rows.get(name, 0) + _length(file[name], about[name])
                for column in columns.values():
                    column.rows.finish()
            write_text(out, "schema", json.dumps(described))
            for name, merged in sink.merged_attrs(attrs).items():
                out.require_group(name).attrs.update(merged)
            write_text(out, "provenance", provenance)
        return rows

    def _column(self, out: h5py.File, name: str, like: h5py.Dataset, writer: ChunkWriter) -> _Column:
        inner, dtype = like.shape[1:], like.dtype
        about = dict(like.attrs)
        filters: dict[str, Any] = {}
        if self.compression == "gzip":
            filters = {"compression": "gzip", "compression_opts": self.level}
        elif self.compression == "lzf":
            filters = {"compression": "lzf"}

        def make(chunks: tuple[int, ...], *, shuffle: bool) -> h5py.Dataset:
            dataset = out.create_dataset(
                name,
                shape=(0, *inner),
                maxshape=(None, *inner),
                chunks=chunks,
                dtype=dtype,
                track_times=False,
                shuffle=shuffle,
                **filters,
            )
            for key, value in about.items():
                dataset.attrs[key] = value
            return dataset

        is_offsets = name.endswith("/offsets")
        if self.compression == "gzip":
            return _Column(Column(like, make, writer), is_offsets=is_offsets)
        grown = _Grown(make(chunk_rows(like), shuffle=self.compression == "lzf"))
        return _Column(grown, is_offsets=is_offsets)


class _Grown:
    """A dataset that grows, which HDF5 itself compresses or nobody does.

    Keeping the dataset open keeps its last, incomplete chunk in memory, so each
    chunk is written once.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset = dataset

    def append(self, values: Any) -> None:
        start = len(self.dataset)
        self.dataset.resize(start + len(values), axis=0)
        if len(values):
            self.dataset[start:] = values

    def finish(self) -> None:
        """Have nothing left to write."""


class _Column:
    """A column of all parts; offsets go on from where they ended."""

    def __init__(self, rows: Column | _Grown, *, is_offsets: bool) -> None:
        self.rows = rows
        self.is_offsets = is_offsets
        self.begun = False
        self.end = 0

    def append(self, name: str, part: Pieces) -> None:
        if isinstance(self.rows, Column):
            packed = part.packed(name)
            if packed is not None and self.rows.append_packed(packed):
                return
        values = part.file[name][()]
        if self.is_offsets:
            values = values + self.end
            self.end = int(values[-1])
            values = values[1:] if self.begun else values
            self.begun = True
        self.rows.append(values)


# -- tables <-> groups ---------------------------------------------------------


def _read_table(group: h5py.Group, about: Mapping[str, Any]) -> Table:
    offsets = group["offsets"][()] if about["jagged"] else None
    columns = {name: _read_column(group[name]) for name in about["columns"]}
    return Table(group.name.rpartition("/")[2], columns, offsets, dict(group.attrs))


def _read_column(node: Any) -> Any:
    if isinstance(node, h5py.Group):
        content = node["content"]
        text = isinstance(content, h5py.Dataset) and content.attrs.get("text") == "utf-8"
        return Ragged(node["offsets"][()], _read_column(content), text=text)
    return node[()]


def _schema(file: h5py.File, path: Path) -> dict[str, Any]:
    if "schema" not in file:
        raise FormatError("an HDF5 file that this sink did not write", where=str(path))
    described: dict[str, Any] = json.loads(file["schema"][()])
    return described


def _datasets(file: h5py.File, about: Mapping[str, Any]) -> Iterator[tuple[str, h5py.Dataset]]:
    for table in about:
        found: list[tuple[str, h5py.Dataset]] = []
        file[table].visititems(lambda n, node, found=found, t=table: found.append((f"{t}/{n}", node)))
        yield from ((name, node) for name, node in found if isinstance(node, h5py.Dataset))


def _length(group: h5py.Group, about: Mapping[str, Any]) -> int:
    if about["jagged"]:
        return int(group["offsets"][-1])
    for name in about["columns"]:
        node = group[name]
        return len(node["offsets"]) - 1 if isinstance(node, h5py.Group) else len(node)
    return 0
