"""Datasets and attributes of HDF5 made by the library's own calls, without the comforts of h5py's.

A part of a small chunk has a hundred of them, and h5py takes longer to make one
than to fill it.
"""

from __future__ import annotations

import functools
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t

from km3gpu.io.pieces import Packed

__all__ = ["put_dataset", "put_packed", "put_text"]


def put_dataset(group: h5py.Group, name: str, values: Any) -> Any:
    """Make a dataset of an array.

    Returns
    -------
    h5py.h5d.DatasetID
    """
    array = np.ascontiguousarray(values)
    kind = _type(array.dtype)
    made = h5d.create(group.id, name.encode(), kind, h5s.create_simple(array.shape), _settings())
    if array.size:
        made.write(h5s.ALL, h5s.ALL, array, kind)
    return made


def put_packed(group: h5py.Group, name: str, like: Any, packed: Packed, level: int) -> Any:
    """Make a dataset of a column that is compressed already, as a single chunk.

    Parameters
    ----------
    group : h5py.Group
    name : str
    like : (n, ...) array
        The column.
    packed : Packed
        Its rows.
    level : int
        Of gzip.

    Returns
    -------
    h5py.h5d.DatasetID
    """
    settings = h5p.create(h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)
    settings.set_chunk(like.shape)
    if packed.n_planes > 1:
        settings.set_shuffle()
    settings.set_deflate(level)
    made = h5d.create(group.id, name.encode(), _type(like.dtype), h5s.create_simple(like.shape), settings)
    made.write_direct_chunk((0,) * like.ndim, packed.stream())
    return made


def put_text(owner: Any, name: str, text: str) -> None:
    """Give a dataset or group a text as an attribute, as h5py stores it."""
    made = h5a.create(owner, name.encode(), _text(), h5s.create(h5s.SCALAR))
    made.write(np.array(text, h5py.string_dtype()))


@functools.cache
def _type(dtype: Any) -> Any:
    return h5t.py_create(dtype, logical=True)


@functools.cache
def _text() -> Any:
    return h5t.py_create(h5py.string_dtype(), logical=True)


@functools.cache
def _settings() -> Any:
    settings = h5p.create(h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)  # the same rows are the same bytes
    return settings
