"""One branch to one column: contiguous, native-endian, jagged where it is.

What a branch holds follows from its C++ type.  Members of a split collection
(``hits.t``) lie in their baskets without gaps, so whole baskets are converted
at once; lists and strings within rows go through the kernels of
`km3gpu.kernels.cpu.lists`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.baskets import basket_range, claimed_bytes, entry_bytes, entry_offsets, read_basket
from km3gpu.io.roottree import Branch, Tree
from km3gpu.kernels.cpu import lists
from km3gpu.table import Ragged, counts_to_offsets

__all__ = ["can_read", "column_type", "read_column", "row_offsets"]

_NUMBERS = {
    "double": "f8",
    "float": "f4",
    "int": "i4",
    "unsigned int": "u4",
    "short": "i2",
    "unsigned short": "u2",
    "char": "i1",
    "unsigned char": "u1",
    "bool": "b1",
    "Long64_t": "i8",
    "ULong64_t": "u8",
    "long": "i8",
    "unsigned long": "u8",
    "long long": "i8",
    "unsigned long long": "u8",
    "Int_t": "i4",
    "UInt_t": "u4",
    "Double_t": "f8",
    "Float_t": "f4",
}
_VECTOR = re.compile(r"^(?:std::)?vector<\s*(.+?)\s*>$")
_PLAUSIBLE = 32  # times that data may be smaller in the file without a closer look
_HEADER = 6  # byte count and version in front of a list


def column_type(branch: Branch) -> str:
    """Describe what `read_column` makes of a branch.

    Returns
    -------
    str
        ``"f8"``, ``"[f8]"`` for lists, ``"[[f8]]"``, ``"str"`` and so on; ``""``
        for a branch that holds something else.
    """
    name = branch.type_name
    inner = _VECTOR.match(name)
    kind = inner.group(1) if inner else name
    if kind in ("string", "std::string", "TString", "str"):
        kind = "str"
    elif len(kind) == 2 and kind[1].isdigit() and not inner:
        pass
    elif kind in _NUMBERS:
        kind = _NUMBERS[kind]
        if not inner:
            return ""
    else:
        return ""
    kind = f"[{kind}]" if inner else kind
    return f"[{kind}]" if branch.jagged else kind


def can_read(branch: Branch) -> bool:
    """Tell whether `read_column` reads this branch."""
    return column_type(branch) != ""


def row_offsets(tree: Tree, branch: Branch, start: int, stop: int) -> np.ndarray:
    """Give the offsets of a split collection from its counts.

    Parameters
    ----------
    tree, branch
        The collection's own branch (``hits``).
    start, stop : int
        Entry range.

    Returns
    -------
    (stop - start + 1,) int64 array
        From 0.
    """
    counts = read_column(tree, branch, start, stop)
    if len(counts) and counts.min() < 0:
        raise FormatError(
            f"branch {branch.name!r} counts {counts.min()} items",
            where=tree.where,
            remedy="fetch the file again",
        )
    offsets: np.ndarray = counts_to_offsets(counts)
    return offsets


def read_column(tree: Tree, branch: Branch, start: int, stop: int, rows: np.ndarray | None = None) -> Any:
    """Read entries ``start <= i < stop`` of a branch.

    Parameters
    ----------
    tree, branch
        What to read.
    start, stop : int
        Entry range.
    rows : (stop - start + 1,) int64 array, optional
        Offsets of the branch's collection, where the caller has them already.

    Returns
    -------
    numpy.ndarray or Ragged
        One row per entry; for a member of a split collection one row per item
        of the collection.

    Raises
    ------
    FormatError
        The bytes do not fit the type, or the counts.
    """
    kind = column_type(branch)
    if not kind:
        raise FormatError(
            f"branch {branch.name!r} of type {branch.type_name!r} has no columnar form",
            where=tree.where,
            remedy="leave it out",
        )
    if not branch.jagged:
        rows = None
    else:
        if rows is None:
            rows = row_offsets(tree, _counter(tree, branch), start, stop)
        kind = kind[1:-1]
    if len(kind) == 2:
        if rows is not None:
            return _flat_items(tree, branch, kind, start, stop, rows)
        return _fixed(tree, branch, kind, start, stop)
    data, starts = entry_bytes(tree, branch, start, stop)
    per_entry = np.arange(stop - start + 1, dtype=np.int64) if rows is None else rows
    bare = rows is None and branch.type_name in ("TString", "str")
    return decode_lists(tree, branch, kind, data, starts, per_entry, 0 if bare else _HEADER, start)


def _counter(tree: Tree, branch: Branch) -> Branch:
    if branch.counter is None:
        raise FormatError(
            f"branch {branch.name!r} has no branch that counts its items",
            where=tree.where,
            remedy="fetch the file again",
        )
    return branch.counter


def _fixed(tree: Tree, branch: Branch, kind: str, start: int, stop: int) -> np.ndarray:
    stored = np.dtype(kind).newbyteorder(">")
    width = stored.itemsize * int(np.prod(branch.shape, dtype=np.int64))
    n = max(stop - start, 0)
    if _is_too_much(n * width, tree, branch, start, stop):
        raise _misfit(tree, branch, None, f"its baskets are too small for {n} entries")
    out = np.empty((n, *branch.shape), kind)
    at = 0
    for index in basket_range(branch, start, stop):
        basket = read_basket(tree, branch, index)
        if len(basket.data) != width * basket.n_entries:
            raise _misfit(tree, branch, index, f"{len(basket.data)} bytes for {basket.n_entries} entries")
        lo = max(start - basket.start, 0)
        hi = min(stop - basket.start, basket.n_entries)
        view = basket.data[lo * width : hi * width].view(stored)
        out[at : at + hi - lo] = view.reshape(-1, *branch.shape)
        at += hi - lo
    return out


def _is_too_much(size: int, tree: Tree, branch: Branch, start: int, stop: int) -> bool:
    """Tell whether a column cannot come out of its baskets, before memory is taken for it."""
    indices = basket_range(branch, start, stop)
    stored = sum(branch.baskets.nbytes[indices.start : indices.stop])
    # looking at the baskets' own claims costs more than it saves for what is plausible anyway
    return size > _PLAUSIBLE * stored and size > claimed_bytes(tree, branch, start, stop)


def _flat_items(tree: Tree, branch: Branch, kind: str, start: int, stop: int, rows: np.ndarray) -> np.ndarray:
    """Read a member of a split collection: items without gaps, cut by the collection's offsets."""
    stored = np.dtype(kind).newbyteorder(">")
    width = stored.itemsize * int(np.prod(branch.shape, dtype=np.int64))
    n = int(rows[-1])
    if _is_too_much(n * width, tree, branch, start, stop):
        raise _misfit(tree, branch, None, f"its baskets are too small for {n} items")
    out = np.empty((n, *branch.shape), kind)
    for index in basket_range(branch, start, stop):
        basket = read_basket(tree, branch, index)
        lo = max(start - basket.start, 0)
        hi = min(stop - basket.start, basket.n_entries)
        begin, end = int(rows[basket.start + lo - start]), int(rows[basket.start + hi - start])
        data = basket.data
        if lo > 0 or hi < basket.n_entries:
            offsets = entry_offsets(tree, branch, index, basket)
            data = data[int(offsets[lo]) : int(offsets[hi])]
        if len(data) != (end - begin) * width:
            raise _misfit(tree, branch, index, f"{len(data)} bytes for {end - begin} items")
        out[begin:end] = data.view(stored).reshape(-1, *branch.shape)
    return out


