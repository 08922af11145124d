"""A source: one or more files of one kind, looked at by their bytes, read as chunks."""

from __future__ import annotations

import functools
import glob as _glob
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.chunk import Chunk, Origin, file_digest
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, MissingExtraError, UnknownNameError
from km3gpu.io import events, offline
from km3gpu.io.header import Header, read_header
from km3gpu.io.meta import read_meta
from km3gpu.io.rootfile import RootFile, not_found
from km3gpu.io.roottree import Tree, read_tree

__all__ = ["Source", "open", "read_origin"]

# Which tree a file is read by where nobody says: the first of these that has entries.
_READERS = (offline, events)
_BY_TREE = {name: reader for reader in _READERS for name in reader.TREES}
_OPEN_FILES = 16


class OpenFile:
    """An open ROOT file and the trees of it that were looked at."""

    def __init__(self, path: str) -> None:
        self.root = RootFile(path)
        self.tree_names = list(
            dict.fromkeys(k.path for k in self.root.keys if k.class_name in ("TTree", "TNtuple"))
        )
        self._trees: dict[str, Tree] = {}

    def tree(self, name: str) -> Tree:
        """Give a tree by name; the closest names where there is none."""
        if name not in self._trees:
            key = self.root.find(name)
            if key is None or name not in self.tree_names:
                raise UnknownNameError.of("tree", name, self.tree_names, where=self.root.path)
            self._trees[name] = read_tree(self.root, key)
        return self._trees[name]

    def default_tree(self) -> str:
        """Give the tree that the file is read by: the first known one with entries."""
        known = [n for n in _BY_TREE if n in self.tree_names]
        for name in known:
            if self.tree(name).n_entries:
                return name
        if known:
            return known[0]
        raise FormatError(
            "no tree that km3gpu knows",
            where=self.root.path,
            remedy=f"the file has: {', '.join(self.tree_names) or 'no tree at all'}",
        )


_files: OrderedDict[tuple[str, int, int], OpenFile] = OrderedDict()


