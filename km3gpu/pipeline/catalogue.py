"""The catalogue of runs: which run used or made which file.

A small SQLite database, by default one for each user, that every run is entered
into when it begins and when it ends.  It is an index and no more: all that it
holds is in the records of the runs, from which `km3gpu.pipeline.indexing` makes it again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from km3gpu.errors import FormatError, InputNotFoundError
from km3gpu.io.filebytes import is_url

__all__ = ["Catalogue", "Entry", "Use", "located", "place"]

VERSION = 1
VARIABLE = "KM3GPU_CATALOGUE"
PATIENCE = 10.0  # seconds to wait for another run that writes

_SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    directory TEXT NOT NULL,
    plan TEXT NOT NULL,
    code TEXT NOT NULL,
    status TEXT NOT NULL,
    started REAL,
    ended REAL,
    worker TEXT NOT NULL,
    UNIQUE (directory, plan)
);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    path TEXT NOT NULL,
    UNIQUE (digest, path)
);
CREATE INDEX files_by_path ON files (path);
CREATE TABLE uses (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    file INTEGER NOT NULL REFERENCES files,
    role TEXT NOT NULL,
    PRIMARY KEY (run, role, file)
) WITHOUT ROWID;
CREATE INDEX uses_by_file ON uses (file);
"""


@dataclass(frozen=True)
class Use:
    """A file that a run used or made.

    Attributes
    ----------
    role : str
        ``"data"``, ``"calibration"`` or ``"output"``.
    path : str
        Absolute, or a URL.
    digest : str
        As in the record: ``"sha256:..."`` or ``"mark:..."``.
    """

    role: str
    path: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """A run as the catalogue knows it.

    Attributes
    ----------
    directory : str
        Absolute path of the run, or of a file that carries its record.
    plan, code, status, worker : str
        As in the record.
    started, ended : float, optional
        Seconds since 1970.
    inputs : tuple of Use
    outputs : tuple of Use, optional
        None leaves those that the catalogue has.
    """

    directory: str
    plan: str
    code: str
    status: str
    worker: str
    started: float | None
    ended: float | None
    inputs: tuple[Use, ...]
    outputs: tuple[Use, ...] | None


def place(setting: str | None = None) -> Path | None:
    """Say where the catalogue is.

    Parameters
    ----------
    setting : str, optional
        A path, ``"user"`` for the folder of the user's data, or ``"none"``;
        without it ``KM3GPU_CATALOGUE`` says so, or else it is the user's.

    Returns
    -------
    Path or None
        None where runs are not to be entered.
    """
    name = setting or os.environ.get(VARIABLE) or "user"
    if name == "none":
        return None
    if name != "user":
        return Path(name).expanduser().resolve()
    if sys.platform == "darwin":
        folder = Path("~/Library/Application Support").expanduser()
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    return folder / "km3gpu" / "catalogue.sqlite"


class Catalogue:
    """An open catalogue; several processes may write into one.

    Parameters
    ----------
    path : Path
    make : bool
        Make it where there is none.
    patience : float
        Seconds to wait for another process that writes.

    Raises
    ------
    InputNotFoundError
        There is none, and none is to be made.
    FormatError
        It is no catalogue, of another version, damaged, or cannot be written.
    """

    def __init__(self, path: Path, *, make: bool = False, patience: float = PATIENCE) -> None:
        self.path = path
        if path.is_dir():
            raise FormatError(f"{str(path)!r} is a directory", remedy="name a file, which need not be there")
        if not make and not path.is_file():
            raise InputNotFoundError(
                f"no catalogue {str(path)!r}",
                remedy="`km3gpu run` makes one, and `km3gpu prov index DIR` from the runs below a directory",
            )
        try:
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            # a network file system has no write-ahead log, so the plain journal it is
            self._db = sqlite3.connect(path, timeout=patience, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._broken(error) from error
        try:
            with self._told():
                self._db.execute("PRAGMA foreign_keys = ON")
                if self._is_new():
                    with self._transaction():
                        self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _is_new(self) -> bool:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        names = {n for (n,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if version == 0 and not names:
            return True
        if version > VERSION:
            raise FormatError(
                f"a catalogue of version {version}, this km3gpu knows {VERSION}",
                where=str(self.path),
                remedy=f"update km3gpu, or name another with --catalogue or {VARIABLE}",
            )
        if version != VERSION or not {"runs", "files", "uses"} <= names:
            raise FormatError(
                "a database that is no catalogue of km3gpu",
                where=str(self.path),
                remedy=f"name another file with --catalogue or {VARIABLE}",
            )
        return False

    def _prepare(self) -> None:
        if not self._is_new():  # another run was faster
            return
        for statement in filter(str.strip, _SCHEMA.split(";")):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _broken(self, error: Exception) -> FormatError:
        remedy = "`km3gpu prov index --rebuild DIR` makes it again from the runs below a directory"
        # what is no fault of the file is no reason to make it again
        if isinstance(error, OSError) or not self.path.is_file() or "locked" in str(error):
            remedy = f"name another with --catalogue or {VARIABLE}, or none"
        return FormatError(f"the catalogue cannot be used: {error}", where=str(self.path), remedy=remedy)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._broken(error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- writing ---------------------------------------------------------------
    def add(self, *entries: Entry) -> None:
        """Enter runs, or what is new about them."""
        with self._told(), self._transaction():
            for entry in entries:
                self._add(entry)

    def knows(self, entry: Entry) -> bool:
        """Tell whether the run was entered."""
        question = "SELECT 1 FROM runs WHERE directory = ? AND plan = ?"
        return bool(self.rows(question, (entry.directory, entry.plan)))

    def _add(self, e: Entry) -> None:
        (run,) = self._db.execute(
            "INSERT INTO runs (directory, plan, code, status, started, ended, worker)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (directory, plan) DO UPDATE SET code = excluded.code,"
            " status = excluded.status, started = coalesce(min(started, excluded.started), started,"
            " excluded.started), ended = excluded.ended, worker = excluded.worker RETURNING id",
            (e.directory, e.plan, e.code, e.status, e.started, e.ended, e.worker),
        ).fetchone()
        self._replace(run, "role <> 'output'", e.inputs)
        if e.outputs is not None:
            self._replace(run, "role = 'output'", e.outputs)

    def _replace(self, run: int, which: str, uses: Iterable[Use]) -> None:
        uses = list(uses)
        self._db.execute(f"DELETE FROM uses WHERE run = ? AND {which}", (run,))
        self._db.executemany(
            "INSERT OR IGNORE INTO files (digest, path) VALUES (?, ?)", [(u.digest, u.path) for u in uses]
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO uses (run, file, role)"
            " SELECT ?, id, ? FROM files WHERE digest = ? AND path = ?",
            [(run, u.role, u.digest, u.path) for u in uses],
        )

    # -- reading ---------------------------------------------------------------
    def rows(self, question: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database in SQL; the tables are ``runs``, ``files`` and ``uses``."""
        with self._told():
            return self._db.execute(question, tuple(values)).fetchall()


def located(path: str) -> str:
    """Give the one path under which the catalogue knows a file: without links; a URL as it is."""
    return path if is_url(path) else str(Path(path).expanduser().resolve())