def decode_lists(
    tree: Tree,
    branch: Branch,
    kind: str,
    data: np.ndarray,
    starts: np.ndarray,
    rows: np.ndarray,
    header: int,
    start: int,
) -> Ragged:
    """Decode lists of numbers, strings or lists of strings, one per row."""
    status = np.zeros(2, np.int64)
    n_rows = int(rows[-1])
    used = int((np.diff(starts) > 0).sum())
    if kind.strip("[]") != "str":
        item = np.dtype(kind[1:-1])
        # what is neither header nor length is items, so their number is known beforehand
        n_bytes = len(data) - header * used - 4 * n_rows
        if n_bytes < 0 or n_bytes % item.itemsize:
            raise _misfit(tree, branch, None, f"{len(data)} bytes for {n_rows} lists")
        offsets = np.empty(n_rows + 1, np.int64)
        out = np.empty(n_bytes, np.uint8)
        lists.gather_lists(data, starts, rows, header, item.itemsize, offsets, out, status)
        _check(tree, branch, status, start)
        return Ragged(offsets, out.view(item.newbyteorder(">")).astype(item))
    nested = kind.startswith("[")
    n_strings, n_bytes = lists.count_strings(data, starts, rows, header, nested, status)
    _check(tree, branch, status, start)
    per_row = np.empty(n_rows + 1, np.int64)
    offsets = np.empty(n_strings + 1, np.int64)
    out = np.empty(n_bytes, np.uint8)
    lists.gather_strings(data, starts, rows, header, nested, per_row, offsets, out)
    strings = Ragged(offsets, out, text=True)
    return Ragged(per_row, strings) if nested else strings


def _check(tree: Tree, branch: Branch, status: np.ndarray, start: int) -> None:
    if status[0] != lists.OK:
        what = "runs past its end" if status[0] != lists.LEFT_OVER else "has bytes left over"
        raise FormatError(
            f"entry {start + int(status[1])} of branch {branch.name!r} {what}",
            where=tree.where,
            remedy="fetch the file again",
        )


def _misfit(tree: Tree, branch: Branch, index: int | None, what: str) -> FormatError:
    basket = "" if index is None else f"basket {index} of "
    return FormatError(
        f"{basket}branch {branch.name!r} does not fit its counts: {what}",
        where=tree.where,
        remedy="fetch the file again",
    )
