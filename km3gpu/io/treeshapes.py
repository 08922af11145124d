"""Trees of one production have records of one shape, which is parsed once.

The record of a tree is mostly names, types and lengths: the same in each file
that the same program wrote, as long as no branch has more baskets than ROOT
makes room for at first.  What differs are numbers and the places of baskets.
A record that is equal to one parsed before, byte by byte but for those, takes
its branches from there and its numbers from itself.  That is what opening a
small file costs most.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.treerecord import Node, Record, parse_tree

__all__ = ["read_record"]

_KEEP = 16  # shapes, of 0.3 MB each
_I32, _I64 = struct.Struct(">i"), struct.Struct(">q")
_shapes: OrderedDict[tuple[int, int], _Shape] = OrderedDict()
_lock = threading.Lock()


def read_record(c: Cursor) -> Record:
    """Read a TTree's record, by a shape that is known or by parsing it.

    Parameters
    ----------
    c : Cursor
        At the beginning of the record.

    Raises
    ------
    UnreadableError
        It does not parse, or has a version that is not known.
    """
    key = (len(c.data), c.pos)
    with _lock:
        shape = _shapes.get(key)
        if shape is not None:
            _shapes.move_to_end(key)
    if shape is not None and shape.fits(c):
        return shape.fill(c)
    record = parse_tree(c)
    if not record.alone:
        with _lock:
            _shapes[key] = _Shape(record, c)
            _shapes.move_to_end(key)
            while len(_shapes) > _KEEP:
                _shapes.popitem(last=False)
    return record


class _Shape:
    """What records have in common.

    Parameters
    ----------
    record : Record
        One of them, parsed.
    c : Cursor
        At its beginning.
    """

    def __init__(self, record: Record, c: Cursor) -> None:
        self._record = record
        self._places = {id(node): i for i, node in enumerate(record.nodes)}
        mask = np.full(record.end - record.begin, 0xFF, np.uint8)
        for start, stop in record.free:
            mask[start - record.begin : stop - record.begin] = 0
        self._mask = mask
        self._bytes = self._masked(c)

    def _masked(self, c: Cursor) -> bytes:
        bytes_ = np.frombuffer(c.data, np.uint8, len(self._mask), self._record.begin)
        return (bytes_ & self._mask).tobytes()

    def fits(self, c: Cursor) -> bool:
        """Tell whether a record of the same length has this shape."""
        return self._masked(c) == self._bytes

    def fill(self, c: Cursor) -> Record:
        """Make the branches of a record that fits."""
        known, data = self._record, c.data
        [n_entries] = _I64.unpack_from(data, known.entries_at)
        if n_entries < 0:
            raise UnreadableError(f"it claims {n_entries} entries")
        nodes = [_filled(node, data) for node in known.nodes]
        for node, like in zip(nodes, known.nodes, strict=True):
            node.children = [nodes[self._places[id(child)]] for child in like.children]
            if like.count is not None:
                node.count = nodes[self._places[id(like.count)]]
        branches = [nodes[self._places[id(node)]] for node in known.branches]
        return replace(known, n_entries=n_entries, branches=branches, nodes=nodes)


def _filled(node: Node, data: Any) -> Node:
    """Make a branch like `node` with the numbers of its own record."""
    write_at, entries_at, unpacked_at = node.numbers
    [write_basket] = _I32.unpack_from(data, write_at)
    [n_entries] = _I64.unpack_from(data, entries_at)
    [unpacked] = _I64.unpack_from(data, unpacked_at)
    places = node.places.elsewhere(data, n_entries, write_basket)
    return Node(
        node.name, node.is_element, node.kind, node.code, node.member, node.class_name, node.class_version,
        None, places, max(unpacked, 0), [], node.leaves, node.numbers,
    )  # fmt: skip
