"""Files that this process has open, so that the chunks of one file open it once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from km3gpu.io.dataset import DataFile
from km3gpu.io.filebytes import file_mark
from km3gpu.io.formats import open_data

__all__ = ["open_file"]

_KEEP = 16  # of 0.2 MB each
_files: OrderedDict[tuple[Any, ...], DataFile] = OrderedDict()
_lock = threading.Lock()


def open_file(path: str) -> DataFile:
    """Open a file, or give it again where it is open and has not changed since.

    Parameters
    ----------
    path : str
        A file or URL.

    Raises
    ------
    InputNotFoundError, NotRootError, TruncatedFileError, FormatError
        It cannot be read.
    """
    mark = file_mark(path)
    with _lock:
        if mark not in _files:
            _files[mark] = open_data(path)
            while len(_files) > _KEEP:
                _files.popitem(last=False)
        _files.move_to_end(mark)
        return _files[mark]
