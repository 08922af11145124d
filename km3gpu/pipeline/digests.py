"""Digests of large files, remembered for each user: a terabyte of inputs is hashed once, not once a plan.

A file is the one that was hashed where path, size, inode and the times of
writing and of change are the same; the last of these no program can set.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from km3gpu.chunk import file_digest

__all__ = ["VARIABLE", "digest_of", "place"]

VARIABLE = "KM3GPU_DIGESTS"
_LARGE = 64_000_000  # bytes; a smaller file is hashed in no time
_PATIENCE = 5.0  # seconds to wait for another run that writes
_TABLE = (
    "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, mark TEXT NOT NULL, digest TEXT NOT NULL)"
    " WITHOUT ROWID"
)


def place() -> Path | None:
    """Give the file of the digests; None where ``KM3GPU_DIGESTS`` is ``"none"``."""
    name = os.environ.get(VARIABLE, "")
    if name == "none":
        return None
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(name or f"{cache}/km3gpu/digests.sqlite").expanduser()


def digest_of(path: str) -> str:
    """Give ``"sha256:..."`` of the bytes of a local file, from memory where it has not changed.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    """
    where = place()
    try:
        before = Path(path).stat()
    except OSError:
        return file_digest(path)  # says what is wrong
    if where is None or before.st_size < _LARGE:
        return file_digest(path)
    name, mark = str(Path(path).absolute()), _mark(before)
    with contextlib.suppress(sqlite3.Error, OSError), _opened(where) as known:
        row = known.execute("SELECT digest FROM digests WHERE path = ? AND mark = ?", (name, mark)).fetchone()
        if row is not None:
            return str(row[0])
    digest = file_digest(path)
    # a file that was written to while it was read is not remembered, and a
    # memory that cannot be written to is none
    if _mark(Path(path).stat()) == mark:
        with contextlib.suppress(sqlite3.Error, OSError), _opened(where) as known:
            known.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (name, mark, digest))
    return digest


def _mark(stat: os.stat_result) -> str:
    return f"{stat.st_size} {stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"


@contextlib.contextmanager
def _opened(where: Path) -> Iterator[sqlite3.Connection]:
    where.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(where, timeout=_PATIENCE)) as connection, connection:
        connection.execute(_TABLE)
        yield connection
