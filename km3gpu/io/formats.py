"""Which format a file has, by its first bytes."""

from __future__ import annotations

from collections.abc import Callable

from km3gpu.errors import TruncatedFileError
from km3gpu.io.daqdump import DumpFile, is_dump
from km3gpu.io.datagrams import DatagramFile, is_datagrams
from km3gpu.io.dataset import DataFile
from km3gpu.io.evt import EvtFile, is_evt
from km3gpu.io.filebytes import file_bytes
from km3gpu.io.rawacoustics import RawAcousticsFile, is_raw_acoustics
from km3gpu.io.rootdata import RootData

__all__ = ["open_data"]

_HEAD = 4096


def open_data(path: str) -> DataFile:
    """Open a file with the reader of its format.

    Parameters
    ----------
    path : str
        A file or URL.

    Raises
    ------
    InputNotFoundError
        No such file, or it cannot be reached.
    NotRootError
        It is of no format that km3gpu reads; the message says what it may be.
    TruncatedFileError, FormatError
        It is of a known format, but damaged.
    """
    data = file_bytes(path)
    head = bytes(data.span(0, min(_HEAD, data.size)))
    if not head:
        raise TruncatedFileError("the file is empty", where=path, remedy="fetch it again")
    for fits, opener in _FORMATS:
        if fits(head):
            return opener(path)
    return RootData(path)  # says what it is instead


def _hdf5(path: str) -> DataFile:
    from km3gpu.io.hdf5file import open_hdf5

    return open_hdf5(path)


def _parquet(path: str) -> DataFile:
    from km3gpu.io.ownfiles import OwnParquet

    return OwnParquet(path)


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[str], DataFile]], ...] = (
    (lambda head: head.startswith(b"root"), RootData),
    (lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"), _hdf5),
    (lambda head: head.startswith(b"PAR1"), _parquet),
    (is_evt, EvtFile),
    (is_datagrams, DatagramFile),
    (is_dump, DumpFile),
    (is_raw_acoustics, RawAcousticsFile),
)
