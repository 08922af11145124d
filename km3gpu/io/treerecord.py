"""The record of a TTree, parsed: its branches as nodes, as ROOT streamed them.

The layouts are those of TTree versions 16 to 20, TBranch 10 to 13 and
TBranchElement 8 to 10, which every ROOT since 5.22 writes.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from km3gpu.io.cursor import Cursor, UnreadableError

__all__ = ["Baskets", "Leaf", "Node", "Places", "parse_entries", "parse_tree"]

_TREE = {
    16: struct.Struct(">qqqqdiiiqqqqq"),
    17: struct.Struct(">qqqqdiiiiqqqqq"),
    18: struct.Struct(">qqqqqdiiiiqqqqqq"),
    19: struct.Struct(">qqqqqdiiiiIqqqqqq"),
    20: struct.Struct(">qqqqqdiiiiIqqqqqq"),
}
_N_RANGES = 10  # place of the number of cluster ranges in versions 19 and 20
_BRANCH = {
    10: struct.Struct(">iiiiqiIiqqq"),
    11: struct.Struct(">iiiiqiIiqqqq"),
    12: struct.Struct(">iiiiqiIiqqqq"),
}
_BRANCH_13 = struct.Struct(">iiiiq"), struct.Struct(">iIiqqqq")
_ELEMENT = {8: struct.Struct(">Iiiiii"), 9: struct.Struct(">Iiiiii"), 10: struct.Struct(">IHiiii")}
_LEAF = struct.Struct(">iiiBB")
_BASKET = struct.Struct(">Hiiii")


@dataclass(slots=True, eq=False)
class Leaf:
    """A leaf: how the values of a branch are stored.

    Attributes
    ----------
    class_name : str
        ``TLeafD``, ``TLeafElement``, ...
    length : int
        Items of a fixed array, 1 where it is none.
    unsigned : bool
        The numbers have no sign.
    count : Leaf or None
        The leaf whose values count the items of this one.
    """

    class_name: str
    length: int = 1
    unsigned: bool = False
    count: Leaf | None = None


@dataclass(slots=True, eq=False)
class Node:
    """A branch as it was streamed.

    Attributes
    ----------
    name : str
        Name of the branch.
    is_element : bool
        A TBranchElement, a member of a class.
    kind : int
        -1 for a plain branch; 0 a member, 1 a base class, 2 a class, 3 and 4
        collections, 31 and 41 members of them.
    code : int
        ROOT's number of the member's type.
    member : int
        Index of the member in its class.
    class_name, class_version : str, int
        The class that has the member.
    count : Node or None
        The branch that counts the items of this one.
    places : Places
        Where its baskets are.
    unpacked_bytes : int
        Bytes of all baskets when decompressed.
    children, leaves : list
        What is below.
    """

    name: str = ""
    is_element: bool = False
    kind: int = -1
    code: int = -1
    member: int = -1
    class_name: str = ""
    class_version: int = 0
    count: Node | None = None
    places: Any = None
    unpacked_bytes: int = 0
    children: list[Node] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)


def parse_entries(c: Cursor) -> int:
    """Parse no more of a TTree's record than its number of entries."""
    return int(_head(c)[2][0])


def _head(c: Cursor) -> tuple[int, str, tuple[Any, ...]]:
    """Parse the beginning of a TTree's record: (version, title, numbers)."""
    version, _ = c.version()
    form = _TREE.get(version)
    if form is None:
        raise UnreadableError(f"its version is {version}, km3gpu reads 16 to 20")
    _, title = c.named()
    for _ in range(3):  # line, fill and marker attributes
        c.skip_object()
    head = c.fields(form)
    if head[0] < 0:
        raise UnreadableError(f"it claims {head[0]} entries")
    return version, title, head


def parse_tree(c: Cursor) -> tuple[str, int, list[Node]]:
    """Parse a TTree's record: (title, number of entries, branches).

    Raises
    ------
    UnreadableError
        It does not parse, or has a version that is not known.
    """
    version, title, head = _head(c)
    if version >= 19:
        for _ in range(2):  # ends and sizes of cluster ranges
            c.pos += 1
            c.array(">i8", head[_N_RANGES])
    if version >= 20:
        c.skip_object()  # I/O features
    return title, head[0], [x for x in c.object_array(_make) if isinstance(x, Node)]


def _make(c: Cursor, class_name: str, register: Any) -> Any:
    if class_name in ("TBranch", "TBranchElement", "TBranchObject"):
        return _branch(c, class_name == "TBranchElement", register)
    if class_name.startswith("TLeaf"):
        return _leaf(c, class_name, register)
    if class_name == "TBasket":
        return _basket(c)
    c.skip_object()
    return None


