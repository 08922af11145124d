"""Values of expressions: arrays that know of which table they are the rows.

Integers are computed with in 64 bits, whatever the column is stored in: times
over threshold of one byte would wrap around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.kernels import segments
from km3gpu.table import Ragged

__all__ = ["Value", "aligned", "arithmetic", "call", "compare", "item", "logic", "reduce"]


@dataclass(frozen=True)
class Value:
    """What a part of an expression is.

    Attributes
    ----------
    array : array, Ragged or number
    of : str or None
        The table whose rows it goes with; None for a constant.
    """

    array: Any
    of: str | None


def aligned(value: Value, table: str, chunk: Chunk) -> Any:
    """Give a value for each row of a table.

    Raises
    ------
    FormatError
        It is one of the rows of another table, or a column of lists.
    """
    array = _plain(value)
    rows = chunk.tables[table] if table in chunk.tables else getattr(chunk, table)
    xp = _namespace(chunk)
    if value.of is None:
        return xp.full(len(rows), array)
    if value.of == table or (rows.offsets is None and value.of == "events"):
        return array
    if value.of == "events":
        return xp.repeat(array, rows.counts)
    raise FormatError(
        f"a value for each row of {value.of}, where one for each of {table} is needed",
        remedy=f"make one per event of it: any(...), max(...), first(...) of {value.of}",
    )


def _plain(value: Value) -> Any:
    if isinstance(value.array, Ragged) or getattr(value.array, "ndim", 0) > 1:
        raise FormatError(
            "a column of lists cannot be computed with as a whole", remedy="take one item: fitinf[0], w[1]"
        )
    return value.array


def _namespace(chunk: Chunk) -> Any:
    for table in chunk.tables.values():
        for name in table.columns:
            column = table.flat(name)
            return backend.namespace(column.offsets if isinstance(column, Ragged) else column)
    return np


def _together(values: Sequence[Value], chunk: Chunk) -> tuple[list[Any], str | None]:
    """Bring values to the rows of one table."""
    tables = [v.of for v in values if v.of is not None]
    table = next((t for t in tables if t != "events"), tables[0] if tables else None)
    if table is None:
        return [_plain(v) for v in values], None
    return [_plain(v) if v.of is None else aligned(v, table, chunk) for v in values], table


def _wide(array: Any) -> Any:
    kind = getattr(array, "dtype", None)
    if kind is None:
        return int(array) if isinstance(array, bool) else array
    if kind.kind in "iub":  # the top bit of a 64 bit mask is no number to compute with
        return array.astype(np.int64, copy=False)
    return array


_ARITHMETIC = {
    "add": np.add, "sub": np.subtract, "mult": np.multiply, "div": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "neg": np.negative, "pos": np.positive,
}  # fmt: skip
_COMPARE = {
    "eq": np.equal, "noteq": np.not_equal, "lt": np.less, "lte": np.less_equal,
    "gt": np.greater, "gte": np.greater_equal,
}  # fmt: skip


def arithmetic(name: str, values: Sequence[Value], chunk: Chunk) -> Value:
    """Compute ``+ - * / // % **`` and signs; integers as int64, division as float64."""
    arrays, of = _together(values, chunk)
    arrays = [_wide(a) for a in arrays]
    whole = all(np.asarray(getattr(a, "dtype", a)).dtype.kind in "iuO" for a in arrays)
    if name == "pow" and whole:
        arrays[0] = arrays[0] * 1.0  # integers to negative powers are no integers
    return Value(_quiet(_ARITHMETIC[name], arrays), of)


def compare(name: str, left: Value, right: Value, chunk: Chunk) -> Value:
    """Compute ``== != < <= > >=``, exactly also between signed and unsigned; ``== !=`` of texts too."""
    for text, other in ((left, right), (right, left)):
        if isinstance(text.array, str):
            found = _is_text(other, text.array)
            return Value(found if name == "eq" else ~found, other.of)
    arrays, of = _together([left, right], chunk)
    return Value(_quiet(_COMPARE[name], arrays), of)


def _is_text(value: Value, word: str) -> Any:
    """Tell of each text of a column whether it is a word."""
    column = value.array
    if not isinstance(column, Ragged) or not column.text:
        kind = "lists" if isinstance(column, Ragged) else "numbers"
        raise FormatError(f"{word!r} is a text, compared with {kind}", remedy="leave the quotes away")
    letters = word.encode()
    starts = column.offsets[:-1]
    found = column.offsets[1:] - starts == len(letters)
    for place, letter in enumerate(letters):  # those that are still alike are few
        (alike,) = found.nonzero()
        found[alike] = column.content[starts[alike] + place] == letter
    return found