def open_file(path: str) -> OpenFile:
    """Open a file, or give it again where this process has it open and it did not change."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        raise not_found(path) from None
    mark = (path, stat.st_size, stat.st_mtime_ns)
    if mark not in _files:
        _files[mark] = OpenFile(path)
        while len(_files) > _OPEN_FILES:
            _files.popitem(last=False)
    _files.move_to_end(mark)
    return _files[mark]


def open(  # noqa: A001 - the public name is km3gpu.open
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, tree: str | None = None
) -> Source:
    """Open KM3NeT files for reading; what they are is seen from their bytes.

    Parameters
    ----------
    path : path, glob or iterable of them
        Local files.  ``testdata:offline/numucc.root`` is a file of the
        package km3net-testdata.
    tree : str, optional
        The tree to read, where a file has several.  By default the first that
        has entries of E, KM3NET_EVENT.

    Returns
    -------
    Source
        Files in the order given (a glob's in alphabetical order).

    Raises
    ------
    InputNotFoundError
        No such file, or a glob that matches none.
    NotRootError, TruncatedFileError, FormatError
        A file that cannot be read.
    UnknownNameError
        A file without the tree that was asked for.

    Examples
    --------
    >>> source = open("testdata:offline/km3net_offline.root")
    >>> source.kind, source.n_events
    ('offline', 10)
    """
    paths = tuple(_resolve(path))
    if not paths:
        raise InputNotFoundError("no file was named", remedy="give at least one path")
    name = tree if tree is not None else open_file(paths[0]).default_tree()
    source = Source(paths, name)
    source.n_events  # noqa: B018 - looks into every file, so that errors come here
    return source


def _resolve(path: Any) -> Iterator[str]:
    if not isinstance(path, (str, os.PathLike)):
        for one in path:
            yield from _resolve(one)
        return
    name = os.fspath(path)
    if name.startswith("testdata:"):
        name = str(_testdata() / name.removeprefix("testdata:"))
    name = os.path.expanduser(name)
    if not os.path.exists(name) and _glob.has_magic(name):
        found = sorted(_glob.glob(name, recursive=True))
        if not found:
            raise InputNotFoundError(f"no file matches {name!r}", remedy="check the pattern and its folder")
        yield from found
    else:
        yield name


def _testdata() -> Path:
    try:
        import km3net_testdata
    except ImportError:
        raise MissingExtraError(
            "testdata: paths need the package km3net-testdata", remedy="pip install 'km3gpu[demo]'"
        ) from None
    return Path(km3net_testdata.__file__).parent / "data"


@dataclass(frozen=True)
class Source:
    """Files of one kind, read by one tree, as chunks.

    A source holds paths and no open files, so it can be pickled.

    Attributes
    ----------
    paths : tuple of str
        The files, in order.
    tree : str
        Name of the tree that is read.
    """

    paths: tuple[str, ...]
    tree: str

    # -- what it is ----------------------------------------------------------
    @property
    def kind(self) -> str:
        """``"offline"`` or ``"daq"``."""
        return str(_reader(self.tree, self.paths[0]).KIND)

    @property
    def trees(self) -> dict[str, int]:
        """Trees of the first file and their entries."""
        file = open_file(self.paths[0])
        return {n: file.tree(n).n_entries for n in file.tree_names}

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Tables and their columns, as in the first file."""
        return _reader(self.tree, self.paths[0]).tables(open_file(self.paths[0]).tree(self.tree))

    @property
    def n_events(self) -> int:
        """Events (or timeslices) of all files."""
        return sum(self._counts)

    @functools.cached_property
    def _counts(self) -> tuple[int, ...]:
        return tuple(open_file(p).tree(self.tree).n_entries for p in self.paths)

    @property
    def header(self) -> Header | None:
        """Header of the first file that has one (simulation and offline files)."""
        return next((h for h in (read_header(open_file(p).root) for p in self.paths) if h), None)

    @property
    def meta(self) -> list[dict[str, Any]]:
        """What the Jpp applications that made the first file wrote about themselves."""
        return read_meta(open_file(self.paths[0]).root)

    @property
    def uuid(self) -> str:
        """UUID of the first file."""
        return open_file(self.paths[0]).root.uuid

    @property
    def digest(self) -> str:
        """SHA-256 of the first file's bytes; computed when first asked for."""
        return file_digest(self.paths[0])

    @property
    def detector_id(self) -> int | None:
        """Identifier of the detector in the first event, or None where there is no event."""
        return self._first("det_id")

    @property
    def run_id(self) -> int | None:
        """Number of the run in the first event, or None where there is no event."""
        return self._first("run_id")

    def _first(self, name: str) -> int | None:
        for path, n in zip(self.paths, self._counts, strict=True):
            if n:
                chunk = read_origin(Origin(path, self.kind, self.tree, 0, 1), {"events": (name,)})
                return int(np.asarray(chunk.events.flat(name))[0])
        return None

    # -- reading -------------------------------------------------------------
    def read(
        self,
        tables: Iterable[str] | str | None = None,
        columns: Mapping[str, Iterable[str]] | Iterable[str] | None = None,
        entries: tuple[int, int] | None = None,
        tree: str | None = None,
        backend: str | _backend.Backend = "auto",
    ) -> Chunk:
        """Read entries of one file into one chunk.

        Parameters
        ----------
        tables : iterable of str, optional
            ``("hits", "events")``; all by default.
        columns : mapping or iterable of str, optional
            ``{"hits": ("t", "tot")}`` or ``["hits/t", "hits/tot"]``; all
            columns of the tables by default.  Tables that are not named in it
            are left out unless `tables` names them.
        entries : (int, int), optional
            Entry range, half open, over all files in order; it must lie in one
            file.
        tree : str, optional
            Another tree of the same file.
        backend : str or Backend
            Where the arrays go: ``"auto"``, ``"cpu"``, ``"cuda"``.

        Returns
        -------
        Chunk

        Raises
        ------
        UnknownNameError
            No such tree, table or column; the closest come first.
        ConfigError
            The range is not within one file.
        FormatError, TruncatedFileError
            The file is damaged.
        """
        source = self if tree is None else Source(self.paths, tree)
        path, start, stop = source._locate(entries)
        origin = source._origin(path, start, stop, tables, columns)
        return read_origin(origin, backend=backend)

    def chunks(
        self,
        step: int | str | None = None,
        tables: Iterable[str] | str | None = None,
        columns: Mapping[str, Iterable[str]] | Iterable[str] | None = None,
        tree: str | None = None,
        backend: str | _backend.Backend = "auto",
    ) -> Iterator[Chunk]:
        """Read all files as a sequence of chunks.

        Parameters
        ----------
        step : int or str, optional
            Events per chunk, or their size when decompressed (``"64 MB"``,
            the default), counted over the columns that are read.
        tables, columns, tree, backend
            As for `read`.

        Yields
        ------
        Chunk
            Each from one file; edges lie on basket boundaries.
        """
        for origin in self.origins(step, tables, columns, tree):
            yield read_origin(origin, backend=backend)

    def origins(
        self,
        step: int | str | None = None,
        tables: Iterable[str] | str | None = None,
        columns: Mapping[str, Iterable[str]] | Iterable[str] | None = None,
        tree: str | None = None,
    ) -> list[Origin]:
        """Plan the chunks of `chunks` without reading them; no digest is computed.

        Returns
        -------
        list of Origin
            In order.  A file without events gives none.
        """
        source = self if tree is None else Source(self.paths, tree)
        found = []
        for path in source.paths:
            file = open_file(path)
            t = file.tree(source.tree)
            edges = plan_edges(_reader(source.tree, path), t, step)
            for start, stop in zip(edges[:-1], edges[1:], strict=True):
                found.append(source._origin(path, start, stop, tables, columns))
        return found

    def _origin(self, path: str, start: int, stop: int, tables: Any, columns: Any) -> Origin:
        file = open_file(path)
        reader = _reader(self.tree, path)
        wanted = choose(reader, file.tree(self.tree), tables, columns)
        names = ()
        if tables is not None or columns is not None:
            names = tuple(f"{t}/{c}" for t, cs in wanted.items() for c in cs)
        return Origin(path, reader.KIND, self.tree, start, stop, file.root.uuid, "", names)

    def _locate(self, entries: tuple[int, int] | None) -> tuple[str, int, int]:
        counts = self._counts
        if entries is None:
            if len(self.paths) > 1:
                raise ConfigError(
                    f"one chunk cannot hold {len(self.paths)} files",
                    remedy="take chunks(), or read(entries=(start, stop)) within one file",
                )
            return self.paths[0], 0, counts[0]
        start, stop, _ = slice(*entries).indices(self.n_events)
        stop = max(start, stop)
        first = 0
        for path, n in zip(self.paths, counts, strict=True):
            if start < first + n or path == self.paths[-1]:
                if stop > first + n:
                    raise ConfigError(
                        f"entries {start} to {stop} go beyond {path!r}, which ends at {first + n}",
                        remedy="take chunks(), or a range within one file",
                    )
                return path, start - first, stop - first
            first += n
        raise AssertionError("a source has at least one file")

    def __len__(self) -> int:
        return self.n_events

    def __repr__(self) -> str:
        names = self.paths[0] if len(self.paths) == 1 else f"{len(self.paths)} files, {self.paths[0]} ..."
        return f"<Source {self.kind}: {self.n_events} entries of {self.tree} in {names}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths, "tree": self.tree}


def _reader(tree: str, path: str) -> Any:
    try:
        return _BY_TREE[tree]
    except KeyError:
        raise UnknownNameError.of("readable tree", tree, _BY_TREE, where=path) from None


def choose(reader: Any, tree: Tree, tables: Any, columns: Any) -> dict[str, tuple[str, ...]]:
    """Work out which columns of which tables were asked for.

    Raises
    ------
    UnknownNameError
        No such table or column; the closest come first.
    """
    known = reader.tables(tree)
    where = f"tree {tree.name} of {tree.file.path}"
    by_table: dict[str, list[str] | None] = {}
    names = [tables] if isinstance(tables, str) else tables
    if names is not None:
        by_table = dict.fromkeys(names)
    if columns is not None:
        pairs = (
            [(t, c) for t, cs in columns.items() for c in ([cs] if isinstance(cs, str) else cs)]
            if isinstance(columns, Mapping)
            else [tuple(c.split("/", 1)) if "/" in c else ("", c) for c in columns]
        )
        for table, column in pairs:
            if not table:
                raise UnknownNameError.of(
                    "column", column, [f"{t}/{c}" for t, cs in known.items() for c in cs], where=where
                )
            chosen = by_table.get(table)
            by_table[table] = [*(chosen or []), column]
    if tables is None and columns is None:
        return dict(known)
    wanted = {}
    for table, chosen in by_table.items():
        if table not in known:
            raise UnknownNameError.of("table", table, known, where=where)
        if chosen is None:
            wanted[table] = tuple(known[table])
            continue
        extra = reader.columns(tree, table) if hasattr(reader, "columns") else ()
        for column in chosen:
            if column not in known[table] and column not in extra:
                raise UnknownNameError.of("column", column, known[table], where=f"table {table!r}, {where}")
        wanted[table] = tuple(dict.fromkeys(chosen))
    return wanted


def plan_edges(reader: Any, tree: Tree, step: int | str | None) -> list[int]:
    """Cut a tree into ranges of about `step`, on basket boundaries where there are enough.

    Returns
    -------
    list of int
        Edges, from 0 to the number of entries; empty ranges do not occur.
    """
    n = tree.n_entries
    if n == 0:
        return []
    if isinstance(step, int):
        if step < 1:
            raise ConfigError(f"a step of {step} events", remedy="take at least 1")
        wanted = step
    else:
        size = parse_size("64 MB" if step is None else step)
        total = max(sum(int(b.nbytes.sum()) for b in tree.branches.values()), 1)
        wanted = max(1, int(n * size / (total * _EXPANSION)))
    baskets = [int(e) for e in reader.main_branch(tree).entries]
    edges = [0]
    while edges[-1] < n:
        goal = edges[-1] + wanted
        inside = [e for e in baskets if edges[-1] < e <= goal]
        edges.append(min(inside[-1] if inside else goal, n))
    return edges


_EXPANSION = 3.0


def parse_size(text: str) -> int:
    """Read a size such as ``"64 MB"`` as bytes."""
    units = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text.strip()[len(number) :].strip().lower() or "b"
    try:
        size = float(number) * units[unit]
    except (ValueError, KeyError):
        raise ConfigError(f"{text!r} is no size", remedy="write for example '64 MB'") from None
    if size < 1:
        raise ConfigError(f"a step of {text!r}", remedy="take at least 1 B")
    return int(size)


def read_origin(
    origin: Origin,
    columns: Mapping[str, Iterable[str]] | Iterable[str] | None = None,
    *,
    backend: str | _backend.Backend = "auto",
) -> Chunk:
    """Read the rows of an origin: what a worker is handed to what it works on.

    Open files are kept per process, so that chunks of one file open it once.

    Parameters
    ----------
    origin : Origin
        File, tree, entry range and columns.
    columns : mapping or iterable of str, optional
        Read these instead of the origin's own.
    backend : str or Backend
        Where the arrays go.

    Returns
    -------
    Chunk

    Raises
    ------
    FormatError, TruncatedFileError
        The file is damaged.
    UnknownNameError
        It lacks a column.
    """
    where = _backend.select(backend)
    reader = _reader(origin.tree, origin.path)
    file = open_file(origin.path)
    tree = file.tree(origin.tree)
    if not 0 <= origin.start <= origin.stop <= tree.n_entries:
        raise FormatError(
            f"entries {origin.start} to {origin.stop} of {tree.n_entries}",
            where=f"tree {origin.tree} of {origin.path}",
            remedy="plan the chunks again: the file has changed",
        )
    asked = columns if columns is not None else (origin.columns or None)
    wanted = choose(reader, tree, None, asked)
    made = reader.read(tree, wanted, origin.start, origin.stop)
    if not origin.uuid:
        origin = replace(origin, uuid=file.root.uuid)
    chunk = Chunk(origin, made)
    return chunk if where.name == "cpu" else chunk.to(where)
