"""Parquet, HDF5 and FITS files that km3gpu wrote, read back by event range and column."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from km3gpu.backend import Backend
from km3gpu.errors import FormatError, Km3GpuError, TruncatedFileError
from km3gpu.io import fitstables, sink
from km3gpu.io.dataset import Wanted
from km3gpu.io.filebytes import is_url, open_url
from km3gpu.io.fitsfile import read_sheets
from km3gpu.io.fitsheader import rows_dtype
from km3gpu.io.hdf5file import opened
from km3gpu.io.meta import chain_of
from km3gpu.io.onedataset import OneDataset
from km3gpu.io.parquet import from_arrow
from km3gpu.table import Ragged, Table

__all__ = ["OwnFits", "OwnHdf5", "OwnParquet"]

Described = Mapping[str, Any]


class _OwnFile(OneDataset):
    """What all have: one dataset, described by its own schema."""

    kind = "tables"
    name = "tables"

    def __init__(self, path: str, described: Described, n_entries: int, record: bytes) -> None:
        super().__init__(path)
        self._record = record
        self.described = described
        self.n_entries = n_entries

    def meta(self) -> list[dict[str, Any]]:
        """Give the steps that led to the file, km3gpu's own last; a part knows none."""
        return chain_of(self._record)

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        return {t: tuple(about["columns"]) for t, about in self.described.items() if about["columns"]}


