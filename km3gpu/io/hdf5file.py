"""HDF5 files: opening them, telling whose they are, what all that write them need."""

from __future__ import annotations

import importlib
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

from km3gpu.errors import DiskFullError, FormatError, Km3GpuError, TruncatedFileError
from km3gpu.io.dataset import DataFile
from km3gpu.io.filebytes import is_url, open_url

__all__ = ["chunk_shape", "full_disk_told", "open_hdf5", "opened", "write_text"]

_CHUNK = 16 << 20  # bytes of a chunk at most; HDF5 itself ends at 4 GB


def open_hdf5(path: str) -> DataFile:
    """Open an HDF5 file of a kind that is known.

    Raises
    ------
    FormatError
        It holds no tables of events.
    """
    from km3gpu.io.km3hdf5 import Km3Hdf5
    from km3gpu.io.km3places import has_event_tables
    from km3gpu.io.ownfiles import OwnHdf5
    from km3gpu.io.seatray import INDEX, SeaTrayFile

    with opened(path) as file:
        if isinstance(file.get("schema"), h5py.Dataset):
            return OwnHdf5(path)
        if "format_version" in file.attrs or "km3pipe" in file.attrs or has_event_tables(file):
            return Km3Hdf5(path)
        if isinstance(file.get(INDEX), h5py.Group):
            return SeaTrayFile(path)
        names = ", ".join(list(file)[:8]) or "nothing"
    raise FormatError(
        "an HDF5 file without tables of events",
        where=path,
        remedy=f"it holds {names}: read it with h5py",
    )


@contextmanager
def opened(path: str) -> Iterator[h5py.File]:
    """Open a file for as long as it is read, and say what is wrong with it as errors of ours."""
    # registers its filters, where there is one that works; most files need none
    with suppress(ImportError):
        importlib.import_module("hdf5plugin")
    try:
        with h5py.File(open_url(path) if is_url(path) else path, "r") as file:
            yield file
    except Km3GpuError:
        raise
    except OSError as error:
        words = str(error)
        if "truncated file" in words:
            raise TruncatedFileError(
                "the HDF5 file is shorter than it says", where=path, remedy="it was cut short: fetch it again"
            ) from error
        if "filter" in words or "plugin" in words:
            raise FormatError(
                "a dataset is compressed with a filter that h5py does not bring",
                where=path,
                remedy="pip install hdf5plugin: it is found by itself",
            ) from error
        raise FormatError(
            f"the HDF5 file is damaged: {words}", where=path, remedy="fetch or write it again"
        ) from error
    except (LookupError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise FormatError(
            f"the HDF5 file is damaged: {error}", where=path, remedy="fetch or write it again"
        ) from error


def chunk_shape(rows: int, like: np.ndarray | h5py.Dataset) -> tuple[int, ...]:
    """Give the shape of the chunks of a dataset: `rows` of them, fewer where a row is large."""
    inner = like.shape[1:]
    size = max(math.prod(inner) * like.dtype.itemsize, 1)
    return (max(1, min(rows, _CHUNK // size)), *inner)


@contextmanager
def full_disk_told(path: Path) -> Iterator[None]:
    """Turn what HDF5 says of a full disk, which may be anything, into an error of ours.

    Raises
    ------
    DiskFullError
        The block raised an `OSError`, and the disk of `path` has no space left.
    """
    try:
        yield
    except OSError as error:
        if shutil.disk_usage(path.parent).free >= 1 << 20:
            raise
        raise DiskFullError(
            "no space left on the disk of the output", where=str(path), remedy="make room, then resume"
        ) from error


def write_text(file: h5py.File, name: str, text: str) -> None:
    """Store a text as a dataset: attributes end at 64 kB."""
    data = text.encode()
    file.create_dataset(
        name, data=data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)), track_times=False
    )
