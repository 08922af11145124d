"""What a user may write for files: paths, globs, lists, and ``testdata:``."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from km3gpu.errors import InputNotFoundError
from km3gpu.extras import resolve_path
from km3gpu.io.filebytes import is_url

__all__ = ["PathLike", "resolve"]

PathLike: TypeAlias = str | os.PathLike[str]


def resolve(path: PathLike | Iterable[PathLike]) -> tuple[str, ...]:
    """Turn what a user wrote into the paths of files.

    Parameters
    ----------
    path : path, URL, glob or iterable of them
        ``~`` is the home folder; ``testdata:offline/numucc.root`` a file of
        the package km3net-testdata.  A glob's files come in alphabetical
        order.

    Returns
    -------
    tuple of str
        At least one; whether the files exist is seen when they are opened.

    Raises
    ------
    InputNotFoundError
        A glob that matches nothing, or an empty list.
    MissingExtraError
        ``testdata:`` without km3net-testdata.
    """
    paths = tuple(_each(path))
    if not paths:
        raise InputNotFoundError("no file was named", remedy="give at least one path")
    return paths


def _each(path: PathLike | Iterable[PathLike]) -> Iterator[str]:
    if not isinstance(path, (str, os.PathLike)):
        for one in path:
            yield from _each(one)
        return
    name = resolve_path(os.fspath(path))
    if is_url(name):
        yield from _of_url(name)
        return
    name = str(Path(name).expanduser())
    if glob.has_magic(name) and not Path(name).exists():
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not found:
            raise InputNotFoundError(f"no file matches {name!r}", remedy="check the pattern and its folder")
        yield from found
        return
    yield name


def _of_url(url: str) -> Iterator[str]:
    """Give the files of a URL with stars in it; any other is itself."""
    if "*" not in url:
        yield url
        return
    import fsspec

    fs, path = fsspec.core.url_to_fs(url)
    found = sorted(str(fs.unstrip_protocol(p)) for p in fs.glob(path))
    if not found:
        raise InputNotFoundError(f"no file matches {url!r}", remedy="check the pattern and its folder")
    yield from found
