"""A tree: its branches, what they hold and where their baskets lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.basketplaces import Baskets, Places
from km3gpu.io.cursor import UnreadableError
from km3gpu.io.rootfile import Key, RootFile
from km3gpu.io.streamers import Streamers, streamers
from km3gpu.io.treerecord import Leaf, Node, parse_entries
from km3gpu.io.treeshapes import read_record

__all__ = ["Branch", "Tree", "count_entries", "read_tree"]

# ROOT's numbers of the basic types (TVirtualStreamerInfo::EReadWrite); 20 more
# is a fixed array of them
_BASIC = {
    1: "i1",
    2: "i2",
    3: "i4",
    4: "i8",
    5: "f4",
    6: "i4",
    8: "f8",
    10: "i1",
    11: "u1",
    12: "u2",
    13: "u4",
    14: "u8",
    15: "u4",
    16: "i8",
    17: "u8",
    18: "b1",
}
_ARRAY = 20
_LEAF = {
    "TLeafB": ("i1", "u1"),
    "TLeafS": ("i2", "u2"),
    "TLeafI": ("i4", "u4"),
    "TLeafL": ("i8", "u8"),
    "TLeafG": ("i8", "u8"),
    "TLeafF": ("f4", "f4"),
    "TLeafD": ("f8", "f8"),
    "TLeafO": ("b1", "b1"),
    "TLeafC": ("str", "str"),
}


@dataclass(frozen=True, eq=False)
class Branch:
    """One branch.

    Attributes
    ----------
    name, path : str
        ``hits.t``; the path has the branches above it, ``Evt/hits/hits.t``.
    type_name : str
        ``"f8"`` and the like for numbers, a C++ type for the rest.
    shape : tuple of int
        Of one item, for fixed arrays; ``()`` for plain numbers.
    counts : bool
        It is the node of a split collection and its values count the items.
    counter : Branch or None
        The branch whose values count the items of this one; None where each
        entry has one.
    unpacked_bytes : int
        Bytes of all baskets when decompressed.
    n_children : int
        Number of branches right below.
    where : str
        Tree and file, for errors.
    """

    name: str
    path: str
    type_name: str
    shape: tuple[int, ...]
    counts: bool
    counter: Branch | None
    unpacked_bytes: int
    n_children: int
    where: str
    _places: Places

    @cached_property
    def baskets(self) -> Baskets:
        """Where its baskets are.

        Raises
        ------
        FormatError
            They are out of order.
        """
        try:
            return self._places.work_out()
        except UnreadableError as error:
            raise FormatError(
                f"branch {self.name!r} is damaged: {error}", where=self.where, remedy="fetch the file again"
            ) from error

    @property
    def entries(self) -> np.ndarray:
        """First entry of each basket, and the number of entries at the end, (n_baskets + 1,) int64."""
        return self.baskets.entries

    @property
    def n_baskets(self) -> int:
        """Number of baskets."""
        return len(self.baskets.seek)

    @property
    def nbytes(self) -> int:
        """Bytes of all its baskets in the file."""
        return sum(self.baskets.nbytes)

    @property
    def jagged(self) -> bool:
        """Entries have varying numbers of items."""
        return self.counter is not None

    def __repr__(self) -> str:
        return f"<Branch {self.path}: {self.type_name}, {self.n_baskets} baskets>"


@dataclass(slots=True, eq=False)
class Tree:
    """One tree.

    Attributes
    ----------
    name, title : str
        As stored; the name has its folders.
    n_entries : int
        Number of entries.
    branches : dict of str to Branch
        All branches by path, parents before children.
    file : RootFile
        Where it lies.
    """

    name: str
    title: str
    n_entries: int
    branches: dict[str, Branch]
    file: RootFile
    _ends: dict[str, Branch | None] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Tree and file, for errors."""
        return f"tree {self.name} of {self.file.path}"

    def find(self, name: str) -> Branch | None:
        """Give a branch by its path, or by the end of it; None where there is none."""
        if name not in self._ends:
            end = f"/{name}"
            self._ends[name] = next((b for p, b in self.branches.items() if f"/{p}".endswith(end)), None)
        return self._ends[name]

    def branch(self, name: str) -> Branch:
        """Give a branch by its path, or by the end of it.

        Raises
        ------
        UnknownNameError
            There is none of that name; the closest come first.
        """
        found = self.find(name)
        if found is None:
            raise UnknownNameError.of(
                "branch", name, (b.name for b in self.branches.values()), where=self.where
            )
        return found


