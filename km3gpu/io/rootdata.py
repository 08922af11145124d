"""ROOT files as datasets: which reader belongs to which tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.dataset import Dataset
from km3gpu.io.events import DaqEvents
from km3gpu.io.flattree import KINDS, FlatTree
from km3gpu.io.header import Header, read_header
from km3gpu.io.meta import read_meta
from km3gpu.io.offline import OfflineEvents
from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import Tree, count_entries, read_tree
from km3gpu.io.summaryslices import SummarySlices
from km3gpu.io.timeslices import TREES, TimeSlices

__all__ = ["READERS", "RootData"]

READERS: dict[str, Callable[[Tree], Dataset]] = {
    "E": OfflineEvents,
    "KM3NET_EVENT": DaqEvents,
    **dict.fromkeys(TREES, TimeSlices),
    "KM3NET_SUMMARYSLICE": SummarySlices,
    **dict.fromkeys(KINDS, FlatTree),
}
"""Readers of the trees of KM3NeT, in the order of preference: a file is read by
the first of these that has entries.  Any other tree is read as a `FlatTree`
where it is asked for by name."""


class RootData:
    """An open ROOT file and the trees of it that were looked at.

    Parameters
    ----------
    path : str
        A local file.

    Raises
    ------
    InputNotFoundError, NotRootError, TruncatedFileError, FormatError
        See `RootFile`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.root = RootFile(path)
        self.uuid = self.root.uuid
        keys = [k for k in self.root.keys if k.class_name in ("TTree", "TNtuple", "TNtupleD")]
        self.names = list(dict.fromkeys(k.path for k in keys))
        self._trees: dict[str, Tree] = {}
        self._datasets: dict[str, Dataset] = {}

    def tree(self, name: str) -> Tree:
        """Give the description of a tree.

        Raises
        ------
        UnknownNameError
            The file has none of that name.
        """
        if name not in self._trees:
            key = self.root.find(name)
            if key is None or name not in self.names:
                raise UnknownNameError.of("tree", name, self.names, where=self.path)
            self._trees[name] = read_tree(self.root, key)
        return self._trees[name]

    def _n_entries(self, name: str) -> int:
        """Count without reading the branches, which takes most of the time."""
        if name in self._trees:
            return self._trees[name].n_entries
        key = self.root.find(name)
        return 0 if key is None else count_entries(self.root, key)

    def dataset(self, name: str) -> Dataset:
        """Give the dataset of a tree.

        Raises
        ------
        UnknownNameError
            The file has no such tree.
        """
        if name not in self._datasets:
            self._datasets[name] = READERS.get(name, FlatTree)(self.tree(name))
        return self._datasets[name]

    def default(self) -> str:
        """Give the tree that is read where nobody says which.

        It is the first of `READERS` that has entries.  A file of offline
        events without any is still one of offline events, though it may carry
        summary slices: Jpp's writers of DAQ data make all DAQ trees.
        """
        if "E" in self.names and "KM3NET_EVENT" not in self.names:
            return "E"
        known = [n for n in READERS if n in self.names]
        filled = (n for n in known if self._n_entries(n))
        name = next(filled, known[0] if known else None)
        if name is None:
            trees = ", ".join(self.names) or "none"
            raise FormatError(
                "no tree of KM3NeT's formats",
                where=self.path,
                remedy=f"name one with tree=; its trees: {trees}",
            )
        return name

    def counts(self) -> dict[str, int]:
        """Give the entries of each tree."""
        return {n: self._n_entries(n) for n in self.names}

    def header(self) -> Header | None:
        """Give the header, or None."""
        return read_header(self.root)

    def meta(self) -> list[dict[str, Any]]:
        """Give what the Jpp applications wrote about themselves."""
        return read_meta(self.root)
