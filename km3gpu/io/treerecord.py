"""The record of a TTree, parsed: its branches as nodes, as ROOT streamed them.

The layouts are those of TTree versions 16 to 20, TBranch 10 to 13 and
TBranchElement 8 to 10, which every ROOT since 5.22 writes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from km3gpu.io.basketplaces import read_embedded, read_places
from km3gpu.io.cursor import Cursor, UnreadableError

__all__ = ["Leaf", "Node", "Record", "parse_entries", "parse_tree"]

_TREE = {
    16: struct.Struct(">qqqqdiiiqqqqq"),
    17: struct.Struct(">qqqqdiiiiqqqqq"),
    18: struct.Struct(">qqqqqdiiiiqqqqqq"),
    19: struct.Struct(">qqqqqdiiiiIqqqqqq"),
    20: struct.Struct(">qqqqqdiiiiIqqqqqq"),
}
_N_RANGES = 10  # place of the number of cluster ranges in versions 19 and 20 ...
_RANGES_AT = 64  # ... and its byte
_BRANCH = {
    10: struct.Struct(">iiiiqiIiqqq"),
    11: struct.Struct(">iiiiqiIiqqqq"),
    12: struct.Struct(">iiiiqiIiqqqq"),
}
_BRANCH_13 = struct.Struct(">iiiiq"), struct.Struct(">iIiqqqq")
_FIRST = _BRANCH_13[0].size  # bytes of a branch's numbers before its I/O features
_WRITE_BASKET, _MOST, _ENTRIES, _UNPACKED = 12, 4, 12, -16  # bytes of a branch's numbers; from its end
_ELEMENT = {8: struct.Struct(">Iiiiii"), 9: struct.Struct(">Iiiiii"), 10: struct.Struct(">IHiiii")}
_LEAF = struct.Struct(">iiiBB")


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
    numbers : (int, int, int)
        Where in the record stand the basket that is written next, the number
        of entries and `unpacked_bytes`.
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
    numbers: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A TTree's record, parsed.

    Attributes
    ----------
    title : str
    n_entries : int
    branches : list of Node
        Those right below the tree.
    nodes : list of Node
        All branches, in the order of the record.
    begin, end : int
        The bytes that were looked at.
    entries_at : int
        Where `n_entries` stands.
    free : list of (int, int)
        Bytes in which records of one shape differ: numbers that shape nothing.
    alone : bool
        Baskets lie in the record, so that hardly another has its shape.
    """

    title: str
    n_entries: int
    branches: list[Node]
    nodes: list[Node]
    begin: int
    end: int
    entries_at: int
    free: list[tuple[int, int]]
    alone: bool


class _Parsing(Cursor):
    """A cursor that collects what it passes."""

    __slots__ = ("alone", "free", "nodes")

    def __init__(self, c: Cursor) -> None:
        super().__init__(c.data, c.pos, c.shift)
        self.free: list[tuple[int, int]] = []
        self.nodes: list[Node] = []
        self.alone = False


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


def parse_tree(cursor: Cursor) -> Record:
    """Parse a TTree's record.

    Raises
    ------
    UnreadableError
        It does not parse, or has a version that is not known.
    """
    c = _Parsing(cursor)
    version, title, head = _head(c)
    at, begin = c.pos, c.pos - _TREE[version].size
    if version >= 19:
        c.free += [(begin, begin + _RANGES_AT), (begin + _RANGES_AT + 4, at)]
        for _ in range(2):  # ends and sizes of cluster ranges
            c.pos += 1
            c.array(">i8", head[_N_RANGES])
            c.free.append((c.pos - 8 * head[_N_RANGES], c.pos))
    else:
        c.free.append((begin, at))
    if version >= 20:
        c.skip_object()  # I/O features
    branches = [x for x in c.object_array(_make) if isinstance(x, Node)]
    return Record(title, head[0], branches, c.nodes, cursor.pos, c.pos, begin, c.free, c.alone)


def _make(c: _Parsing, class_name: str, register: Any) -> Any:
    if class_name in ("TBranch", "TBranchElement", "TBranchObject"):
        return _branch(c, class_name == "TBranchElement", register)
    if class_name.startswith("TLeaf"):
        return _leaf(c, class_name, register)
    if class_name == "TBasket":
        c.alone = True
        return read_embedded(c)
    c.skip_object()
    return None


def _branch(c: _Parsing, is_element: bool, register: Any) -> Node:
    node = Node(is_element=is_element)
    register(node)
    c.nodes.append(node)
    version, stop = c.version()
    element_version, base_stop = version, stop
    if is_element:
        version, base_stop = c.version()
    node.name, _ = c.named()
    c.skip_object()  # fill attributes
    begin = c.pos
    if version == 13:
        head = c.fields(_BRANCH_13[0])
        c.skip_object()  # I/O features
        head += c.fields(_BRANCH_13[1])
    elif version in _BRANCH:
        head = c.fields(_BRANCH[version])
    else:
        raise UnreadableError(f"branch {node.name!r} has version {version}, km3gpu reads 10 to 13")
    end = c.pos
    second = end - (_BRANCH_13[1].size if version == 13 else _BRANCH[version].size - _FIRST)
    node.numbers = begin + _WRITE_BASKET, second + _ENTRIES, end + _UNPACKED
    c.free += [(begin, begin + _FIRST), (second, second + _MOST), (second + _MOST + 4, end)]
    write_basket, most, n_entries = head[3], head[6], head[8]
    node.unpacked_bytes = max(head[-2], 0)
    node.children = [x for x in c.object_array(_make) if isinstance(x, Node)]
    node.leaves = [x for x in c.object_array(_make) if isinstance(x, Leaf)]
    embedded = [x for x in c.object_array(_make) if isinstance(x, tuple)]
    node.places = read_places(c, version, most, n_entries, write_basket, embedded)
    c.free += node.places.spans()
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


def _leaf(c: _Parsing, class_name: str, register: Any) -> Leaf:
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
    c.free.append((c.pos, stop))  # the least and the greatest value
    c.pos = stop
    return leaf