def read_tree(file: RootFile, key: Key) -> Tree:
    """Read the description of a tree.

    Parameters
    ----------
    file : RootFile
        The file.
    key : Key
        One of its keys, of a TTree or TNtuple.

    Raises
    ------
    FormatError
        Its record does not parse, or is of a version that is not known.
    """
    return file.parse(f"tree {key.path!r}", lambda: _read(file, key))


def count_entries(file: RootFile, key: Key) -> int:
    """Read no more of a tree than its number of entries.

    Raises
    ------
    FormatError
        Its record does not parse.
    """
    return file.parse(f"tree {key.path!r}", lambda: parse_entries(file.cursor(key)))


def _read(file: RootFile, key: Key) -> Tree:
    record = read_record(file.cursor(key))
    classes = streamers(file)
    branches: dict[str, Branch] = {}
    made: dict[int, Branch] = {}
    where = f"tree {key.path} of {file.path}"

    def add(node: Node, above: str) -> None:
        path = f"{above}/{node.name}" if above else node.name
        if path in branches:
            path = f"{path};{len(branches)}"
        branch = _branch(node, path, classes, made, where)
        branches[path] = branch
        made[id(node)] = branch
        for leaf in node.leaves:
            made[id(leaf)] = branch
        for child in node.children:
            add(child, path)

    for node in record.branches:
        add(node, "")
    return Tree(key.path, record.title, record.n_entries, branches, file)


def _branch(node: Node, path: str, classes: Streamers, made: dict[int, Branch], where: str) -> Branch:
    type_name, shape = _type(node, classes)
    counter: Node | Leaf | None = None
    if node.kind in (31, 41):
        counter = node.count
    elif not node.is_element and len(node.leaves) == 1:
        counter = node.leaves[0].count
    return Branch(
        node.name,
        path,
        type_name,
        shape,
        node.kind in (3, 4),
        made.get(id(counter)),
        node.unpacked_bytes,
        len(node.children),
        where,
        node.places,
    )


def _type(node: Node, classes: Streamers) -> tuple[str, tuple[int, ...]]:
    """Give type name and shape of one item."""
    if not node.is_element:
        return _leaf_type(node)
    length = max(node.leaves[0].length, 1) if node.leaves else 1
    if node.kind in (3, 4):
        return "i4", ()
    if node.children or node.code in (-1, 0):
        # a string that is the whole branch has no header in front, as one of a leaf
        return "str" if node.class_name == "string" else node.class_name, ()
    if node.code in _BASIC:
        return _BASIC[node.code], ()
    if node.code - _ARRAY in _BASIC:
        return _BASIC[node.code - _ARRAY], (length,)
    members = classes.get((node.class_name, node.class_version))
    if members is None:
        members = next((m for (name, _), m in classes.items() if name == node.class_name), ())
    if 0 <= node.member < len(members):
        return members[node.member].type_name, ()
    return "", ()


def _leaf_type(node: Node) -> tuple[str, tuple[int, ...]]:
    if len(node.leaves) != 1:
        return "", ()  # several columns in one branch
    leaf = node.leaves[0]
    names = _LEAF.get(leaf.class_name)
    if names is None:
        return "", ()
    type_name = names[leaf.unsigned]
    return type_name, (leaf.length,) if leaf.length > 1 and type_name != "str" else ()