def logic(word: str, values: Sequence[Value], chunk: Chunk) -> Value:
    """Compute ``and``, ``or``, ``not`` of conditions.

    Raises
    ------
    FormatError
        A number where a condition is needed.
    """
    arrays, of = _together(values, chunk)
    for array in arrays:
        if not _is_condition(array):
            shown = getattr(array, "dtype", array)
            raise FormatError(
                f"{word!r} joins conditions, and one is {shown}",
                remedy="compare it (trig > 0), or test bits with bits(trig, 2)",
            )
    if word == "not":
        return Value(np.logical_not(arrays[0]), of)
    made = arrays[0]
    for array in arrays[1:]:
        made = np.logical_and(made, array) if word == "and" else np.logical_or(made, array)
    return Value(made, of)


def _is_condition(array: Any) -> bool:
    return isinstance(array, bool) or getattr(getattr(array, "dtype", None), "kind", "") == "b"


def call(name: str, values: Sequence[Value], chunk: Chunk) -> Value:
    """Compute a function of values, one for each row."""
    arrays, of = _together(values, chunk)
    if name == "bits":
        return Value(_bits(*arrays), of)
    if name == "where":
        condition, a, b = arrays
        if not _is_condition(condition):
            raise FormatError("where() needs a condition first", remedy="write where(tot > 20, a, b)")
        return Value(_namespace(chunk).where(condition, _wide(a), _wide(b)), of)
    known = {"min": np.minimum, "max": np.maximum, "round": np.rint, "abs": np.absolute}
    return Value(_quiet(known.get(name) or getattr(np, name), [_wide(a) for a in arrays]), of)


def _bits(array: Any, mask: Any) -> Any:
    if getattr(array, "dtype", np.dtype(float)).kind not in "iu" or not isinstance(mask, int) or mask < 1:
        raise FormatError("bits() needs a column of integers and a mask", remedy="write bits(trig, 2)")
    if array.dtype.itemsize * 8 < mask.bit_length():
        return array != array  # no such bits
    return (array & array.dtype.type(mask)) != 0


def item(value: Value, place: int, text: str) -> Value:
    """Take one item of each list of a column; NaN where a list of floats is too short.

    Raises
    ------
    FormatError
        No column of lists, or a list of integers that is too short.
    """
    column = value.array
    if not isinstance(column, Ragged):
        if getattr(column, "ndim", 1) != 2:
            raise FormatError(f"{text!r}: the column has no lists", remedy="leave the number away")
        return Value(column[:, place], value.of)
    if isinstance(column.content, Ragged) or column.text:
        raise FormatError(f"{text!r}: lists of lists, or text", remedy="use a function of Python as a stage")
    there = column.offsets[1:] - column.offsets[:-1] > place
    floats = column.content.dtype.kind == "f"
    if not floats and not bool(there.all()):
        raise FormatError(f"{text!r}: some lists have less than {place + 1} items")
    made = backend.namespace(column.offsets).full(len(column), np.nan if floats else 0, column.content.dtype)
    made[there] = column.content[column.offsets[:-1][there] + place]
    return Value(made, value.of)


def reduce(name: str, value: Value, chunk: Chunk, text: str) -> Value:
    """Make one value per event of the rows of an event.

    An event without rows has 0 for ``sum`` and ``count``, false for ``any``, true
    for ``all``, and NaN for ``mean``, ``min``, ``max`` and ``first`` of floats, 0 of
    integers.
    """
    array = _plain(value)
    if value.of in (None, "events"):
        raise FormatError(f"{text!r}: there is one value per event already", remedy=f"leave {name} away")
    assert value.of is not None
    offsets = chunk.tables[value.of].offsets
    if name in ("any", "all", "count") and array.dtype != bool:
        raise FormatError(f"{text!r}: {name} counts conditions", remedy=f"write {name}(tot > 20), say")
    if name == "first":
        empty = np.nan if array.dtype.kind == "f" else 0
        return Value(segments.first(offsets, array, empty), "events")
    if name in ("min", "max"):
        found = segments.minimum if name == "min" else segments.maximum
        return Value(found(offsets, _wide(array)), "events")
    if array.dtype.kind != "b":
        array = _wide(array)
    if name == "all":
        return Value(segments.total(offsets, ~array) == 0, "events")
    total = segments.total(offsets, array)
    if name == "mean":
        return Value(_quiet(np.true_divide, [total, offsets[1:] - offsets[:-1]]), "events")
    return Value(total > 0 if name == "any" else total, "events")


def _quiet(function: Any, arrays: Sequence[Any]) -> Any:
    """Compute without a warning: 1 / 0 is inf, as in a histogram's tail."""
    try:
        with np.errstate(all="ignore"):
            return function(*arrays)
    except (TypeError, OverflowError) as error:
        raise FormatError(f"cannot compute {function.__name__}: {error}") from error
