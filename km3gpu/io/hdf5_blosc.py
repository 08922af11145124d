"""Datasets that PyTables compressed with Blosc, a filter that HDF5 does not bring.

Files of km3pipe's format 4 have such tables.  Their chunks are read as they are
stored and decompressed by the package ``blosc``, a hundredth of the size of
``hdf5plugin``, which brings all filters that there are; where that is installed
HDF5 reads them itself.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5z

from km3gpu.errors import FormatError
from km3gpu.extras import require

__all__ = ["rows_of"]

_BLOSC, _FLETCHER = 32001, h5z.FILTER_FLETCHER32
_HEAD = 16  # bytes before the compressed ones


def rows_of(dataset: h5py.Dataset, rows: slice = slice(None), field: str | None = None) -> np.ndarray:
    """Read rows of a dataset, whether it is compressed with Blosc or in a way that HDF5 reads.

    Parameters
    ----------
    dataset : h5py.Dataset
    rows : slice
        Of the first axis.
    field : str, optional
        The only field to read of a compound one.

    Raises
    ------
    MissingExtraError
        It takes the package ``blosc``, which is not installed.
    FormatError
        A chunk is damaged.
    """
    filters = _filters(dataset)
    if _BLOSC not in filters or not {*filters} <= {_BLOSC, _FLETCHER} or h5z.filter_avail(_BLOSC):
        return np.asarray(dataset[rows] if field is None else dataset.fields(field)[rows])
    start, stop, step = rows.indices(len(dataset))
    stop = max(start, stop)
    out = np.full((stop - start, *dataset.shape[1:]), dataset.fillvalue, dataset.dtype)
    for i in range(dataset.id.get_num_chunks()):
        place = dataset.id.get_chunk_info(i).chunk_offset
        if not (place[0] < stop and place[0] + dataset.chunks[0] > start):
            continue
        skipped, data = dataset.id.read_direct_chunk(place)
        chunk = _opened(dataset, [f for k, f in enumerate(filters) if not skipped >> k & 1], data)
        first = max(start - place[0], 0)
        some = chunk[first : stop - place[0]]
        inner = tuple(slice(p, p + n) for p, n in zip(place[1:], chunk.shape[1:], strict=True))
        target = out[(slice(place[0] + first - start, place[0] + first - start + len(some)), *inner)]
        target[...] = some[tuple(slice(n) for n in target.shape)]
    return out[::step] if field is None else np.ascontiguousarray(out[field][::step])


def _filters(dataset: h5py.Dataset) -> list[int]:
    settings = dataset.id.get_create_plist()
    return [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]


def _opened(dataset: h5py.Dataset, filters: list[int], data: bytes) -> np.ndarray:
    """Undo the filters of a chunk, the last first."""
    size = int(np.prod(dataset.chunks)) * dataset.dtype.itemsize
    for k, name in reversed(list(enumerate(filters))):
        if name == _BLOSC:
            most = size + 4 * filters[:k].count(_FLETCHER)
            if len(data) < _HEAD or int.from_bytes(data[4:8], "little") != most:
                raise _damaged(dataset)
            blosc = require("blosc", "hdf5")
            try:
                data = blosc.decompress(data)
            except blosc.blosc_extension.error as error:
                raise _damaged(dataset) from error
        else:
            data, checksum = data[:-4], int.from_bytes(data[-4:], "little")
            if _fletcher(data) != checksum:
                raise _damaged(dataset)
    if len(data) != size:
        raise _damaged(dataset)
    return np.frombuffer(data, dataset.dtype).reshape(dataset.chunks)


def _damaged(dataset: h5py.Dataset) -> FormatError:
    return FormatError(
        f"the HDF5 file is damaged: a chunk of {dataset.name} is not what was written",
        where=dataset.file.filename,
        remedy="fetch or write it again",
    )


def _fletcher(data: bytes) -> int:
    """Give the checksum of HDF5's filter fletcher32: two sums of 16-bit words, modulo 65535."""
    words: Any = np.frombuffer(data + bytes(len(data) % 2), ">u2").astype(np.uint64)
    weights = np.arange(len(words), 0, -1, dtype=np.uint64)
    first, second = int(words.sum()), int((words * weights % np.uint64(65535)).sum())
    return _folded(second) << 16 | _folded(first)


def _folded(total: int) -> int:
    return 0 if total == 0 else total % 65535 or 65535
