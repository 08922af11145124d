"""A source: one or more files of one kind, looked at by their bytes, read as chunks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, Origin, file_digest
from km3gpu.errors import ConfigError
from km3gpu.io.dataset import choose, plan_edges
from km3gpu.io.opened import open_file
from km3gpu.io.origins import Columns, read_origin
from km3gpu.io.paths import PathLike, resolve

__all__ = ["Source", "open"]

Tables: TypeAlias = str | Iterable[str] | None


def open(path: PathLike | Iterable[PathLike], *, tree: str | None = None) -> Source:  # noqa: A001 - km3gpu.open
    """Open KM3NeT files for reading; what they are is seen from their bytes.

    Parameters
    ----------
    path : path, URL, glob or iterable of them
        Files of one kind: ROOT files, dumps, EVT, HDF5, Parquet; also detector
        descriptions (an entry is a module) and the text files beside them (an
        entry is a line).  A URL may be any that fsspec reads (``root://`` with
        the extra ``xrootd``).  ``testdata:offline/numucc.root`` is a file of the
        package km3net-testdata.
    tree : str, optional
        The tree to read, where a file has several.  By default the first that
        has entries in the first file, of E, KM3NET_EVENT,
        KM3NET_TIMESLICE_L1, _L2, _SN, _L0, KM3NET_TIMESLICE and
        KM3NET_SUMMARYSLICE, in this order.

    Returns
    -------
    Source
        Files in the order given; those of a glob in alphabetical order.

    Raises
    ------
    InputNotFoundError
        No such file, or a glob that matches none.
    NotRootError, TruncatedFileError, FormatError
        A file that cannot be read.
    UnknownNameError
        A file without the tree.

    Examples
    --------
    >>> source = open("testdata:offline/km3net_offline.root")
    >>> source.kind, source.n_events
    ('offline', 10)
    """
    paths = resolve(path)
    source = Source(paths, open_file(paths[0]).default() if tree is None else tree)
    for each in paths:
        open_file(each).dataset(source.tree)  # faults of any file come here, not half way through
    return source


@dataclass(frozen=True)
class Source:
    """Files of one kind, read by one tree, as chunks.

    It holds paths and no open files, so it can be pickled.

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
        """What the entries are: ``"offline"``, ``"daq"``, ..."""
        return open_file(self.paths[0]).dataset(self.tree).kind

    @property
    def trees(self) -> dict[str, int]:
        """Trees of the first file and their entries."""
        return open_file(self.paths[0]).counts()

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Tables of the first file and their columns."""
        return open_file(self.paths[0]).dataset(self.tree).tables()

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        return tuple(open_file(p).dataset(self.tree).n_entries for p in self.paths)

    @property
    def n_events(self) -> int:
        """Events (or timeslices) of all files."""
        return sum(self._counts)

    @property
    def header(self) -> Any:
        """`~km3gpu.io.header.Header` of the first file that has one, or None."""
        return next((h for h in (open_file(p).header() for p in self.paths) if h is not None), None)

    @property
    def meta(self) -> list[dict[str, Any]]:
        """What the applications that made the first file wrote about themselves."""
        return open_file(self.paths[0]).meta()

    @property
    def uuid(self) -> str:
        """UUID that the first file carries."""
        return open_file(self.paths[0]).uuid

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
            dataset = open_file(path).dataset(self.tree)
            if n and name in dataset.tables().get("events", ()):
                events = dataset.read({"events": (name,)}, 0, 1, Backend("cpu"))["events"]
                return int(np.asarray(events.flat(name))[0])
        return None

    # -- reading -------------------------------------------------------------
    def read(
        self,
        tables: Tables = None,
        columns: Columns = None,
        entries: tuple[int, int] | None = None,
        tree: str | None = None,
        backend: str | Backend = "auto",
    ) -> Chunk:
        """Read entries of one file into one chunk.

        Parameters
        ----------
        tables : str or iterable of str, optional
            ``("hits", "events")``; all by default.
        columns : mapping or iterable of str, optional
            ``{"hits": ("t", "tot")}`` or ``["hits/t", "hits/tot"]``: only these
            tables and columns, and those of `tables` in full.
        entries : (int, int), optional
            Entry range, half open, counted over all files; it must lie in one
            file.
        tree : str, optional
            Another tree of the same files.
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
        source = self if tree is None else replace(self, tree=tree)
        path, start, stop = source._locate(entries)
        return read_origin(source._origin(path, start, stop, tables, columns), backend=backend)

    def chunks(
        self,
        step: int | str | None = None,
        tables: Tables = None,
        columns: Columns = None,
        tree: str | None = None,
        backend: str | Backend = "auto",
    ) -> Iterator[Chunk]:
        """Read all files as a sequence of chunks, each from one file.

        Parameters
        ----------
        step : int or str, optional
            Events per chunk, or bytes when decompressed of the columns that
            are read (``"64 MB"``, the default).
        tables, columns, tree, backend
            As for `read`.

        Yields
        ------
        Chunk
            Edges lie on basket boundaries where baskets are smaller than the
            step.
        """
        for origin in self.origins(step, tables, columns, tree):
            yield read_origin(origin, backend=backend)

    def origins(
        self,
        step: int | str | None = None,
        tables: Tables = None,
        columns: Columns = None,
        tree: str | None = None,
    ) -> list[Origin]:
        """Plan the chunks of `chunks` without reading them; no digest is computed.

        Returns
        -------
        list of Origin
            In order.  A file without events gives none.
        """
        source = self if tree is None else replace(self, tree=tree)
        found = []
        for path in source.paths:
            dataset = open_file(path).dataset(source.tree)
            edges = plan_edges(dataset, step, choose(dataset, tables, columns))
            for start, stop in itertools.pairwise(edges):
                found.append(source._origin(path, start, stop, tables, columns))
        return found

    def _origin(self, path: str, start: int, stop: int, tables: Tables, columns: Columns) -> Origin:
        file = open_file(path)
        dataset = file.dataset(self.tree)
        wanted = choose(dataset, tables, columns)
        names: tuple[str, ...] = ()
        if tables is not None or columns is not None:
            names = tuple(f"{t}/{c}" for t, cs in wanted.items() for c in cs)
        return Origin(path, dataset.kind, self.tree, start, stop, file.uuid, "", names)

    def _locate(self, entries: tuple[int, int] | None) -> tuple[str, int, int]:
        if entries is None:
            if len(self.paths) > 1:
                raise ConfigError(
                    f"one chunk cannot hold {len(self.paths)} files",
                    remedy="take chunks(), or read(entries=(start, stop)) within one file",
                )
            return self.paths[0], 0, self.n_events
        start, stop, _ = slice(*entries).indices(self.n_events)
        stop = max(start, stop)
        edges = [0, *itertools.accumulate(self._counts)]
        index = next((i for i, last in enumerate(edges[1:]) if start < last), len(self.paths) - 1)
        path, first, last = self.paths[index], edges[index], edges[index + 1]
        if stop > last:
            raise ConfigError(
                f"entries {start} to {stop} go beyond {path!r}, which ends at {last}",
                remedy="take chunks(), or a range within one file",
            )
        return path, start - first, stop - first

    def __len__(self) -> int:
        return self.n_events

    def __repr__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"<Source {self.kind}: {self.n_events} entries of {self.tree} in {self.paths[0]}{more}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths, "tree": self.tree}
