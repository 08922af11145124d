"""Trees of calibration files, with errors that say which file and what it lacks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.errors import (
    FormatError,
    InputNotFoundError,
    Km3GpuError,
    NotRootError,
    TruncatedFileError,
)
from km3gpu.extras import resolve_path

__all__ = ["column", "has_column", "open_tree"]


@contextmanager
def open_tree(path: str | Path, tree: str, what: str) -> Iterator[tuple[Any, Any]]:
    """Open one tree of a ROOT file.

    Parameters
    ----------
    path : str or Path
        ``"testdata:..."`` names a file of the package km3net-testdata.
    tree : str
        Name of the tree.
    what : str
        What such a file is, for messages.

    Yields
    ------
    file, tree
        Of uproot.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    NotRootError, TruncatedFileError
        It is no ROOT file, or only the beginning of one.
    FormatError
        It has no such tree, or cannot be decoded.
    """
    import uproot  # here, since most who open a detector read no ROOT file with it

    name = resolve_path(str(path))
    if not Path(name).is_file():
        raise InputNotFoundError(f"no file {name!r}", remedy="check the path")
    _check_head(name, what)
    try:
        with uproot.open(name) as file:
            if tree not in file:
                there = ", ".join(sorted({k.partition(";")[0] for k in file.keys(recursive=False)}))
                raise FormatError(f"no tree {tree!r} (there is: {there})", where=name, remedy=f"give {what}")
            yield file, file[tree]
    except (Km3GpuError, MemoryError):
        raise
    except Exception as error:  # uproot raises many kinds for bytes that are not what they say
        reason = str(error).strip().partition("\n")[0]
        raise FormatError(
            f"{what} cannot be decoded: {type(error).__name__}: {reason}",
            where=name,
            remedy="get an intact copy",
        ) from error


def column(tree: Any, name: str) -> np.ndarray:
    """Read a branch of numbers, whatever group it lies in.

    Raises
    ------
    FormatError
        There is none of that name.
    """
    for branch in tree.itervalues(recursive=True):
        if branch.name.rpartition("/")[2] == name:
            return np.asarray(branch.array(library="np"))
    raise FormatError(f"no branch {name!r} in tree {tree.name!r}", where=tree.file.file_path)


def has_column(tree: Any, name: str) -> bool:
    """Tell whether there is a branch of that name in any group."""
    return any(branch.name.rpartition("/")[2] == name for branch in tree.itervalues(recursive=True))


def _check_head(name: str, what: str) -> None:
    """Raise where the file is not of ROOT, or shorter than its head says."""
    size = Path(name).stat().st_size
    with open(name, "rb") as f:
        head = f.read(20)
    if head[:4] != b"root":
        raise NotRootError(f"{name!r} is no ROOT file", remedy=f"give {what}")
    if len(head) == 20:
        version, _, small, large = struct.unpack(">iiiI", head[4:20])
        # files beyond 2 GB have 8-byte ends, marked by a version of a million more
        end = small if version < 1_000_000 else (small << 32) | large
        if end <= size:
            return
    raise TruncatedFileError(
        f"{size} bytes of a ROOT file that was longer", where=name, remedy="get a complete copy"
    )
