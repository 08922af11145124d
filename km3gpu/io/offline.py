"""Offline events: tree E to the tables events, hits, mc_hits, tracks and mc_tracks.

Columns have the names and types of `km3gpu.schema`.  A branch that the schema
does not know keeps its own name; one that a file lacks is left out, or filled
with the default that the schema declares.  Columns that were filled so are
named in ``table.attrs["defaults"]``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from km3gpu import schema
from km3gpu.backend import Backend
from km3gpu.io.baskets import basket_spans
from km3gpu.io.columns import column_type, read_column, row_offsets
from km3gpu.io.dataset import Wanted
from km3gpu.io.roottree import Branch, Tree
from km3gpu.table import Column, Ragged, Table

__all__ = ["COLLECTIONS", "OfflineEvents"]

COLLECTIONS = {"hits": "hits", "mc_hits": "mc_hits", "tracks": "trks", "mc_tracks": "mc_trks"}
"""Tables, and the collections of the tree that they hold."""

# what ROOT keeps for itself; read where asked for by name
_BOOKKEEPING = ("fUniqueID", "fBits", "TObject_fUniqueID", "TObject_fBits")


class OfflineEvents:
    """The events of the offline format (class Evt of km3net-dataformat).

    Parameters
    ----------
    tree : Tree
        Tree E of some file.
    """

    kind = "offline"

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.name = tree.name
        self.where = tree.where
        self.n_entries = tree.n_entries

    @cached_property
    def branches(self) -> dict[str, dict[str, Branch]]:
        """Tables, their columns, and the branch of each, all that can be read."""
        found: dict[str, dict[str, Branch]] = {"events": {}}
        for path, branch in self.tree.branches.items():
            table, leaf = _place(path)
            if leaf and column_type(branch) and not branch.counts:
                name = _BRANCH_NAMES[table].get(leaf) or _plain(leaf)
                found.setdefault(table, {}).setdefault(name, branch)
        return found

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and the columns that they have by default."""
        return dict(self._tables)

    @cached_property
    def _tables(self) -> dict[str, tuple[str, ...]]:
        found = {}
        for table, branches in self.branches.items():
            names = [n for n in branches if n not in _BOOKKEEPING]
            if table == "events" and "t_sec" in branches and "t_ns" in branches:
                names.append("time_ns")
            found[table] = (*names, *self._defaults[table])
        return found

    @cached_property
    def _defaults(self) -> dict[str, tuple[str, ...]]:
        """Columns that old files lack, and for which the schema declares a value."""
        return {
            table: tuple(
                f.name
                for f in schema.fields_of(table)
                if f.branch and f.default is not None and f.name not in branches
            )
            for table, branches in self.branches.items()
        }

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: ROOT's own bookkeeping."""
        return tuple(n for n in self.branches.get(table, ()) if n in _BOOKKEEPING)

    def edges(self) -> list[int]:
        """Give the basket boundaries of the branch that takes most of the file."""
        largest = max(self.tree.branches.values(), key=lambda b: b.nbytes)
        return [int(e) for e in largest.entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the decompressed bytes of all entries of these columns."""
        known = self.branches
        return sum(known[t][c].unpacked_bytes for t, cs in wanted.items() for c in cs if c in known[t])

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read entries ``start <= i < stop``.

        Raises
        ------
        FormatError
            Bytes that do not follow the format; file, branch and entry are named.
        """
        with self.tree.file.prefetched(basket_spans(self._branches_of(wanted), start, stop)):
            return {t: table.map(where.to_device) for t, table in self._read(wanted, start, stop)}

    def _branches_of(self, wanted: Wanted) -> list[Branch]:
        known = self.branches
        found = [known[t][c] for t, names in wanted.items() for c in names if c in known[t]]
        if "time_ns" in wanted.get("events", ()):
            found += [known["events"][c] for c in ("t_sec", "t_ns")]
        return [*found, *(self.tree.branch(COLLECTIONS[t]) for t in wanted if t in COLLECTIONS)]

    def _read(self, wanted: Wanted, start: int, stop: int) -> Iterator[tuple[str, Table]]:
        for table, names in wanted.items():
            rows = None
            if table in COLLECTIONS:
                rows = row_offsets(self.tree, self.tree.branch(COLLECTIONS[table]), start, stop)
            n = stop - start if rows is None else int(rows[-1])
            columns = {c: self._column(table, c, start, stop, rows, n) for c in names}
            missing = [c for c in names if c in self._defaults[table]]
            attrs = {"defaults": ", ".join(missing)} if missing else None
            yield table, Table(table, columns, rows, attrs)

    def _column(self, table: str, name: str, start: int, stop: int, rows: Any, n: int) -> Column:
        branch = self.branches[table].get(name)
        if branch is not None:
            return _as_declared(table, name, read_column(self.tree, branch, start, stop, rows))
        if name == "time_ns":
            sec, ns = (
                read_column(self.tree, self.branches[table][c], start, stop) for c in ("t_sec", "t_ns")
            )
            return sec.astype(np.int64) * 1_000_000_000 + ns
        declared = schema.field(table, name)
        return np.full(n, declared.default, declared.dtype)


_BRANCH_NAMES: Mapping[str, Mapping[str, str]] = {
    table: {f.branch: f.name for f in schema.fields_of(table) if f.branch}
    for table in ("events", *COLLECTIONS)
}
_TABLES = {collection: table for table, collection in COLLECTIONS.items()}


@functools.lru_cache(1 << 10)
def _place(path: str) -> tuple[str, str]:
    """Give the table of a branch and its leaf as the schema names it; ``""`` for a node above leaves.

    ``Evt/hits/hits.pos.x`` is ``hits``, ``pos.x``; ``Evt/t/t.fSec`` is
    ``events``, ``t/t.fSec``.
    """
    parts = path.split("/")
    if parts[0] == "Evt":
        parts = parts[1:]
    if not parts:
        return "events", ""
    table = _TABLES.get(parts[0])
    if table is None:
        return "events", "" if parts[0] == "usr_data" else "/".join(parts)
    return table, parts[-1].removeprefix(parts[0] + ".") if len(parts) > 1 else ""


@functools.lru_cache(1 << 10)
def _plain(leaf: str) -> str:
    """Make a column name of a leaf that the schema does not know."""
    leaf = leaf.removeprefix("AAObject/").split("[")[0]
    *above, last = leaf.split("/")
    last = last.removeprefix(above[-1] + ".") if above else last
    return "_".join([*above, last]).replace(".", "_")


def _as_declared(table: str, name: str, column: Column) -> Column:
    """Give a column in the type that the schema declares (old files have narrower ones)."""
    declared = schema.FIELDS.get((table, name))
    if declared is None or isinstance(column, Ragged) or declared.dtype[0] in "[s":
        return column
    return column.astype(declared.dtype, copy=False)
