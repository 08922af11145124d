"""An expression in the place of a table: what it reads, and its values for a chunk."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from km3gpu.chunk import TABLES, Chunk
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.expressions import grammar
from km3gpu.expressions.values import Value, aligned, arithmetic, call, compare, item, logic, reduce

__all__ = ["Expression"]

# a narrow column of each table, read where only the number of rows is asked for
_COUNTED = {"hits": "tot", "triggered_hits": "tot", "frames": "dom_id"}


@dataclass(frozen=True)
class Expression:
    """A text such as ``"tot > 20 & trig > 0"``, in the place of a table.

    A plain name is a column of that table, ``table.column`` one of another.
    ``any, all, sum, count, mean, min, max, first`` of rows give one value per
    event; a value per event goes with every row of the event, so
    ``"t - min(t) < 100"`` keeps the first 100 ns of hits.

    Attributes
    ----------
    text : str
    table : str
        ``"events"``, ``"hits"``, ...

    Raises
    ------
    ConfigError
        No valid expression (see `km3gpu.expressions.grammar`).
    """

    text: str
    table: str = "events"

    def __post_init__(self) -> None:
        _parsed(self.text)

    @property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """The columns it needs, by table."""
        found: dict[str, dict[str, None]] = {}
        for table, column in _names(_parsed(self.text), self.table):
            found.setdefault(table, {})[column] = None
        if self.table != "events" and self.table not in found:  # its rows are counted all the same
            found[self.table] = {_COUNTED.get(self.table, "id"): None}
        return {table: tuple(columns) for table, columns in found.items()}

    def values(self, chunk: Chunk) -> Any:
        """Compute the expression for every row of its table.

        Returns
        -------
        (n_rows,) array
            On the device of the chunk.

        Raises
        ------
        UnknownNameError
            The chunk lacks a table or column; the closest come first.
        FormatError
            Values that cannot be put together: one per hit and one per track, say.
        """
        value = _Computed(chunk, self.table).of(_parsed(self.text))
        try:
            return aligned(value, self.table, chunk)
        except FormatError as error:
            error.where = error.where or repr(self.text)
            raise

    def mask(self, chunk: Chunk) -> Any:
        """Compute a condition: as `values`, and refuse what is not true or false."""
        values = self.values(chunk)
        if values.dtype != bool:
            raise FormatError(
                f"{self.text!r} is no condition but {values.dtype}", remedy="compare it: 'tot > 20'"
            )
        return values


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    return grammar.parse(text)


def _names(node: ast.AST, table: str) -> Iterator[tuple[str, str]]:
    """Find all columns in a tree."""
    if isinstance(node, ast.Attribute):
        assert isinstance(node.value, ast.Name)
        yield node.value.id, node.attr
    elif isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        if node.func.id == "count" and isinstance(node.args[0], ast.Name) and node.args[0].id in TABLES:
            yield node.args[0].id, _COUNTED.get(node.args[0].id, "id")
            return
        for argument in node.args:
            yield from _names(argument, table)
    elif isinstance(node, ast.Subscript):
        yield from _names(node.value, table)
    elif isinstance(node, ast.Name):
        if node.id not in grammar.CONSTANTS:
            yield table, node.id
    else:
        for child in ast.iter_child_nodes(node):
            yield from _names(child, table)


class _Computed:
    """The values of the nodes of a tree."""

    def __init__(self, chunk: Chunk, table: str) -> None:
        self.chunk = chunk
        self.table = table

    def of(self, node: ast.expr) -> Value:
        made: Value = getattr(self, "_" + type(node).__name__.lower())(node)
        return made

    def _constant(self, node: ast.Constant) -> Value:
        return Value(node.value, None)

    def _name(self, node: ast.Name) -> Value:
        if node.id in grammar.CONSTANTS and node.id not in self.chunk.tables.get(self.table, ()):
            return Value(grammar.CONSTANTS[node.id], None)
        return self._column(self.table, node.id)

    def _attribute(self, node: ast.Attribute) -> Value:
        assert isinstance(node.value, ast.Name)
        return self._column(node.value.id, node.attr)

    def _column(self, name: str, column: str) -> Value:
        table = getattr(self.chunk, name)
        if column not in table:
            every = [*table.columns, *(f"{t}.{c}" for t, x in self.chunk.tables.items() for c in x.columns)]
            raise UnknownNameError.of("column", column, every, where=f"table {name!r}")
        return Value(table.flat(column), "events" if table.offsets is None else name)

    def _subscript(self, node: ast.Subscript) -> Value:
        place = self.of(node.slice).array
        return item(self.of(node.value), int(place), ast.unparse(node))

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        return logic("not", [self.of(node.operand)], self.chunk) if isinstance(node.op, ast.Not) else (
            arithmetic("neg" if isinstance(node.op, ast.USub) else "pos", [self.of(node.operand)], self.chunk)
        )  # fmt: skip

    def _boolop(self, node: ast.BoolOp) -> Value:
        word = "and" if isinstance(node.op, ast.And) else "or"
        return logic(word, [self.of(v) for v in node.values], self.chunk)

    def _binop(self, node: ast.BinOp) -> Value:
        name = type(node.op).__name__.lower()
        return arithmetic(name, [self.of(node.left), self.of(node.right)], self.chunk)

    def _compare(self, node: ast.Compare) -> Value:
        left, pairs = node.left, []
        for op, right in zip(node.ops, node.comparators, strict=True):
            name = type(op).__name__.lower()
            if name in ("in", "notin"):
                if not isinstance(right, ast.List | ast.Tuple):
                    raise FormatError(f"{ast.unparse(node)!r}: 'in' needs a list", remedy="write in [1, 2]")
                pairs.append(self._among(left, right, name))
            else:
                pairs.append(compare(name, self.of(left), self.of(right), self.chunk))
            left = right
        return pairs[0] if len(pairs) == 1 else logic("and", pairs, self.chunk)

    def _among(self, left: ast.expr, right: ast.List | ast.Tuple, name: str) -> Value:
        value = self.of(left)
        found = [compare("eq", value, self.of(e), self.chunk) for e in right.elts]
        either = logic("or", found or [Value(False, None)], self.chunk)
        return logic("not", [either], self.chunk) if name == "notin" else either

    def _call(self, node: ast.Call) -> Value:
        assert isinstance(node.func, ast.Name)
        name, first = node.func.id, node.args[0]
        if name == "count" and isinstance(first, ast.Name) and first.id in TABLES:
            table = getattr(self.chunk, first.id)
            if table.offsets is None:
                raise FormatError("count(events) is 1 for every event", remedy="count the rows of hits, say")
            return Value(table.counts, "events")
        values = [self.of(a) for a in node.args]
        if name in grammar.REDUCTIONS and len(values) == 1:
            return reduce(name, values[0], self.chunk, ast.unparse(node))
        return call(name, values, self.chunk)

    def _list(self, node: ast.List) -> Value:
        raise ConfigError(f"{ast.unparse(node)!r} stands alone", remedy="a list follows 'in'")

    _tuple = _list
