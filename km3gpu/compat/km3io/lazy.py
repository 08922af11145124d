"""Columns of a tree, read when they are looked at, behind a chain of indices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

import awkward as ak
import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.columns import read_column, row_offsets
from km3gpu.io.opened import open_file
from km3gpu.io.rootdata import RootData
from km3gpu.io.roottree import Branch as RootBranch
from km3gpu.io.roottree import Tree
from km3gpu.table import Table

__all__ = ["Branch", "Columns", "is_integer", "unfold_indices"]

_KEPT = 256_000_000  # bytes of whole columns kept


def is_integer(index: Any) -> TypeGuard[int]:
    """Tell whether an index picks one item."""
    return isinstance(index, (int, np.integer)) and not isinstance(index, bool)


def unfold_indices(obj: Any, indices: Iterable[Any]) -> Any:
    """Apply a chain of indices from left to right.

    Raises
    ------
    IndexError
        One is out of range; the message says which.
    """
    indices = list(indices)
    found = obj
    for depth, index in enumerate(indices):
        try:
            found = found[index]
        except IndexError:
            raise IndexError(
                f"index {index!r} at depth {depth} of the chain {indices} is out of range of {obj!r}"
            ) from None
    return found


class Columns:
    """The columns of one tree of one file.

    Parameters
    ----------
    path : str
        A ROOT file.
    tree : str
        Name of the tree.
    """

    def __init__(self, path: str, tree: str) -> None:
        file = open_file(path)
        if not isinstance(file, RootData):
            raise FormatError("not a ROOT file", where=path, remedy="open it with km3gpu.open")
        self.file = file
        self.tree: Tree = file.tree(tree)
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def __len__(self) -> int:
        return self.tree.n_entries

    def array(self, branch: RootBranch, start: int = 0, stop: int | None = None) -> Any:
        """Read a branch as an awkward array; whole columns are kept for the next look."""
        n = len(self)
        stop = n if stop is None else stop
        if branch.path in self._kept:
            self._kept.move_to_end(branch.path)
            return self._kept[branch.path][start:stop]
        column = read_column(self.tree, branch, start, stop)
        rows = None if branch.counter is None else row_offsets(self.tree, branch.counter, start, stop)
        array = getattr(Table("x", {"column": column}, rows), "column")  # noqa: B009 - an awkward view
        if (start, stop) == (0, n) and array.nbytes < _KEPT:
            self._kept[branch.path] = array
            while sum(a.nbytes for a in self._kept.values()) > _KEPT:
                self._kept.popitem(last=False)
        return array

    def counts(self, branch: RootBranch) -> Any:
        """Give the number of items of a collection in each entry."""
        return ak.Array(read_column(self.tree, branch, 0, len(self)))


class Branch:
    """A collection (hits, tracks) whose fields are arrays, read when looked at.

    Parameters
    ----------
    columns : Columns
        Where they are read from.
    name : str
        Name of the collection.
    fields : dict of str to RootBranch
        What it has.
    chain : tuple
        Indices that were applied.
    """

    def __init__(
        self, columns: Columns, name: str, fields: dict[str, RootBranch], chain: tuple[Any, ...] = ()
    ) -> None:
        self._columns = columns
        self._name = name
        self._fields = fields
        self._chain = chain

    @property
    def fields(self) -> list[str]:
        """Names of the fields."""
        return list(self._fields)

    def __dir__(self) -> list[str]:
        return self.fields

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            branch = self._fields[name]
        except KeyError:
            raise AttributeError(f"No field named {name}. Available fields: {self.fields}") from None
        return read_chain(self._columns, branch, self._chain)

    def __getitem__(self, index: Any) -> Branch:
        return Branch(self._columns, self._name, self._fields, (*self._chain, index))

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError("a collection is not iterated: take its fields, which are arrays")

    def __len__(self) -> int:
        if not self._chain:
            return len(self._columns)
        return 1 if is_integer(self._chain[-1]) else len(self.id)

    def arrays(self, fields: Iterable[str] | None = None) -> Any:
        """Give all fields, or some, as one array of records."""
        names = self.fields if fields is None else list(fields)
        return ak.zip({n: getattr(self, n) for n in names}, depth_limit=1)

    @property
    def ndim(self) -> int:
        """1 for the items of one event, 2 for those of several."""
        return 1 if any(is_integer(i) for i in self._chain) else 2

    def __repr__(self) -> str:
        n, every = len(self), len(self._columns)
        return f"<{type(self).__name__} [{n}{f'/{every}' if n < every else ''}] path={self._name!r}>"


def read_chain(columns: Columns, branch: RootBranch, chain: tuple[Any, ...]) -> Any:
    """Read a branch and apply a chain of indices; of one entry or slice only that is read."""
    if chain:
        first, n = chain[0], len(columns)
        if is_integer(first):
            at = int(first) + n if first < 0 else int(first)
            if not 0 <= at < n:
                raise IndexError(f"event {first} of {n}")
            return unfold_indices(columns.array(branch, at, at + 1)[0], chain[1:])
        if isinstance(first, slice) and first.step in (None, 1):
            start, stop, _ = first.indices(n)
            return unfold_indices(columns.array(branch, start, max(start, stop)), chain[1:])
    return unfold_indices(columns.array(branch), chain)
