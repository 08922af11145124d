"""The expressions of a plan on tables without rows: what does not fit together is told before anything runs.

Columns may be there and still not do: a condition that is a number, a value for
each hit where one for each event is wanted, a text compared with a number.
Stages that only compute with columns are applied to empty tables of the right
types; of the others, what they say they make is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from km3gpu import io, schema
from km3gpu.chunk import TABLES, Chunk, Origin
from km3gpu.errors import Km3GpuError, UnknownNameError
from km3gpu.expressions import Expression
from km3gpu.pipeline.recipe import Recipe
from km3gpu.stages.concat import Concat
from km3gpu.stages.deduplicate import Deduplicate
from km3gpu.stages.map import Map
from km3gpu.stages.sample import Sample
from km3gpu.stages.select import Select
from km3gpu.stages.sort import Sort
from km3gpu.stages.split import Split
from km3gpu.stages.stage import Columns, Stage
from km3gpu.table import Column, Ragged, Table

__all__ = ["rehearse"]

_PLAIN = (Concat, Deduplicate, Map, Sample, Select, Sort, Split)


def rehearse(recipe: Recipe, origin: Origin, columns: Columns) -> None:
    """Go through stages and sinks with empty tables, as far as what stages make is known.

    Parameters
    ----------
    recipe : Recipe
    origin : Origin
        A part of the first input.
    columns : mapping of str to tuple of str
        Columns that are read, by table.

    Raises
    ------
    ConfigError, FormatError, UnknownNameError
        An expression that cannot be computed; the message names the line of the plan.
    """
    chunk = _empty(recipe, origin, columns)
    for i, stage in enumerate(recipe.stages):
        with _placed(recipe, f"stage.{i}."):
            if isinstance(stage, _PLAIN):
                chunk = stage(chunk)
            elif stage.declares:
                chunk = _made(stage, chunk, origin.kind)
            else:
                return  # it may make anything
    for i, sink in enumerate(recipe.sinks):
        with _placed(recipe, f"sink.{i}."):
            _condition(sink, chunk)
        for k, histogram in enumerate(getattr(getattr(sink, "sink", sink), "histogram", ())):
            for key, expression in histogram.expressions.items():
                with _placed(recipe, f"sink.{i}.histogram.{k}.", key, expression.text):
                    expression.values(chunk)


def _condition(sink: Any, chunk: Chunk) -> None:
    where = getattr(sink, "where", None)
    if isinstance(where, str):
        try:
            Expression(where).mask(chunk)
        except Km3GpuError as error:
            error.what = f"where = {where!r}: {error.what}"
            raise


@contextmanager
def _placed(recipe: Recipe, prefix: str, key: str = "", text: str = "") -> Iterator[None]:
    """Let errors say the line of the plan."""
    try:
        yield
    except Km3GpuError as error:
        if text:
            error.what = f"{key} = {text!r}: {error.what}"
        name = key or error.what.partition(" = ")[0].partition(":")[0].partition(".")[0]
        lines = {k: v for k, v in recipe.origins.items() if k.startswith(prefix) and v != "default"}
        error.where = lines.get(prefix + name) or next(iter(lines.values()), recipe.path or None)
        raise


def _empty(recipe: Recipe, origin: Origin, columns: Columns) -> Chunk:
    """Give the tables that are read, without rows."""
    nothing = Origin(origin.path, origin.kind, origin.tree, 0, 0, origin.uuid, origin.digest, origin.columns)
    try:
        tables = {t: _table(t, {c: _column(origin.kind, t, c) for c in cs}) for t, cs in columns.items()}
    except UnknownNameError:  # columns that somebody made: only the file knows their types
        tables = dict(io.read_origin(nothing, backend="cpu").tables)
    if "events" in tables:
        more: dict[str, Column] = {"entry": np.empty(0, np.int64)}
        if recipe.datasets:
            more["label"] = Ragged(np.zeros(1, np.int64), np.empty(0, np.uint8), text=True)
        tables["events"] = tables["events"].with_columns(**more)
    return Chunk(nothing, tables)


def _made(stage: Stage, chunk: Chunk, kind: str) -> Chunk:
    """Give the chunk with the columns that a stage says it makes."""
    tables = dict(chunk.tables)
    for table, names in stage.writes(kind).items():
        if table not in TABLES:
            continue
        new = {c: _column(kind, table, c, "f8") for c in names}
        tables[table] = tables[table].with_columns(**new) if table in tables else _table(table, new)
    return Chunk(chunk.source, tables, chunk.history)


def _table(name: str, columns: Mapping[str, Column]) -> Table:
    return Table(name, columns, None if name == "events" else np.zeros(1, np.int64))


def _column(kind: str, table: str, name: str, otherwise: str = "") -> Column:
    try:
        field = schema.field(table, name)
    except UnknownNameError:
        if not otherwise:
            raise
        return np.empty(0, otherwise)
    narrow = kind in ("daq", "timeslices") and field.daq_dtype
    return _of_type(field.daq_dtype if narrow else field.dtype)


def _of_type(dtype: str) -> Column:
    if dtype.startswith("["):
        return Ragged(np.zeros(1, np.int64), _of_type(dtype[1:-1]))
    if dtype == "str":
        return Ragged(np.zeros(1, np.int64), np.empty(0, np.uint8), text=True)
    base, _, width = dtype.partition("[")
    return np.empty((0, int(width[:-1])) if width else 0, base)
