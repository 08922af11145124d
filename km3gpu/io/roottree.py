"""A TTree's description: its branches, their types and where their baskets lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.rootfile import Key, RootFile
from km3gpu.io.streamers import Streamers, streamers

__all__ = ["Branch", "Tree", "read_tree"]

# ROOT's numbers of the basic types (TVirtualStreamerInfo::EReadWrite)
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


@dataclass(slots=True)
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
    split : bool
        A member of the objects of a split collection; `counter` has the counts.
    counter : Branch or None
        Branch whose values count the items of this one.
    jagged : bool
        Items per entry vary.
    entries : (n_baskets + 1,) int64 array
        First entry of each basket, and the number of entries at the end.
    seek, nbytes : (n_baskets,) arrays
        Place and size of each basket's record; seek 0 for one embedded.
    embedded : tuple of bytes
        Records of the baskets that lie inside the tree's own record.
    children : list of Branch
        Branches below.
    kind : int
        ROOT's kind of node: 3, 4 a collection, 31, 41 a member of one.
    unpacked_bytes : int
        Bytes of all baskets when decompressed.
    """

    name: str
    path: str = ""
    type_name: str = ""
    shape: tuple[int, ...] = ()
    split: bool = False
    jagged: bool = False
    counter: Branch | None = None
    entries: Any = None
    seek: Any = None
    nbytes: Any = None
    embedded: tuple[bytes, ...] = ()
    children: list[Branch] = field(default_factory=list)
    kind: int = -1
    unpacked_bytes: int = 0
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def n_entries(self) -> int:
        """Number of entries."""
        return int(self.entries[-1])

    @property
    def n_baskets(self) -> int:
        """Number of baskets."""
        return len(self.entries) - 1

    def __repr__(self) -> str:
        return f"<Branch {self.path}: {self.type_name}, {self.n_baskets} baskets>"