class OwnHdf5(_OwnFile):
    """An HDF5 file that `km3gpu.io.hdf5.HDF5Sink` wrote.

    Parameters
    ----------
    path : str
        A local file.
    """

    def __init__(self, path: str) -> None:
        with opened(path) as file:
            described = json.loads(file["schema"][()])
            lengths = [_n_events(file[t], about) for t, about in described.items() if about["columns"]]
            self._n_bytes = {t: _n_bytes(file[t]) for t in described if t in file}
            record = bytes(file["provenance"][()]) if "provenance" in file else b""
        super().__init__(path, described, lengths[0] if lengths else 0, record)

    def edges(self) -> list[int]:
        """Give no edges but the ends: HDF5 chunks do not follow events."""
        return [0, self.n_entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all events of these tables."""
        return sum(self._n_bytes[t] for t in wanted)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read events ``start <= i < stop``."""
        made = {}
        with opened(self.path) as file:
            for table, names in wanted.items():
                group, offsets, rows = file[table], None, slice(start, stop)
                if self.described[table]["jagged"]:
                    offsets = group["offsets"][start : stop + 1] if stop > start else np.zeros(1, np.int64)
                    rows = slice(int(offsets[0]), int(offsets[-1]))
                    offsets = offsets - offsets[0]
                columns = {n: _read(group[n], rows) for n in names}
                made[table] = Table(table, columns, offsets, {k: str(v) for k, v in group.attrs.items()})
        return {t: table.map(where.to_device) for t, table in made.items()}


def _read(node: Any, rows: slice) -> Any:
    if not isinstance(node, h5py.Group):
        return node[rows]
    empty = rows.stop <= rows.start
    offsets = np.zeros(1, np.int64) if empty else node["offsets"][rows.start : rows.stop + 1]
    content = node["content"]
    text = isinstance(content, h5py.Dataset) and content.attrs.get("text") == "utf-8"
    return Ragged(offsets - offsets[0], _read(content, slice(int(offsets[0]), int(offsets[-1]))), text=text)


def _n_events(group: h5py.Group, about: Described) -> int:
    if about["jagged"]:
        return len(group["offsets"]) - 1
    node = group[next(iter(about["columns"]))]
    return len(node["offsets"]) - 1 if isinstance(node, h5py.Group) else len(node)


def _n_bytes(group: h5py.Group) -> int:
    sizes: list[int] = []
    group.visititems(
        lambda _, n: sizes.append(n.size * n.dtype.itemsize) if isinstance(n, h5py.Dataset) else None
    )
    return sum(sizes)


class OwnFits(_OwnFile):
    """A FITS file that `km3gpu.io.fits.FitsSink` wrote.

    Parameters
    ----------
    path : str
        A file or URL.
    """

    def __init__(self, path: str) -> None:
        self._sheets = read_sheets(path)
        self._about = fitstables.described(self._sheets, path)
        record = fitstables.record(self._sheets)
        super().__init__(path, self._about["tables"], self._about["n_events"], record)

    def edges(self) -> list[int]:
        """Give no edges but the ends: any row can be read."""
        return [0, self.n_entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all events of these columns; lists count by their share of the heap."""
        size = 0.0
        for table, names in wanted.items():
            for sheet in self._sheets.values():
                if sheet.name.partition("/")[0] == table:
                    every = len(self.described[table]["columns"])
                    rows = sheet.n_rows * rows_dtype(sheet.columns).itemsize
                    size += (rows + sheet.end - sheet.heap) * len(names) / max(every, 1)
        return int(size)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read events ``start <= i < stop``."""
        read = fitstables.read_table
        made = {t: read(self._sheets, self._about, t, names, start, stop) for t, names in wanted.items()}
        return {t: table.map(where.to_device) for t, table in made.items()}


class OwnParquet(_OwnFile):
    """A Parquet file that `km3gpu.io.parquet.ParquetSink` wrote.

    Parameters
    ----------
    path : str
        A local file.
    """

    def __init__(self, path: str) -> None:
        with _parquet(path) as file:
            metadata = file.schema_arrow.metadata or {}
            text = metadata.get(sink.SCHEMA.encode())
            if text is None:
                raise FormatError(
                    "a Parquet file that km3gpu did not write", where=path, remedy="read it with pyarrow"
                )
            groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
            self._edges: list[int] = [0, *itertools.accumulate(int(g.num_rows) for g in groups)]
            self._n_bytes = int(sum(g.total_byte_size for g in groups))
            described = json.loads(text)
        record = metadata.get(sink.PROVENANCE.encode(), b"")
        super().__init__(path, described, self._edges[-1], record)

    def edges(self) -> list[int]:
        """Give the edges of the row groups."""
        return list(self._edges)

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all events of these columns."""
        every = sum(map(len, self.tables().values()))
        return self._n_bytes * sum(map(len, wanted.values())) // max(every, 1)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read events ``start <= i < stop``."""
        described = {
            t: {**self.described[t], "columns": {c: self.described[t]["columns"][c] for c in names}}
            for t, names in wanted.items()
        }
        paths = [
            c if t == "events" else f"{t}.list.element.{c}" if about["jagged"] else f"{t}.{c}"
            for t, about in described.items()
            for c in about["columns"]
        ]
        groups = [
            i
            for i, (first, last) in enumerate(itertools.pairwise(self._edges))
            if first < stop and last > start
        ]
        first = self._edges[groups[0]] if groups else 0
        with _parquet(self.path) as file:
            arrow = file.read_row_groups(groups, columns=paths) if groups else file.schema_arrow.empty_table()
            metadata = {**(arrow.schema.metadata or {}), sink.SCHEMA.encode(): json.dumps(described).encode()}
            arrow = arrow.slice(start - first, max(stop - start, 0)).replace_schema_metadata(metadata)
            tables = from_arrow(arrow)
        return {t: table.map(where.to_device) for t, table in tables.items()}


@contextmanager
def _parquet(path: str) -> Iterator[pq.ParquetFile]:
    """Open a file for as long as it is read, and say what is wrong with it as errors of ours."""
    try:
        place = open_url(path) if is_url(path) else path
        with pq.ParquetFile(place, page_checksum_verification=True) as file:
            yield file
    except Km3GpuError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        words = " ".join(str(error).split())
        kind = TruncatedFileError if "footer" in words or "magic" in words else FormatError
        raise kind(
            f"the Parquet file is damaged: {words}", where=path, remedy="fetch or write it again"
        ) from error
