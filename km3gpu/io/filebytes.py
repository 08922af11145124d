"""Bytes of files, wherever they are: on a disk, or fetched from a URL as they are needed."""

from __future__ import annotations

import mmap
import os
import re
import threading
import weakref
from pathlib import Path
from typing import Any, Protocol

from km3gpu.errors import InputNotFoundError, MissingExtraError, closest

__all__ = ["FileBytes", "file_bytes", "file_mark", "is_url", "map_file", "open_url"]

_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BLOCK = 1 << 20  # bytes fetched at once from a URL
_EXTRAS = {"root": "xrootd", "xrootd": "xrootd", "http": "http", "https": "http"}


class FileBytes(Protocol):
    """Bytes that can be taken from anywhere in a file."""

    size: int

    def span(self, start: int, n: int) -> memoryview:
        """Give `n` bytes from `start`, which are there."""
        ...


def is_url(path: str) -> bool:
    """Tell whether a path is a URL (``root://``, ``https://``, ``s3://`` ...)."""
    return _URL.match(path) is not None


def file_bytes(path: str) -> FileBytes:
    """Open a file for reading from anywhere in it.

    Raises
    ------
    InputNotFoundError
        No such file, or it may not be read; the closest names of its folder
        are given.
    MissingExtraError
        A URL needs a package that is not installed.
    """
    return _Remote(path) if is_url(path) else _Local(path)


class _Local:
    """A local file, read piece by piece.

    It is not mapped: pages of a mapped file count as memory of the process, so
    that dask's nanny would kill a worker for the size of its file, and a file
    that shrinks while it is mapped kills the interpreter.
    """

    def __init__(self, path: str) -> None:
        self._fd = _opened(path)
        weakref.finalize(self, os.close, self._fd)
        self.size = os.fstat(self._fd).st_size

    def span(self, start: int, n: int) -> memoryview:
        data = os.pread(self._fd, n, start)
        while len(data) < n:
            more = os.pread(self._fd, n - len(data), start + len(data))
            if not more:
                break  # the file has shrunk since it was opened
            data += more
        return memoryview(data)


class _Remote:
    def __init__(self, url: str) -> None:
        self._url = url
        self._file = open_url(url)
        self.size = int(self._file.size)
        self._lock = threading.Lock()

    def span(self, start: int, n: int) -> memoryview:
        with self._lock, _named(self._url):
            self._file.seek(start)
            return memoryview(self._file.read(n))


def open_url(url: str) -> Any:
    """Open a URL as a file object that keeps the blocks it has fetched.

    Raises
    ------
    InputNotFoundError, MissingExtraError
        See `file_bytes`.
    """
    import fsspec

    with _named(url):
        fs, path = fsspec.core.url_to_fs(url)
        return fs.open(path, "rb", block_size=_BLOCK, cache_type="blockcache")


def file_mark(path: str) -> tuple[Any, ...]:
    """Give what changes when a file does: its size and time of writing.

    Raises
    ------
    InputNotFoundError, MissingExtraError
        See `file_bytes`.
    """
    if is_url(path):
        import fsspec

        with _named(path):
            fs, inside = fsspec.core.url_to_fs(path)
            info = fs.info(inside)
        return path, info.get("size"), str(info.get("mtime") or info.get("ETag") or info.get("created") or "")
    try:
        stat = Path(path).stat()
    except OSError:
        raise not_found(path) from None
    return path, stat.st_size, stat.st_mtime_ns


def map_file(path: str) -> memoryview:
    """Give all bytes of a file: mapped into memory, or read where it is a URL.

    Raises
    ------
    InputNotFoundError, MissingExtraError
        See `file_bytes`.
    """
    if is_url(path):
        with open_url(path) as remote, _named(path):
            return memoryview(remote.read())
    fd = _opened(path)
    try:
        if os.fstat(fd).st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(fd)


def _opened(path: str) -> int:
    if Path(path).is_dir():
        raise InputNotFoundError(
            f"{path!r} is a folder", remedy="name the files in it, for example with a glob"
        )
    if Path(path).exists() and not Path(path).is_file():  # opening a pipe would wait for somebody to write
        raise InputNotFoundError(
            f"{path!r} is no plain file but a pipe or device", remedy="write its content to a file first"
        )
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise not_found(path) from None
    except PermissionError:
        raise InputNotFoundError(f"{path!r} may not be read", remedy="check its permissions") from None


def not_found(path: str) -> InputNotFoundError:
    """Build the error for a path that is not there, with the folder's closest names."""
    folder = Path(path).parent
    if Path(path).is_symlink():
        return InputNotFoundError(
            f"{path!r} is a link to {str(Path(path).readlink())!r}, which is not there",
            remedy="mend the link",
        )
    if not folder.is_dir():
        return InputNotFoundError(f"no file {path!r}", remedy=f"there is no folder {str(folder)!r}")
    names = closest(Path(path).name, [p.name for p in folder.iterdir()])[:3]
    remedy = f"in that folder there is: {', '.join(names)}" if names else "that folder is empty"
    return InputNotFoundError(f"no file {path!r}", remedy=remedy)


class _named:  # noqa: N801 - a context manager is used like a function
    """Say which URL could not be reached, and what it needs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise InputNotFoundError(f"no file {self._url!r}", remedy="check the URL") from error
        if isinstance(error, (ImportError, ValueError)) and not isinstance(error, InputNotFoundError):
            scheme = self._url.partition("://")[0].lower()
            extra = _EXTRAS.get(scheme)
            remedy = (
                f"pip install 'km3gpu[{extra}]'" if extra else f"install fsspec's package for {scheme}://"
            )
            words = " ".join(str(error).split())
            raise MissingExtraError(f"{scheme}:// cannot be read: {words}", remedy=remedy) from error
        if isinstance(error, OSError):
            words = " ".join(str(error).split()) or type(error).__name__
            raise InputNotFoundError(
                f"{self._url!r} cannot be read: {words}", remedy="check the URL and the network"
            ) from error