@dataclass(slots=True)
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
    _by_name: dict[str, Branch] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Tree and file, for errors."""
        return f"tree {self.name} of {self.file.path}"

    def find(self, name: str) -> Branch | None:
        """Give a branch by path, by the end of its path or by its name, or None."""
        if not self._by_name:
            for path, branch in self.branches.items():
                parts = path.split("/")
                for k in range(len(parts)):
                    self._by_name.setdefault("/".join(parts[k:]), branch)
        return self._by_name.get(name)

    def branch(self, name: str) -> Branch:
        """Give a branch.

        Raises
        ------
        UnknownNameError
            There is none of that name; the closest come first.
        """
        found = self.find(name)
        if found is None:
            raise UnknownNameError.of("branch", name, self.branches, where=self.where)
        return found


_TREE_HEAD = {
    16: struct.Struct(">qqqqdiiiqqqqq"),
    17: struct.Struct(">qqqqdiiiiqqqqq"),
    18: struct.Struct(">qqqqqdiiiiqqqqqq"),
    19: struct.Struct(">qqqqqdiiiiIqqqqqq"),
    20: struct.Struct(">qqqqqdiiiiIqqqqqq"),
}
_BRANCH_HEAD = {
    10: struct.Struct(">iiiiqiIiqqq"),
    11: struct.Struct(">iiiiqiIiqqqq"),
    12: struct.Struct(">iiiiqiIiqqqq"),
}
_BRANCH_13 = struct.Struct(">iiiiq"), struct.Struct(">iIiqqqq")
_ELEMENT = {8: struct.Struct(">Iiiiii"), 9: struct.Struct(">Iiiiii"), 10: struct.Struct(">IHiiii")}
_LEAF_HEAD = struct.Struct(">iiiBB")


def read_tree(file: RootFile, key: Key) -> Tree:
    """Read a tree's description.

    Raises
    ------
    FormatError
        Its record does not parse, or has a version that is not known.
    """
    return file.parse(f"tree {key.path!r}", lambda: _read_tree(file, key))


def _read_tree(file: RootFile, key: Key) -> Tree:
    c = file.cursor(key)
    version, _ = c.version()
    form = _TREE_HEAD.get(version)
    if form is None:
        raise FormatError(
            f"tree {key.path!r} has version {version}, km3gpu reads 16 to 20",
            where=file.path,
            remedy="rewrite it with a newer ROOT",
        )
    _, title = c.named()
    for _ in range(3):
        c.skip_object()
    head = c.fields(form)
    n_entries = head[0]
    if version >= 19:
        n_ranges = head[10]
        for _ in range(2):
            c.pos += 1
            c.array(">i8", n_ranges)
    if version >= 20:
        c.skip_object()
    found = c.object_array(_make)
    tree = Tree(key.path, title, n_entries, {}, file)
    classes = streamers(file)
    for branch in found:
        _register(tree, branch, "", classes, None)
    return tree


def _make(c: Cursor, class_name: str, register: Any) -> Any:
    if class_name in ("TBranch", "TBranchElement", "TBranchObject"):
        return _read_branch(c, class_name, register)
    if class_name.startswith("TLeaf"):
        return _read_leaf(c, class_name, register)
    if class_name == "TBasket":
        return _read_basket(c)
    _, stop = c.version()
    if stop < 0:
        raise UnreadableError(f"an object of class {class_name} in a tree")
    c.pos = stop
    return None


def _read_branch(c: Cursor, class_name: str, register: Any) -> Branch:
    branch = Branch("")
    register(branch)
    _, stop = c.version()
    if class_name == "TBranchElement":
        element_version = c.data[c.pos - 1]
        version, base_stop = c.version()
    else:
        element_version, version, base_stop = 0, c.data[c.pos - 1], stop
    branch.name, _ = c.named()
    c.skip_object()  # TAttFill
    if version == 13:
        first = c.fields(_BRANCH_13[0])
        c.skip_object()  # IO features
        head = first + c.fields(_BRANCH_13[1])
    elif version in _BRANCH_HEAD:
        head = c.fields(_BRANCH_HEAD[version])
    else:
        raise UnreadableError(f"branch {branch.name!r} has version {version}, km3gpu reads 10 to 13")
    write_basket, most, n_entries = head[3], head[6], head[8]
    branch.unpacked_bytes = max(int(head[-2]), 0)
    branch.children = [b for b in c.object_array(_make) if isinstance(b, Branch)]
    leaves = [x for x in c.object_array(_make) if isinstance(x, dict)]
    embedded = [b for b in c.object_array(_make) if isinstance(b, tuple)]
    c.pos += 1
    nbytes = c.array(">i4", most)
    c.pos += 1
    entries = c.array(">i8", most)
    wide = c.get("B") == 2 or version >= 11
    seek = c.array(">i8" if wide else ">i4", most)
    _place_baskets(branch, n_entries, write_basket, entries, seek, nbytes, embedded)
    raw = {"leaves": leaves, "id": -1, "class": "", "version": 0, "parent": "", "code": -1, "count": None}
    if class_name == "TBranchElement":
        c.pos = base_stop if base_stop >= 0 else c.pos
        raw["class"], raw["parent"], _ = c.string(), c.string(), c.string()
        form = _ELEMENT.get(element_version)
        if form is None:
            raise UnreadableError(f"branch {branch.name!r} is of element version {element_version}")
        _, raw["version"], raw["id"], branch.kind, raw["code"], _ = c.fields(form)
        raw["count"] = c.object_any(_make)
    branch.raw = raw
    if stop >= 0:
        c.pos = stop
    return branch


def _place_baskets(
    branch: Branch, n_entries: int, write_basket: int, entries: Any, seek: Any, nbytes: Any, embedded: Any
) -> None:
    """Keep the baskets that exist: those on disk, then those inside the tree's record."""
    n = 0
    while n < min(write_basket, len(seek)) and seek[n] != 0:
        n += 1
    first = list(entries[: n + 1])
    if len(first) <= n:
        first.append(n_entries)
    records = []
    if first[-1] != n_entries:
        for count, record in embedded:
            first.append(first[-1] + count)
            records.append(record)
    if not records:
        first[-1] = min(int(first[-1]), n_entries) if n else 0
    edges = np.asarray(first, dtype=np.int64)
    if edges[0] != 0 or (np.diff(edges) < 0).any():
        raise UnreadableError(f"the baskets of branch {branch.name!r} are out of order")
    branch.entries = edges
    branch.seek = np.concatenate([seek[:n].astype(np.int64), np.zeros(len(records), np.int64)])
    branch.nbytes = np.concatenate([nbytes[:n], np.asarray([len(r) for r in records], np.int32)])
    branch.embedded = tuple(records)


