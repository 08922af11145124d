"""Planning: look into every input, choose the columns, cut the entries into chunks."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from km3gpu import io
from km3gpu.chunk import Origin, chunk_id, code_version
from km3gpu.errors import ConfigError, closest
from km3gpu.io.filebytes import is_url
from km3gpu.io.opened import open_file
from km3gpu.io.paths import resolve as paths_of
from km3gpu.pipeline.checking import check_columns
from km3gpu.pipeline.datasets import named as name_inputs
from km3gpu.pipeline.footprint import auto_chunk
from km3gpu.pipeline.plan import Input, Plan, PlannedChunk, identify
from km3gpu.pipeline.receipt import sink_key
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.rehearsal import rehearse
from km3gpu.pipeline.settings import SourceSettings
from km3gpu.pipeline.tags import tagged
from km3gpu.pipeline.variants import files_of, resolve, runs_of, totalled
from km3gpu.stages.runs import Runs
from km3gpu.stages.stage import needed

__all__ = ["HIDDEN_TABLES", "choose_columns", "make_plan"]

_THREADS = 8
_Looked = tuple[Input, dict[str, tuple[str, ...]], list[Origin]]

HIDDEN_TABLES = ("frames",)
"""Tables that a file may have beside those that it shows (see `km3gpu.io.events`)."""


def make_plan(recipe: Recipe, files: Iterable[str] | None = None) -> Plan:
    """Plan a run: look into every input and cut it into chunks.

    Parameters
    ----------
    recipe : Recipe
    files : iterable of str, optional
        Inputs instead of the recipe's: paths, patterns, ``testdata:`` names.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        No inputs, inputs of different kinds or columns, no events at all.
    InputNotFoundError, FormatError, UnknownNameError
        What the reader says of a file or a tree.
    """
    named = name_inputs(recipe.datasets, recipe.source.files if files is None else list(files), recipe.path)
    if not named:
        raise ConfigError(
            "no input files",
            where=recipe.path or None,
            remedy="name them on the command line or as files = [...] in [source]",
        )
    # absolute, so that the run goes on from any directory
    paths: dict[str, str] = {}
    for label, name in named:
        for p in paths_of(name):
            path = p if is_url(p) else str(Path(p).absolute())
            if paths.setdefault(path, label) != label:
                raise ConfigError(
                    f"{path!r} is in two datasets, {paths[path]!r} and {label!r}",
                    where=recipe.path or None,
                    remedy="let the patterns not overlap",
                )
    recipe = _sized(recipe, next(iter(paths)), paths)
    data = list(_look_at_all(paths, recipe))
    _check_alike([i for i, _, _ in data], [c for _, c, _ in data])
    sums = totalled(recipe.stages, [(i.label, i.files) for i, _, _ in data])
    data = [
        (replace(i, files=files, history=recipe.history_of(i.label, files)), columns, origins)
        for (i, columns, origins), files in zip(data, sums, strict=True)
    ]
    if first := next((o[0] for _, _, o in data if o), None):
        rehearse(recipe, first, data[0][1])
    for sink in recipe.sinks:  # before anything runs: inputs that one output cannot tell apart
        tagged(sink.name, paths.items())
    calibration = dict.fromkeys(f for s in recipe.stages for f in s.inputs())
    calibration |= dict.fromkeys(f for i, _, _ in data for f in files_of(i.files))
    inputs = [i for i, _, _ in data] + [Input(p, "calibration", *identify(p)) for p in calibration]
    chunks = []
    history = recipe.history
    order = tuple(f"{table}/{name}" for table, names in data[0][1].items() for name in names)
    for i, _, origins in data:
        for origin in origins:  # the columns in the order of the first input
            whole = replace(origin, digest=i.digest, uuid=i.uuid, columns=order)
            chunks.append(PlannedChunk(chunk_id(whole, i.history or history), whole))
    if not chunks and any(i.n_entries for i, _, _ in data):
        found = {r: run.verdict for i, _, _ in data for (_, r), run in runs_of(i.files).items()}
        raise ConfigError(
            f"no good run: {', '.join(f'{r} is {why}' for r, why in list(found.items())[:4])}",
            where=", ".join(paths),
            remedy="look at the run list, and at its condition",
        )
    if not chunks:
        raise ConfigError(
            "the inputs hold no events", where=", ".join(paths), remedy="choose other files or tree"
        )
    return Plan(
        code_version(),
        recipe.to_json(),
        history,
        tuple(sink_key(s) for s in recipe.sinks),
        tuple(inputs),
        tuple(chunks),
    )


def _sized(recipe: Recipe, first: str, labels: Mapping[str, str]) -> Recipe:
    """Let the first file say how large a chunk is to be, where nobody did."""
    if recipe.source.chunk != "auto":
        return recipe
    one = replace(recipe, source=replace(recipe.source, chunk=1 << 62))
    mark = functools.partial(identify, first, recipe.source.identity)
    about, columns, _ = _look(first, one, labels[first], mark)
    size = auto_chunk(recipe, about.kind, columns)
    return replace(recipe, source=replace(recipe.source, chunk=size))


def _look_at_all(labels: Mapping[str, str], recipe: Recipe) -> Iterator[_Looked]:
    """Look into all data files, in their order.

    Hashing lets go of the GIL, what is looked at does not: threads that all do both are in
    each other's way.  Where nothing is hashed, waiting for files is what threads gain from.
    """
    how = recipe.source.identity
    hashed = how == "content" and not any(map(is_url, labels))
    with ThreadPoolExecutor(_THREADS) as pool:
        if not hashed:
            yield from pool.map(lambda p: _look(p, recipe, labels[p], lambda: identify(p, how)), labels)
            return
        marks = [pool.submit(identify, path, how) for path in labels]
        try:
            for (path, label), mark in zip(labels.items(), marks, strict=True):
                yield _look(path, recipe, label, mark.result)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _look(path: str, recipe: Recipe, label: str, identified: Callable[[], tuple[str, int, int]]) -> _Looked:
    """Open one data file, once: what it is, which of its columns are to be read, and in what chunks."""
    source = io.open(path, tree=recipe.source.tree)
    dataset = open_file(path).dataset(source.tree)
    hidden = {t: tuple(dataset.hidden(t)) for t in HIDDEN_TABLES if t not in source.tables}
    columns = choose_columns(recipe, source.kind, source.tables, path, hidden)
    check_columns(recipe, source.kind, columns, {**source.tables, **hidden}, path)
    files = resolve(recipe.stages, source)
    about = dataclasses.replace(
        Input(path, "data", *identified()),
        label=label,
        files=files,
        history=recipe.history_of(label, files),
        uuid=source.uuid,
        kind=source.kind,
        tree=source.tree,
        n_entries=source.n_events,
        meta=tuple(source.meta),
        bytes=dataset.nbytes(columns),
    )
    runs = runs_of(files)
    if (
        runs
        and not any(run.good for run in runs.values())
        and all(stage.others == "drop" for stage in recipe.stages if isinstance(stage, Runs))
    ):
        return about, columns, []  # nothing of it would be left
    return about, columns, source.origins(recipe.source.chunk, columns=columns)


def choose_columns(
    recipe: Recipe,
    kind: str,
    tables: Mapping[str, Sequence[str]],
    where: str,
    hidden: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Work out the columns to read: those that stages and sinks need and those the recipe names.

    A recipe without stages reads the columns that it names; where it names none,
    all of the tables that are written, if a sink takes whatever there is.

    Parameters
    ----------
    recipe : Recipe
    kind : str
        Kind of the file.
    tables : mapping of str to sequence of str
        Columns that the file has, by table.
    where : str
        The file, for messages.
    hidden : mapping of str to sequence of str, optional
        Tables that are read only where a step needs them or the recipe names them.

    Returns
    -------
    dict of str to tuple of str

    Raises
    ------
    ConfigError
        A pattern of the recipe matches nothing.
    """
    without = [p[1:] for p in recipe.source.columns if p.startswith("!")]
    asked = tuple(p for p in recipe.source.columns if not p.startswith("!"))
    if without and not asked:  # all that would be read, but for these
        asked = SourceSettings.columns
    named = asked != SourceSettings.columns
    ends = [] if named and not recipe.stages else [sink.reads(kind) for sink in recipe.sinks]
    must = [sink.requires(kind) for sink in recipe.sinks if hasattr(sink, "requires")]
    wanted: dict[str, dict[str, None]] = {
        t: dict.fromkeys(cs) for t, cs in needed(recipe.stages, kind, [*ends, *must]).items()
    }
    patterns = list(asked)
    if not recipe.stages and not named:
        takers = [sink.tables for sink, end in zip(recipe.sinks, ends, strict=True) if not end]
        written = [name for names in takers for name in names] if all(takers) else ["*"]
        patterns += [f"{name}/*" for name in dict.fromkeys(written)]
    every, more = ([f"{t}/{c}" for t, cs in known.items() for c in cs] for known in (tables, hidden or {}))
    for pattern in patterns:
        found = fnmatch.filter(every, pattern) or fnmatch.filter(more, pattern)
        if not found:
            table = pattern.partition("/")[0]
            names = closest(pattern, [n for n in every if n.startswith(f"{table}/")] or every)
            raise ConfigError(
                f"no column {pattern!r}",
                where=where,
                remedy=f"[source] columns are table/column of {', '.join(tables)}: {', '.join(names[:6])}",
            )
        for name in found:
            table, _, column = name.partition("/")
            wanted.setdefault(table, {})[column] = None
    for pattern in without:  # also where a stage would read it: what none can do without is refused later
        for table, some in wanted.items():
            for name in fnmatch.filter([f"{table}/{c}" for c in some], pattern):
                del some[name.partition("/")[2]]
    # in the order of the file, and without what it does not have: the stages
    # say themselves what they cannot do without
    there = {**tables, **(hidden or {})}
    chosen = {t: tuple(c for c in cs if c in wanted.get(t, {})) for t, cs in there.items()}
    return {t: cs for t, cs in chosen.items() if cs}


def _flat(columns: Mapping[str, Iterable[str]]) -> set[str]:
    return {f"{table}/{name}" for table, names in columns.items() for name in names}


def _check_alike(inputs: Sequence[Input], columns: Sequence[Mapping[str, tuple[str, ...]]]) -> None:
    """Check that all inputs give the same columns, since they go into one output."""
    for i, c in zip(inputs, columns, strict=True):
        if (i.kind, i.tree) != (inputs[0].kind, inputs[0].tree):
            raise ConfigError(
                f"inputs of different kinds: {inputs[0].kind} ({inputs[0].tree}) and {i.kind} ({i.tree})",
                where=f"{inputs[0].path} and {i.path}",
                remedy="run them apart",
            )
        # the order of columns in a file is nobody's business
        if odd := sorted(_flat(columns[0]) ^ _flat(c)):
            raise ConfigError(
                f"inputs differ in columns: {', '.join(odd[:6])}{', ...' if len(odd) > 6 else ''}",
                where=f"{inputs[0].path} and {i.path}",
                remedy="leave them out, columns = ['!" + "', '!".join(odd[:20]) + "'] in [source],"
                " name those that all have, or run them apart",
            )
