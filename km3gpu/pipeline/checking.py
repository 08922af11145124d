"""Whether the columns that stages and sinks cannot do without will be there, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from km3gpu.errors import ConfigError, Km3GpuError, closest
from km3gpu.pipeline.recipe import Recipe

__all__ = ["check_columns"]


def check_columns(
    recipe: Recipe,
    kind: str,
    columns: Mapping[str, Iterable[str]],
    tables: Mapping[str, Iterable[str]],
    path: str,
) -> None:
    """Walk through the plan, and see that each step finds the columns it needs.

    Parameters
    ----------
    recipe : Recipe
    kind : str
        Kind of the file.
    columns : mapping of str to iterable of str
        Columns that are read, by table.
    tables : mapping of str to iterable of str
        Columns that the file has.
    path : str
        The file, for messages.

    Raises
    ------
    ConfigError
        A column or table that is neither in the file nor made before; the
        message names the line of the plan and the closest there are.
    """
    there = {t: set(cs) for t, cs in columns.items()}
    known = {t: set(cs) for t, cs in tables.items()}
    if "events" in there:
        there["events"].add("entry")
        if recipe.datasets:
            there["events"].add("label")
    for i, stage in enumerate(recipe.stages):
        where = f"stage.{i}."
        _check(stage, f"stage {stage.title!r}", kind, there, known, recipe, where, path)
        for table, made in stage.writes(kind).items():
            there.setdefault(table, set()).update(made)
            known.setdefault(table, set()).update(made)
        if not stage.declares:
            return  # it may make any column
    for i, sink in enumerate(recipe.sinks):
        what, where = f"sink {sink.name + sink.suffix!r}", f"sink.{i}."
        for table in sink.tables:
            if table not in there:
                names = ", ".join(closest(table, there))
                raise ConfigError(
                    f"{what} writes table {table!r}, which is not there",
                    where=_place(recipe, where, table),
                    remedy=f"there is: {names}",
                )
        _check(sink, what, kind, there, known, recipe, where, path)


def _check(
    step: Any,
    what: str,
    kind: str,
    there: Mapping[str, set[str]],
    known: Mapping[str, set[str]],
    recipe: Recipe,
    where: str,
    path: str,
) -> None:
    try:
        needs = step.requires(kind) if hasattr(step, "requires") else {}
    except Km3GpuError as error:
        error.where = error.where or _place(recipe, where, "by")
        raise
    for table, columns in needs.items():
        for column in columns:
            if column in there.get(table, ()):
                continue
            every = {c if t == table else f"{t}.{c}" for t, cs in known.items() for c in cs}
            every |= {f"count({t})" for t in known if column in t and t != "events"}
            own = sorted(closest(column, every), key=lambda n: "." in n and not n.endswith(f".{column}"))
            raise ConfigError(
                f"{what} needs {table}.{column}, which {path} does not have and no stage before makes",
                where=_place(recipe, where, column),
                remedy=f"there is: {', '.join(own[:8])}",
            )


def _place(recipe: Recipe, prefix: str, word: str) -> str | None:
    """Find the line of the plan where a step says a word, or else where it begins."""
    lines = {k: v for k, v in recipe.origins.items() if k.startswith(prefix) and v != "default"}
    step = (recipe.stages if prefix.startswith("stage") else recipe.sinks)[int(prefix.split(".")[1])]
    for key, place in lines.items():
        value = getattr(step, key.removeprefix(prefix), None)
        if value is not None and word in repr(value):
            return place
    return next(iter(lines.values()), recipe.path or None)