def _read_leaf(c: Cursor, class_name: str, register: Any) -> dict[str, Any]:
    leaf: dict[str, Any] = {"class": class_name}
    register(leaf)
    _, stop = c.version()
    if class_name != "TLeaf":
        c.version()
    leaf["name"], leaf["title"] = c.named()
    leaf["len"], leaf["size"], _, _, leaf["unsigned"] = c.fields(_LEAF_HEAD)
    leaf["count"] = c.object_any(_make)
    c.pos = stop
    return leaf


def _read_basket(c: Cursor) -> tuple[int, bytes]:
    """Read a basket that lies inside the tree's record: (entries, whole record)."""
    begin = c.pos
    c.pos += 14
    keylen = c.get("h")
    c.pos = begin + keylen - 18 - 1
    _, _, _, n_entries, _ = c.fields(struct.Struct(">Hiiii"))
    # object_any moves on to the end of the object, which only it knows
    return n_entries, bytes(c.data[begin:])


def _register(tree: Tree, branch: Branch, above: str, classes: Streamers, parent: Branch | None) -> None:
    path = f"{above}/{branch.name}" if above else branch.name
    if path in tree.branches:
        path += f"#{len(tree.branches)}"
    branch.path = path
    tree.branches[path] = branch
    _set_type(branch, classes)
    count = branch.raw["count"]
    if isinstance(count, Branch):
        branch.counter = count
    elif branch.jagged and branch.raw["leaves"]:
        leaf = branch.raw["leaves"][0]["count"]
        if isinstance(leaf, dict):
            branch.counter = next(
                (b for b in tree.branches.values() if leaf in b.raw.get("leaves", ())), None
            )
    for child in branch.children:
        _register(tree, child, path, classes, branch)


def _set_type(branch: Branch, classes: Streamers) -> None:
    raw = branch.raw
    leaves = raw["leaves"]
    code = raw["code"]
    if code == -1 and branch.kind == -1:
        _set_leaf_type(branch, leaves)
        return
    branch.split = branch.kind in (31, 41)
    branch.jagged = branch.split
    if branch.kind in (3, 4):
        branch.type_name = "i4"  # counts of the collection
        return
    if branch.children or code in (-1, 0):
        branch.type_name = raw["class"]
        return
    if code in _BASIC:
        branch.type_name = _BASIC[code]
    elif code - 20 in _BASIC:
        branch.type_name = _BASIC[code - 20]
        branch.shape = (max(leaves[0]["len"], 1),) if leaves else (1,)
    else:
        branch.type_name = _member_type(branch, classes)


def _member_type(branch: Branch, classes: Streamers) -> str:
    raw = branch.raw
    members = classes.get((raw["class"], raw["version"])) or next(
        (m for (name, _), m in classes.items() if name == raw["class"]), ()
    )
    if 0 <= raw["id"] < len(members):
        return str(members[raw["id"]].type_name)
    return "?"


def _set_leaf_type(branch: Branch, leaves: list[dict[str, Any]]) -> None:
    if len(leaves) != 1:
        branch.type_name = "?"  # a leaf list: several columns in one branch
        return
    leaf = leaves[0]
    names = _LEAF.get(leaf["class"])
    branch.type_name = names[bool(leaf["unsigned"])] if names else "?"
    branch.jagged = leaf["count"] is not None
    if leaf["len"] > 1 and branch.type_name != "str":
        branch.shape = (leaf["len"],)
