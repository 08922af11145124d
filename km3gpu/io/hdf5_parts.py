"""Parts of HDF5: small columns as they are, large ones compressed in pieces that merging copies.

Such a column is a dataset of a single chunk, which any HDF5 library reads.  The
sizes and checksums of its pieces are in ``/pieces``, and which are whose in
``/packed``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from h5py import h5d

from km3gpu import schema
from km3gpu.io.hdf5_chunks import piece_rows
from km3gpu.io.hdf5_objects import put_dataset, put_packed, put_text
from km3gpu.io.hdf5file import write_text
from km3gpu.io.pieces import Packed, pack, wants_shuffle
from km3gpu.table import Ragged, Table

__all__ = ["PartWriter", "Pieces"]

_PACKED, _PIECES = "packed", "pieces"
_WORTH = range(1 << 16, 1 << 31)  # bytes of a column that is compressed; an HDF5 chunk ends at 4 GB


class PartWriter:
    """Writes the tables of a part.

    Parameters
    ----------
    file : h5py.File
        New and empty.
    level : int or None
        Of gzip, for large columns; None to compress none.
    """

    def __init__(self, file: h5py.File, level: int | None) -> None:
        self._file = file
        self._level = level
        self._index: list[Any] = []
        self._places: dict[str, tuple[int, ...]] = {}

    def add(self, table: Table) -> None:
        """Write a table, as a group."""
        group = self._file.create_group(table.name)
        for key, text in table.attrs.items():
            put_text(group.id, key, text)
        if table.offsets is not None:
            put_dataset(group, "offsets", table.offsets)
        for name in table.columns:
            known = schema.FIELDS.get((table.name, name))
            about = (
                {} if known is None else {"unit": known.unit, "frame": known.frame, "meaning": known.meaning}
            )
            self._add(group, name, table.flat(name), {k: v for k, v in about.items() if v})

    def _add(self, group: h5py.Group, name: str, column: Any, about: Mapping[str, str]) -> None:
        if isinstance(column, Ragged):
            inner = group.create_group(name)
            put_dataset(inner, "offsets", column.offsets)
            is_text = column.text and not isinstance(column.content, Ragged)
            self._add(inner, "content", column.content, {**about, **({"text": "utf-8"} if is_text else {})})
            return
        packs = self._level is not None and column.nbytes in _WORTH
        dataset = self._packed(group, name, column) if packs else put_dataset(group, name, column)
        for key, text in about.items():
            put_text(dataset, key, text)

    def _packed(self, group: h5py.Group, name: str, column: Any) -> Any:
        assert self._level is not None
        shuffled = wants_shuffle(column[: piece_rows(column, shuffled=True)], self._level)
        packed = pack(column, piece_rows(column, shuffled=shuffled), self._level, shuffled=shuffled)
        index = packed.index
        place = sum(map(len, self._index))
        path = f"{group.name}/{name}".lstrip("/")
        self._places[path] = (place, len(index), column.ndim, packed.n_rows, packed.width, packed.step)
        self._index.append(index)
        return put_packed(group, name, column, packed, self._level)

    def close(self) -> None:
        """Write where the pieces are; the file stays open."""
        if self._index:
            put_dataset(self._file, _PIECES, np.concatenate(self._index))
            write_text(self._file, _PACKED, json.dumps(self._places))


class Pieces:
    """The compressed columns of a part.

    Parameters
    ----------
    file : h5py.File
        Open for as long as columns are taken.
    """

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self._places = json.loads(file[_PACKED][()]) if _PACKED in file else {}
        self._index: Any = file[_PIECES][()] if self._places else None

    def packed(self, name: str) -> Packed | None:
        """Give a column in its pieces, None where it is not compressed."""
        if name not in self._places:
            return None
        place, n_pieces, n_axes, *layout = self._places[name]
        dataset = h5d.open(self.file.id, name.encode())
        _, data = dataset.read_direct_chunk((0,) * n_axes)
        return Packed.opened(data, self._index[place : place + n_pieces], *layout)
