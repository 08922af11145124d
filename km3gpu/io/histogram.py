"""One histogram of a plan: what is counted, in which bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from km3gpu import extras
from km3gpu.backend import Backend
from km3gpu.chunk import TABLES, Chunk
from km3gpu.errors import ConfigError, Km3GpuError
from km3gpu.expressions import Expression
from km3gpu.io import exact_sums

__all__ = ["Histogram"]

_MOST = 10_000_000  # bins: a larger histogram is a table of its own


@dataclass(frozen=True)
class Histogram:
    """One histogram, of one or two dimensions.

    Attributes
    ----------
    name : str
    x, y : str
        Expressions; without `y` it has one dimension.
    table : str
        Whose rows are counted.
    bins, y_bins : int
        Bins of equal width ...
    range, y_range : (float, float)
        ... between these.
    edges, y_edges : tuple of float
        Edges of the bins, instead.
    weight : str
        Expression; without, rows are counted.
    """

    name: str
    x: str
    y: str = ""
    table: str = field(default="events", metadata={"choices": TABLES})
    bins: int = field(default=0, metadata={"minimum": 0})
    range: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    y_bins: int = field(default=0, metadata={"minimum": 0})
    y_range: tuple[float, ...] = ()
    y_edges: tuple[float, ...] = ()
    weight: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("a histogram without a name", remedy="give it one")
        for key, text in self._texts().items():
            try:
                Expression(text, self.table)
            except Km3GpuError as error:
                error.what = f"{key} = {text!r}: {error.what}"
                raise
        axes = [("", self.bins, self.range, self.edges)]
        if self.y:
            axes.append(("y_", self.y_bins, self.y_range, self.y_edges))
        elif self.y_bins or self.y_range or self.y_edges:
            raise ConfigError("y_bins without y", remedy="give y, an expression")
        for axis in axes:
            _check_axis(*axis)
        n = int(np.prod([a["bins"] if a["type"] == "regular" else len(a["edges"]) for a in self.axes()]))
        if n > _MOST:
            raise ConfigError(f"bins: {n:,} are too many", remedy=f"take at most {_MOST:,}")

    def _texts(self) -> dict[str, str]:
        return {k: getattr(self, k) for k in ("x", "y", "weight") if getattr(self, k) or k == "x"}

    @property
    def expressions(self) -> dict[str, Expression]:
        """The expressions of ``x``, ``y`` and ``weight``."""
        return {key: Expression(text, self.table) for key, text in self._texts().items()}

    def axes(self) -> list[dict[str, Any]]:
        """Give the axes in the form of the file."""
        made = [_axis(self.bins, self.range, self.edges)]
        if self.y:
            made.append(_axis(self.y_bins, self.y_range, self.y_edges))
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        """Bins of each axis, with one below and one above."""
        return tuple(2 + (a["bins"] if a["type"] == "regular" else len(a["edges"]) - 1) for a in self.axes())

    def count(self, chunk: Chunk) -> dict[str, Any]:
        """Count the rows of a chunk: ``counts`` by bin, and exact sums of weights and their squares."""
        bh = extras.require("boost_histogram", "hist")
        values = {}
        for key, expression in self.expressions.items():
            try:
                values[key] = Backend.to_host(expression.values(chunk)).astype(np.float64)
            except Km3GpuError as error:
                error.what = f"histogram {self.name!r}, {key} = {expression.text!r}: {error.what}"
                raise
        index = np.zeros(len(values["x"]), np.int64)
        for key, about, n in zip(("x", "y"), self.axes(), self.shape, strict=False):
            if about["type"] == "regular":
                axis = bh.axis.Regular(about["bins"], about["lower"], about["upper"])
            else:
                axis = bh.axis.Variable(about["edges"])
            index = index * n + (axis.index(values[key]) + 1)
        made: dict[str, Any] = {"counts": np.bincount(index, minlength=int(np.prod(self.shape)))}
        if self.weight:
            made["sums"] = exact_sums.sums(index, values["weight"])
            made["squares"] = exact_sums.sums(index, values["weight"] ** 2)
        return made


def _check_axis(prefix: str, bins: int, limits: Sequence[float], edges: Sequence[float]) -> None:
    if bool(edges) == bool(bins or limits):
        raise ConfigError(
            f"{prefix}bins and {prefix}range, or {prefix}edges", remedy="give bins = 50, range = [0, 100]"
        )
    values = edges or limits
    if not edges and (bins < 1 or len(limits) != 2):
        raise ConfigError(f"{prefix}range = {list(limits)!r}", remedy="give bins = 50, range = [0, 100]")
    if len(values) < 2 or not np.isfinite(values).all() or not (np.diff(values) > 0).all():
        key = "edges" if edges else "range"
        raise ConfigError(f"{prefix}{key} = {list(values)!r}", remedy="give numbers that rise")


def _axis(bins: int, limits: Sequence[float], edges: Sequence[float]) -> dict[str, Any]:
    about: dict[str, Any] = {"type": "variable", "edges": [float(e) for e in edges]}
    if not edges:
        about = {"type": "regular", "lower": float(limits[0]), "upper": float(limits[1]), "bins": bins}
    return {**about, "underflow": True, "overflow": True, "circular": False}
