"""Which format a file has, by its first bytes."""

from __future__ import annotations

from collections.abc import Callable

from km3gpu.errors import NotRootError, TruncatedFileError
from km3gpu.io.daqdump import DumpFile, is_dump
from km3gpu.io.datagrams import DatagramFile, is_datagrams
from km3gpu.io.dataset import DataFile
from km3gpu.io.evt import EvtFile, is_evt
from km3gpu.io.filebytes import file_bytes
from km3gpu.io.rawacoustics import RawAcousticsFile, is_raw_acoustics
from km3gpu.io.rootdata import RootData

__all__ = ["open_data"]

_HEAD = 4096
_COMMENTS = 1 << 20  # texts begin with comments of any length


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
    found = _beside_data(bytes(data.span(0, min(_COMMENTS, data.size))), path)
    if found is not None:
        return found
    what = "is not a ROOT file" if path.lower().endswith(".root") else "is of no format that km3gpu reads"
    raise NotRootError(f"{path!r} {what}", remedy=_looks_like(head, path))


def _looks_like(head: bytes, path: str) -> str:
    """Say what a file may be."""
    start = head.lstrip()
    if head.startswith(_COMPRESSED):
        return "it is compressed: unpack it first"
    if head[4:8] == b"TAES":
        return "it holds acoustic samples of a control board (TAES), of which only their own programs know"
    if start.startswith((b"<", b"{", b"[")):
        is_json = path.lower().endswith(".json")
        return "it is JSON" if is_json else "it looks like a web page or JSON: was it downloaded whole?"
    text = b"\0" not in head and sum(b >= 128 for b in head) * 10 < len(head)
    return "it is a text" if text else "check that it is the file you mean"


_COMPRESSED = (b"\x1f\x8b", b"BZh", b"PK\x03\x04", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")


def _beside_data(head: bytes, path: str) -> DataFile | None:
    """Open a detector description or a text file that goes with one."""
    from km3gpu.io.detectorfiles import DetectorFile, TextFile, is_detector, text_kind

    if is_detector(head, path):
        return DetectorFile(path)
    kind = text_kind(head, path)
    return None if kind is None else TextFile(path, kind)


def _hdf5(path: str) -> DataFile:
    from km3gpu.io.hdf5file import open_hdf5

    return open_hdf5(path)


def _parquet(path: str) -> DataFile:
    from km3gpu.io.ownfiles import OwnParquet

    return OwnParquet(path)


def _fits(path: str) -> DataFile:
    from km3gpu.io.ownfiles import OwnFits

    return OwnFits(path)


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[str], DataFile]], ...] = (
    # the version that follows has three bytes at most: a text may begin with "root" too
    (lambda head: head.startswith(b"root\0"), RootData),
    (lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"), _hdf5),
    (lambda head: head.startswith(b"PAR1"), _parquet),
    (lambda head: head.startswith(b"SIMPLE  ="), _fits),
    (is_evt, EvtFile),
    (is_datagrams, DatagramFile),
    (is_dump, DumpFile),
    (is_raw_acoustics, RawAcousticsFile),
)
