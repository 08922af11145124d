"""Offline events: tree E to the tables events, hits, mc_hits, tracks and mc_tracks.

Columns have the names and types of `km3gpu.schema`.  A branch that the schema
does not know keeps its own name; one that a file lacks is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from km3gpu import schema
from km3gpu.io.columns import can_read, column_type, read_column, row_offsets
from km3gpu.io.roottree import Branch, Tree
from km3gpu.table import Ragged, Table

__all__ = ["KIND", "TREES", "main_branch", "read", "tables"]

KIND = "offline"
TREES = ("E",)

COLLECTIONS = {"hits": "hits", "mc_hits": "mc_hits", "tracks": "trks", "mc_tracks": "mc_trks"}

# ROOT's own bookkeeping: read where asked for by name
_BOOKKEEPING = ("fUniqueID", "fBits")


def columns(tree: Tree, table: str) -> dict[str, Branch]:
    """Give the columns of a table and the branches they come from, all that can be read."""
    names = {f.branch: f.name for f in schema.fields_of(table) if f.branch}
    found: dict[str, Branch] = {}
    for path, branch in tree.branches.items():
        leaf = _leaf(path, table)
        if leaf is not None and can_read(branch):
            found.setdefault(names.get(leaf, _plain(leaf)), branch)
    return found


def _leaf(path: str, table: str) -> str | None:
    """Give the leaf of `path` as the schema names it, or None for a branch of another table."""
    parts = path.split("/")
    if parts[0] == "Evt":
        parts = parts[1:]
    if not parts:
        return None
    collection = COLLECTIONS.get(table)
    if collection is None:
        if parts[0] in COLLECTIONS.values() or parts[0] == "usr_data":
            return None
        head, last = parts[:-1], parts[-1]
        if head and last.startswith(head[-1] + "."):
            last = last[len(head[-1]) + 1 :]
        return "/".join([*(h for h in head), f"{head[-1]}.{last}" if head == ["t"] else last])
    if parts[0] != collection or len(parts) < 2:
        return None
    return parts[-1].removeprefix(collection + ".")


def _plain(leaf: str) -> str:
    """Make a column name of a leaf that the schema does not know."""
    return leaf.removeprefix("AAObject/").split("[")[0].replace("/", "_").replace(".", "_")


def tables(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Give the tables of the tree and the columns that they have by default."""
    found = {}
    for table in ("events", *COLLECTIONS):
        names = [n for n in columns(tree, table) if n not in _BOOKKEEPING and not n.startswith("TObject")]
        if table == "events" and {"t_sec", "t_ns"} <= set(names):
            names.append("time_ns")
        if names or table == "events":
            found[table] = tuple(names)
    return found


def main_branch(tree: Tree) -> Branch:
    """Give the branch whose baskets the chunks follow: the largest column of the largest collection."""
    numeric = [b for b in tree.branches.values() if b.n_baskets and can_read(b)]
    return max(numeric, key=lambda b: (b.n_baskets, int(b.nbytes.sum())))


def read(tree: Tree, wanted: Mapping[str, tuple[str, ...]], start: int, stop: int) -> dict[str, Table]:
    """Read entries ``start <= i < stop``.

    Parameters
    ----------
    tree : Tree
        Tree E of some file.
    wanted : mapping of str to tuple of str
        Tables and their columns.
    start, stop : int
        Entry range.

    Returns
    -------
    dict of str to Table

    Raises
    ------
    FormatError
        Bytes that do not follow the format; file, branch and entry are named.
    """
    made = {}
    for table, names in wanted.items():
        branches = columns(tree, table)
        rows = None
        if table in COLLECTIONS:
            rows = row_offsets(tree, tree.branch(COLLECTIONS[table]), start, stop)
        got = {}
        for name in names:
            if name == "time_ns" and table == "events":
                continue
            got[name] = _as_declared(table, name, read_column(tree, branches[name], start, stop, rows))
        if table == "events" and "time_ns" in names:
            got["time_ns"] = _time_ns(tree, branches, got, start, stop)
        made[table] = Table(table, {n: got[n] for n in names}, rows)
    return made


def _time_ns(
    tree: Tree, branches: Mapping[str, Branch], got: Mapping[str, np.ndarray], start: int, stop: int
) -> np.ndarray:
    sec, ns = (got[n] if n in got else read_column(tree, branches[n], start, stop) for n in ("t_sec", "t_ns"))
    return sec.astype(np.int64) * 1_000_000_000 + ns


def _as_declared(table: str, name: str, column: np.ndarray | Ragged) -> np.ndarray | Ragged:
    """Give a column in the type that the schema declares (old files have narrower ones)."""
    declared = schema.FIELDS.get((table, name))
    if declared is None or isinstance(column, Ragged) or declared.dtype[0] in "[s":
        return column
    return column.astype(declared.dtype, copy=False)