def _branch(c: Cursor, is_element: bool, register: Any) -> Node:
    node = Node(is_element=is_element)
    register(node)
    version, stop = c.version()
    element_version, base_stop = version, stop
    if is_element:
        version, base_stop = c.version()
    node.name, _ = c.named()
    c.skip_object()  # fill attributes
    if version == 13:
        head = c.fields(_BRANCH_13[0])
        c.skip_object()  # I/O features
        head += c.fields(_BRANCH_13[1])
    elif version in _BRANCH:
        head = c.fields(_BRANCH[version])
    else:
        raise UnreadableError(f"branch {node.name!r} has version {version}, km3gpu reads 10 to 13")
    write_basket, most, n_entries = head[3], head[6], head[8]
    node.unpacked_bytes = max(head[-2], 0)
    node.children = [x for x in c.object_array(_make) if isinstance(x, Node)]
    node.leaves = [x for x in c.object_array(_make) if isinstance(x, Leaf)]
    embedded = [x for x in c.object_array(_make) if isinstance(x, tuple)]
    node.places = _places(c, version, most, n_entries, write_basket, embedded)
    if is_element:
        if base_stop >= 0:
            c.pos = base_stop
        node.class_name, _, _ = c.string(), c.string(), c.string()
        form = _ELEMENT.get(element_version)
        if form is None:
            raise UnreadableError(f"branch {node.name!r} is an element of version {element_version}")
        _, node.class_version, node.member, node.kind, node.code, _ = c.fields(form)
        count = c.object_any(_make)
        node.count = count if isinstance(count, Node) else None
    if stop >= 0:
        c.pos = stop
    return node


def _places(
    c: Cursor,
    version: int,
    most: int,
    n_entries: int,
    write_basket: int,
    embedded: list[tuple[int, bytes]],
) -> Places:
    # a byte that says whether there is an array comes before each
    nbytes = c.pos + 1
    entries = nbytes + 4 * most + 1
    seek = entries + 8 * most + 1
    if most < 0 or seek > len(c.data):
        raise UnreadableError(f"{most} baskets run past the end of the record")
    wide = version >= 11 or c.data[seek - 1] == 2
    c.pos = seek + (8 if wide else 4) * most
    if c.pos > len(c.data):
        raise UnreadableError(f"{most} baskets run past the end of the record")
    dtype = ">i8" if wide else ">i4"
    return Places(c.data, (nbytes, entries, seek), most, dtype, n_entries, write_basket, embedded)


@dataclass(slots=True, eq=False)
class Places:
    """Where the baskets of a branch are, as streamed; worked out when first needed.

    Most branches of a tree are never read, so that opening a file leaves this.
    """

    data: Any
    at: tuple[int, int, int]  # of sizes, first entries and places
    most: int
    seek_dtype: str
    n_entries: int
    write_basket: int
    embedded: list[tuple[int, bytes]]

    def work_out(self) -> Baskets:
        """Keep the baskets that exist: those on disk, then those in the tree's own record."""
        nbytes, entries, seek = (
            np.frombuffer(self.data, dtype, self.most, at)
            for dtype, at in zip((">i4", ">i8", self.seek_dtype), self.at, strict=True)
        )
        limit = min(max(self.write_basket, 0), self.most)
        n = limit
        free = np.flatnonzero(seek[:limit] == 0)
        if len(free):
            n = int(free[0])
        edges = entries[: n + 1].tolist()
        if len(edges) <= n:
            edges.append(self.n_entries)
        records = []
        for count, record in self.embedded if edges[-1] != self.n_entries else ():
            edges.append(edges[-1] + count)
            records.append(record)
        if edges[0] != 0 or any(b < a for a, b in itertools.pairwise(edges)):
            raise UnreadableError("its baskets are out of order")
        places = (*seek[:n].tolist(), *[0] * len(records))
        sizes = (*nbytes[:n].tolist(), *[len(r) for r in records])
        return Baskets(np.array(edges, np.int64), tuple(edges), places, sizes, tuple(records))


@dataclass(frozen=True, slots=True, eq=False)
class Baskets:
    """Where the baskets of a branch are.

    Attributes
    ----------
    entries : (n_baskets + 1,) int64 array
        First entry of each basket, and the number of entries at the end.
    edges : tuple of int
        The same, for looking at one at a time.
    seek, nbytes : tuple of int
        Place and size of each basket's record; place 0 for one of `embedded`.
    embedded : tuple of bytes
        Records of the last baskets, which lie inside the tree's own record.
    """

    entries: np.ndarray
    edges: tuple[int, ...]
    seek: tuple[int, ...]
    nbytes: tuple[int, ...]
    embedded: tuple[bytes, ...]


def _leaf(c: Cursor, class_name: str, register: Any) -> Leaf:
    leaf = Leaf(class_name)
    register(leaf)
    _, stop = c.version()
    if class_name != "TLeaf":
        c.version()
    c.named()
    leaf.length, _, _, _, unsigned = c.fields(_LEAF)
    leaf.unsigned = bool(unsigned)
    count = c.object_any(_make)
    leaf.count = count if isinstance(count, Leaf) else None
    if stop < 0:
        raise UnreadableError("a leaf without byte count")
    c.pos = stop
    return leaf


def _basket(c: Cursor) -> tuple[int, bytes]:
    """Read a basket in the tree's record: (entries, its bytes up to the end of the record)."""
    begin = c.pos
    c.pos += 14
    c.pos = begin + c.get("h") - _BASKET.size - 1
    n_entries = c.fields(_BASKET)[3]
    if n_entries < 0:
        raise UnreadableError(f"a basket of {n_entries} entries")
    return n_entries, bytes(c.data[begin:])
