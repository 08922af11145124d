"""HDF5 files: opening them, and telling those of km3gpu from those of km3pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io.dataset import DataFile
from km3gpu.io.filebytes import is_url, open_url

__all__ = ["open_hdf5", "opened"]


def open_hdf5(path: str) -> DataFile:
    """Open an HDF5 file of a kind that is known.

    Raises
    ------
    FormatError
        Neither km3gpu nor km3pipe wrote it.
    """
    from km3gpu.io.km3hdf5 import Km3Hdf5
    from km3gpu.io.ownfiles import OwnHdf5

    with opened(path) as file:
        if isinstance(file.get("schema"), h5py.Dataset):
            return OwnHdf5(path)
        if "format_version" in file.attrs or "km3pipe" in file.attrs:
            return Km3Hdf5(path)
        names = ", ".join(list(file)[:8]) or "nothing"
    raise FormatError(
        "an HDF5 file that neither km3gpu nor km3pipe wrote",
        where=path,
        remedy=f"it holds {names}: read it with h5py",
    )


@contextmanager
def opened(path: str) -> Iterator[h5py.File]:
    """Open a file for as long as it is read, and say what is wrong with it as errors of ours."""
    try:
        with h5py.File(open_url(path) if is_url(path) else path, "r") as file:
            yield file
    except OSError as error:
        words = str(error)
        if "truncated file" in words:
            raise TruncatedFileError(
                "the HDF5 file is shorter than it says", where=path, remedy="it was cut short: fetch it again"
            ) from error
        if "filter" in words or "plugin" in words:
            raise FormatError(
                "a dataset is compressed with a filter that h5py lacks",
                where=path,
                remedy="pip install hdf5plugin, and import it before",
            ) from error
        raise FormatError(
            f"the HDF5 file is damaged: {words}", where=path, remedy="fetch or write it again"
        ) from error
    except (KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, FormatError) or hasattr(error, "remedy"):
            raise
        raise FormatError(
            f"the HDF5 file is damaged: {error}", where=path, remedy="fetch or write it again"
        ) from error
