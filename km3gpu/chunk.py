"""A chunk: one contiguous entry range of one tree in one file, with its identity.

What has been done to a chunk is part of what it is.  Its id is a hash over
where its rows come from and every step applied since, so the same id means the
same bytes, on any machine.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from km3gpu._version import __version__
from km3gpu.backend import Backend
from km3gpu.errors import InputNotFoundError, UnknownNameError
from km3gpu.table import Table

__all__ = ["TABLES", "Chunk", "Origin", "chunk_id", "code_version", "file_digest", "merge_counters"]

TABLES = (
    "events",
    "hits",
    "triggered_hits",
    "mc_hits",
    "tracks",
    "mc_tracks",
    "frames",
    "clusters",
    "triggers",
    "scores",
    "truth_scores",
)


@dataclass(frozen=True)
class Origin:
    """Where the rows of a chunk come from.

    Attributes
    ----------
    path : str
        The file as it was named (path or URL).
    kind : str
        ``"offline"``, ``"daq"``, ...
    tree : str
        Name of the tree.
    start, stop : int
        Entry range, half open.
    uuid : str
        UUID that the ROOT file carries, or ``""``.
    digest : str
        ``"sha256:..."`` of the file's bytes; ``""`` where it was not computed yet.
    columns : tuple of str
        The columns that were asked for, as ``table/column``; empty for all.
    """

    path: str
    kind: str
    tree: str
    start: int
    stop: int
    uuid: str = ""
    digest: str = ""
    columns: tuple[str, ...] = ()

    @property
    def n_entries(self) -> int:
        """Number of entries."""
        return self.stop - self.start

    def with_digest(self) -> Origin:
        """Give the same origin with the digest filled in."""
        return self if self.digest else replace(self, digest=file_digest(self.path))

    def key(self) -> dict[str, Any]:
        """Everything that identifies the rows; the path does not."""
        return {
            "digest": self.with_digest().digest,
            "uuid": self.uuid,
            "kind": self.kind,
            "tree": self.tree,
            "entries": [self.start, self.stop],
            "columns": sorted(self.columns),
        }


@dataclass(frozen=True, eq=False)
class Chunk:
    """Tables of one entry range, and what has been done to them.

    The tables are attributes (``chunk.hits``); `tables` maps their names.
    Stages never change a chunk: they give a new one that shares what they left
    alone.

    Attributes
    ----------
    source : Origin
        Where the rows come from.
    tables : mapping of str to Table
        Those that were read or made.
    history : tuple of str
        One fingerprint per stage applied, in order.
    counters : mapping of str to float
        What stages counted, as ``stage/name``; see `merge_counters`.
    """

    source: Origin
    tables: Mapping[str, Table]
    history: tuple[str, ...] = field(default=())
    counters: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Identity of the chunk: 32 hexadecimal digits (see `chunk_id`)."""
        return chunk_id(self.source, self.history)

    def __getattr__(self, name: str) -> Table:
        if name.startswith("_"):
            raise AttributeError(name)
        tables: Mapping[str, Table] = self.__dict__.get("tables", {})
        try:
            return tables[name]
        except KeyError:
            where = f"this chunk of {self.source.path}" if "source" in self.__dict__ else None
            raise UnknownNameError.of("table", name, tables, where=where) from None

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __len__(self) -> int:
        return self.n_events

    @property
    def n_events(self) -> int:
        """Number of events (rows of the ``events`` table; timeslices count as events)."""
        events = self.tables.get("events")
        if events is not None:
            return len(events)
        return next((t.n_events for t in self.tables.values()), 0)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        return sum(t.nbytes for t in self.tables.values())

    def evolve(
        self, fingerprint: str, tables: Mapping[str, Table], counters: Mapping[str, float] | None = None
    ) -> Chunk:
        """Give the chunk after a stage.

        Parameters
        ----------
        fingerprint : str
            What the stage is, with all that shapes its result.
        tables : mapping of str to Table
            Tables to add or replace; the others are shared.
        counters : mapping of str to float, optional
            What the stage counted.

        Returns
        -------
        Chunk
            Its history is longer by one.
        """
        return Chunk(
            self.source,
            {**self.tables, **tables},
            (*self.history, fingerprint),
            merge_counters(self.counters, counters or {}),
        )

    def to(self, where: Backend) -> Chunk:
        """Give the same chunk with every array on the backend `where`."""
        move = where.to_device
        tables = {n: t.map(move) for n, t in self.tables.items()}
        return Chunk(self.source, tables, self.history, self.counters)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n}: {len(t)}" for n, t in self.tables.items())
        s = self.source
        return f"<Chunk {Path(s.path).name}:{s.tree}[{s.start}:{s.stop}] {sizes}>"


def merge_counters(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Merge counters of two stages or chunks.

    Counts add up; a counter whose last part begins with ``max_`` keeps the
    larger value.
    """
    merged = dict(a)
    for name, value in b.items():
        if name not in merged:
            merged[name] = value
        elif name.rsplit("/", 1)[-1].startswith("max_"):
            merged[name] = max(merged[name], value)
        else:
            merged[name] = merged[name] + value
    return merged


def chunk_id(source: Origin, history: tuple[str, ...] = ()) -> str:
    """Compute the identity of the chunk that `history` makes of `source`.

    It can be known before the chunk is read, so a plan knows the names of all
    its parts.

    Parameters
    ----------
    source : Origin
        Its digest is computed where it is missing.
    history : tuple of str
        Stage fingerprints, in order.

    Returns
    -------
    str
        32 hexadecimal digits: SHA-256 over source, history and code version.
    """
    key = {"source": source.key(), "history": list(history), "code": code_version()}
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


@functools.cache
def code_version() -> str:
    """Give version and a hash of the package's own source, as ``0.1.0+1a2b...``.

    An edited kernel makes new chunk ids even where nobody changed the version.
    """
    root = Path(__file__).parent
    h = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        h.update(path.relative_to(root).as_posix().encode() + b"\0")
        h.update(path.read_bytes())
    return f"{__version__}+{h.hexdigest()[:12]}"


def file_digest(path: str) -> str:
    """Compute ``"sha256:<hex>"`` of the bytes of a file or URL; kept until size or times change.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    """
    if "://" in path:
        import fsspec

        try:
            with fsspec.open(path, "rb") as remote:
                return "sha256:" + hashlib.file_digest(remote, "sha256").hexdigest()
        except FileNotFoundError:
            raise InputNotFoundError(f"no file {path!r}", remedy="check the URL") from None
    try:
        stat = Path(path).stat()
    except FileNotFoundError:
        raise InputNotFoundError(f"no file {path!r}", remedy="check the path") from None
    return _digest(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@functools.lru_cache(maxsize=4096)
def _digest(path: str, size: int, mtime_ns: int, ctime_ns: int) -> str:
    with open(path, "rb") as f:
        return "sha256:" + hashlib.file_digest(f, "sha256").hexdigest()
