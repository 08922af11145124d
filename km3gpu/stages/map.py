"""Make columns of expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError
from km3gpu.expressions import Expression
from km3gpu.stages.stage import Columns, Result, Stage, joined_columns, located, pairs
from km3gpu.table import UNIT

__all__ = ["Map", "map_columns"]

_DTYPES = ("bool", *(f"{k}{n}" for k in ("int", "uint") for n in (8, 16, 32, 64)), "float32", "float64")

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Map(Stage):
    """Add columns to a table, each the value of an expression for every row.

    All expressions see the table as it comes in; a column may replace itself.

    Attributes
    ----------
    columns : mapping of str to str
        Expression by name: ``{tot_us = "tot / 1000"}``.
    table : str
        Where they go.
    dtype : mapping of str to str
        ``"float32"`` ... by name; that of the expression by default (integers are int64).
    unit : mapping of str to str
        Unit by name, for the metadata of the output.
    """

    name: ClassVar[str] = "map"

    columns: Mapping[str, str] | Pairs
    table: str = "events"
    dtype: Mapping[str, str] | Pairs = ()
    unit: Mapping[str, str] | Pairs = ()

    def __post_init__(self) -> None:
        for name in ("columns", "dtype", "unit"):
            object.__setattr__(self, name, pairs(name, getattr(self, name)))
        if not self.columns:
            raise ConfigError("columns names none", remedy='write columns = {tot_us = "tot / 1000"}, say')
        made = self._expressions()
        for key in ("dtype", "unit"):
            for name, value in getattr(self, key):
                if name not in made:
                    raise ConfigError(
                        f"{key} of {name!r}, which is not made", remedy=f"there is: {', '.join(made)}"
                    )
                if key == "dtype" and value not in _DTYPES:
                    raise ConfigError(f"dtype = {value!r}", remedy=f"take one of {', '.join(_DTYPES)}")
        for name in made:
            if not name.isidentifier():
                raise ConfigError(
                    f"columns: {name!r} is no name for a column", remedy="take letters, digits, _"
                )

    @property
    def _pairs(self) -> Pairs:
        return self.columns  # type: ignore[return-value]

    def _expressions(self) -> dict[str, Expression]:
        made = {}
        for name, text in self._pairs:
            with located(f"columns.{name}", text):
                made[name] = Expression(text, self.table)
        return made

    def reads(self, kind: str) -> Columns:
        """Give the columns in the expressions."""
        return joined_columns(*(e.reads for e in self._expressions().values()))

    requires = reads

    def writes(self, kind: str) -> Columns:
        """Give the columns that are made."""
        return {self.table: tuple(name for name, _ in self._pairs)}

    def apply(self, chunk: Chunk) -> Result:
        """Compute the columns."""
        kinds: dict[str, str] = dict(self.dtype)
        made = {}
        for name, expression in self._expressions().items():
            with located(f"columns.{name}", expression.text):
                values = expression.values(chunk)
                made[name] = _cast(values, np.dtype(kinds[name])) if name in kinds else values
        units = {f"{UNIT}{name}": unit for name, unit in dict(self.unit).items()}
        table = getattr(chunk, self.table)
        return {self.table: table.with_columns(units, **made)}, {}


def _cast(values: Any, dtype: np.dtype[Any]) -> Any:
    """Give values in a type, and refuse whole numbers that it cannot hold."""
    if dtype.kind in "iu" and values.dtype != dtype and len(values):
        low, high = values.min(), values.max()
        limits = np.iinfo(dtype)
        if not (low >= limits.min and high <= limits.max):  # nor NaN
            raise FormatError(
                f"values from {low} to {high} do not fit into {dtype.name}",
                remedy="take a wider dtype, or where(isfinite(x), x, 0)",
            )
    return values.astype(dtype, copy=False)


def map_columns(
    chunk: Chunk,
    columns: Mapping[str, str],
    table: str = "events",
    dtype: Mapping[str, str] | None = None,
    unit: Mapping[str, str] | None = None,
) -> Chunk:
    """Make columns of expressions.

    Parameters
    ----------
    chunk : Chunk
    columns : mapping of str to str
        Expression by name (see `km3gpu.expressions`).
    table : str
        Where they go.
    dtype, unit : mapping of str to str, optional
        By name.

    Returns
    -------
    Chunk
        The table has the columns.

    Raises
    ------
    ConfigError, UnknownNameError
        No valid expression, or a column that is not there.
    """
    return Map(columns, table, dtype or {}, unit or {})(chunk)
