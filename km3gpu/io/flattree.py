"""Trees of plain columns: summaries (DST), oscillation data, acoustics, gSeaGen, and any other.

Branches with one value per entry become columns of ``events``; those with a
counted number of values become a table per counter.  Names are the branches'
own, with their groups in front and the classes of Jpp left out:
``sum_mc_trks/tmuon/tmuon.pos.x`` is ``sum_mc_trks_tmuon_pos_x``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from km3gpu.backend import Backend
from km3gpu.io.baskets import basket_spans
from km3gpu.io.columns import column_type, read_column, row_offsets
from km3gpu.io.dataset import Wanted
from km3gpu.io.roottree import Branch, Tree
from km3gpu.table import Table

__all__ = ["KINDS", "FlatTree"]

KINDS = {
    "T": "dst",
    "binned_nu_response": "oscillations",
    "binned_data": "oscillations",
    "binned_muon": "oscillations",
    "ACOUSTICS": "acoustics",
    "ACOUSTICS_FIT": "acoustic_fits",
    "ORIENTATION": "orientations",
    "Events": "gseagen",
    "RootTuple": "gibuu",
}
"""What is in the trees of these names; any other is of the kind ``"tree"``."""

_TABLES = {
    "vector<JACOUSTICS::JTransmission>": "transmissions",
    "vector<JACOUSTICS::JFit>": "fits",
    "NTracks": "mc_tracks",
    "NNu": "neutrinos",
    "map<string,string>": "header",
}
_SAME = {"detid": "det_id", "run": "run_id"}  # names of Jpp's acoustics for what the schema names
# the tracks of gSeaGen have the names of the offline format
_GSEAGEN = {"Id": "id", "Pdg": "type", "E": "E", "T": "t"} | {
    f"{letter}{axis}": f"{name}_{axis}" for letter, name in (("V", "pos"), ("D", "dir")) for axis in "xyz"
}
_BOOKKEEPING = ("fUniqueID", "fBits")


class FlatTree:
    """A tree of plain columns.

    Parameters
    ----------
    tree : Tree
        Any tree; branches that are no columns are left out.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.kind = KINDS.get(tree.name, "tree")
        self.name = tree.name
        self.where = tree.where
        self.n_entries = tree.n_entries

    @cached_property
    def branches(self) -> dict[str, dict[str, Branch]]:
        """Tables, their columns, and the branch of each."""
        found: dict[str, dict[str, Branch]] = {"events": {}}
        for branch in self.tree.branches.values():
            if not column_type(branch):
                continue
            if branch.counts:
                found.setdefault(_table(branch), {})
                continue
            table = "events" if branch.counter is None else _table(branch.counter)
            name = _column(branch)
            if table == "mc_tracks" and name.endswith("_tr"):
                name = _GSEAGEN.get(name.removesuffix("_tr"), name)
            if self.kind in ("acoustics", "acoustic_fits"):
                name = _SAME.get(name, name)
            columns = found.setdefault(table, {})
            columns[name if name not in columns else branch.path] = branch
        return found

    @cached_property
    def _counters(self) -> Mapping[str, Branch]:
        counters = {}
        for branch in self.tree.branches.values():
            counter = branch if branch.counts else branch.counter
            if counter is not None:
                counters[_table(counter)] = counter
        return counters

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        return {
            t: tuple(n for n, b in columns.items() if not _is_bookkeeping(b))
            for t, columns in self.branches.items()
        }

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: ROOT's own bookkeeping."""
        return tuple(n for n, b in self.branches.get(table, {}).items() if _is_bookkeeping(b))

    def edges(self) -> list[int]:
        """Give the basket boundaries of the branch that takes most of the file."""
        largest = max(self.tree.branches.values(), key=lambda b: b.nbytes, default=None)
        return [0, self.n_entries] if largest is None else [int(e) for e in largest.entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the decompressed bytes of all entries of these columns."""
        return sum(self.branches[t][c].unpacked_bytes for t, cs in wanted.items() for c in cs)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read entries ``start <= i < stop``.

        Raises
        ------
        FormatError
            Bytes that do not follow the format; file, branch and entry are named.
        """
        branches = [self.branches[t][c] for t, names in wanted.items() for c in names]
        with self.tree.file.prefetched(basket_spans(branches, start, stop)):
            return self._read(wanted, start, stop, where)

    def _read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        made = {}
        for table, names in wanted.items():
            counter = self._counters.get(table)
            rows = None if counter is None else row_offsets(self.tree, counter, start, stop)
            columns = {n: read_column(self.tree, self.branches[table][n], start, stop, rows) for n in names}
            made[table] = Table(table, columns, rows).map(where.to_device)
        return made


def _table(counter: Branch) -> str:
    return _TABLES.get(counter.name, counter.name)


def _is_bookkeeping(branch: Branch) -> bool:
    return branch.name.rpartition(".")[2] in _BOOKKEEPING


def _column(branch: Branch) -> str:
    """Make a column's name of a branch's path."""
    *above, last = branch.path.split("/")
    groups = [p.rpartition(".")[2] for p in above if "::" not in p and not _is_class(p)]
    for group in reversed(above):
        last = last.removeprefix(group + ".")
    if branch.counter is not None:
        groups = [g for g in groups if g != branch.counter.name]
        last = last.removeprefix(branch.counter.name + ".")
    if groups and groups[0].isupper():
        groups = groups[1:]  # a single branch that is called as its tree
    return "_".join([*groups, last.split("[")[0]]).replace(".", "_")


def _is_class(part: str) -> bool:
    return part.rpartition(".")[2] in ("TObject", "AAObject")
