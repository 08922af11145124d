"""The plan of a run: its inputs by digest and its chunks in order, in a file that a person can read.

A plan knows the id of every chunk before a byte of it is read, so it knows the
names of all parts, and a run that goes on with a plan knows what is done.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from km3gpu import io
from km3gpu.chunk import Origin, chunk_id, code_version, file_digest
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, SourceChangedError
from km3gpu.pipeline.receipt import sink_key
from km3gpu.pipeline.recipe import Recipe
from km3gpu.stages.stage import needed

__all__ = ["Input", "Plan", "PlannedChunk", "make_plan"]

VERSION = 1


@dataclass(frozen=True)
class Input:
    """A file that the run uses.

    Attributes
    ----------
    path : str
    role : str
        ``"data"`` or ``"calibration"``.
    digest : str
        ``"sha256:..."`` of its bytes.
    size, mtime_ns : int
        What the file system said when the digest was taken.
    uuid, kind, tree : str
        Of a data file.
    n_entries : int
        Of its tree.
    meta : tuple
        What the Jpp applications that made a data file say of themselves.
    """

    path: str
    role: str
    digest: str
    size: int
    mtime_ns: int
    uuid: str = ""
    kind: str = ""
    tree: str = ""
    n_entries: int = 0
    meta: tuple[Any, ...] = ()


@dataclass(frozen=True)
class PlannedChunk:
    """A chunk that is to be made: its id and where its rows come from."""

    id: str
    origin: Origin


@dataclass(frozen=True)
class Plan:
    """What to do with which chunk, in order.

    Attributes
    ----------
    code : str
        Version of the package's code.
    recipe : dict
        Source, stages and sinks as plain values.
    history : tuple of str
        Fingerprints of the stages.
    sinks : tuple of str
        Short digests of the sinks' configurations.
    inputs : tuple of Input
        Data files in order, then the files of the calibration.
    chunks : tuple of PlannedChunk
        In the order of the output.
    """

    code: str
    recipe: Mapping[str, Any]
    history: tuple[str, ...]
    sinks: tuple[str, ...]
    inputs: tuple[Input, ...]
    chunks: tuple[PlannedChunk, ...]

    @property
    def id(self) -> str:
        """Identity of the plan: 16 hexadecimal digits over its chunks and sinks."""
        names = [f"{s['name']}:{s['format']}" for s in self.recipe["sinks"]]
        text = json.dumps([[c.id for c in self.chunks], list(self.sinks), names])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def n_events(self) -> int:
        """Events of all chunks."""
        return sum(c.origin.n_entries for c in self.chunks)

    def data(self) -> dict[str, Input]:
        """Give the data files by path."""
        return {i.path: i for i in self.inputs if i.role == "data"}

    # -- as a file -----------------------------------------------------------
    def dumps(self) -> str:
        """Give the plan as JSON, with a line for each input and each chunk."""
        number = {i.path: n for n, i in enumerate(self.inputs)}
        columns = sorted({c.origin.columns for c in self.chunks})
        head = {
            "format": "km3gpu plan",
            "version": VERSION,
            "id": self.id,
            "code": self.code,
            "n_events": self.n_events,
            "recipe": self.recipe,
            "history": self.history,
            "sinks": self.sinks,
            "columns": columns,
        }
        lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
        rows = ",\n  ".join(json.dumps(asdict(i)) for i in self.inputs)
        lines.append(f' "inputs": [\n  {rows}\n ]')
        chunks = [
            [c.id, number[o.path], o.start, o.stop, columns.index(o.columns)]
            for c, o in ((c, c.origin) for c in self.chunks)
        ]
        rows = ",\n  ".join(json.dumps(c) for c in chunks)
        lines.append(f' "chunks: id, input, start, stop, columns": [\n  {rows}\n ]')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def loads(cls, text: str, where: str) -> Plan:
        """Read what `dumps` wrote.

        Raises
        ------
        FormatError
            It is no plan.
        """
        try:
            data = json.loads(text)
            if data["format"] != "km3gpu plan" or data["version"] != VERSION:
                raise FormatError(f"a plan of version {data['version']}", where=where)
            inputs = tuple(Input(**{**i, "meta": tuple(i["meta"])}) for i in data["inputs"])
            chunks = []
            for identity, n, start, stop, c in data["chunks: id, input, start, stop, columns"]:
                i = inputs[n]
                columns = tuple(data["columns"][c])
                origin = Origin(i.path, i.kind, i.tree, start, stop, i.uuid, i.digest, columns)
                chunks.append(PlannedChunk(identity, origin))
            return cls(
                data["code"],
                data["recipe"],
                tuple(data["history"]),
                tuple(data["sinks"]),
                inputs,
                tuple(chunks),
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError("no plan of km3gpu", where=where, remedy="plan again") from error

    def check_sources(self) -> None:
        """Check that every input is still the file that the plan was made for.

        Raises
        ------
        SourceChangedError
            One differs in its bytes.
        InputNotFoundError
            One is gone.
        """
        for i in self.inputs:
            check_input(i)


def check_input(known: Input) -> None:
    """Check one input: by size and time, and by digest where those differ."""
    try:
        stat = Path(known.path).stat()
    except FileNotFoundError:
        raise InputNotFoundError(
            f"input {known.path!r} is gone", remedy="bring it back, or plan again"
        ) from None
    if (stat.st_size, stat.st_mtime_ns) == (known.size, known.mtime_ns):
        return
    if stat.st_size != known.size or file_digest(known.path) != known.digest:
        raise SourceChangedError(
            f"input {known.path!r} has changed since the plan was made",
            remedy="run into another directory, which plans again",
        )


# -- making one ----------------------------------------------------------------
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
    named = list(recipe.source.files if files is None else files)
    if not named:
        raise ConfigError(
            "no input files",
            where=recipe.path or None,
            remedy="name them on the command line or as files = [...] in [source]",
        )
    paths = list(dict.fromkeys(p for name in named for p in io.open(name, tree=recipe.source.tree).paths))
    with ThreadPoolExecutor(8) as pool:  # hashing lets go of the GIL
        data = list(pool.map(lambda p: _look(p, recipe), paths))
    _check_alike([i for i, _ in data], [c for _, c in data])
    calibration = dict.fromkeys(f for s in recipe.stages for f in s.inputs())
    inputs = [i for i, _ in data] + [_input(p, "calibration") for p in calibration]
    chunks = []
    history = recipe.history
    for i, columns in data:
        for origin in io.open(i.path, tree=i.tree).origins(recipe.source.chunk, columns=columns):
            whole = replace(origin, digest=i.digest, uuid=i.uuid)
            chunks.append(PlannedChunk(chunk_id(whole, history), whole))
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


def _input(path: str, role: str) -> Input:
    digest = file_digest(path)
    stat = Path(path).stat()
    return Input(path, role, digest, stat.st_size, stat.st_mtime_ns)


def _look(path: str, recipe: Recipe) -> tuple[Input, dict[str, tuple[str, ...]]]:
    """Open one data file: what it is, and which of its columns are to be read."""
    source = io.open(path, tree=recipe.source.tree)
    about = dataclasses.replace(
        _input(path, "data"),
        uuid=source.uuid,
        kind=source.kind,
        tree=source.tree,
        n_entries=source.n_events,
        meta=tuple(source.meta),
    )
    return about, choose_columns(recipe, source.kind, source.tables, path)


def choose_columns(
    recipe: Recipe, kind: str, tables: Mapping[str, Sequence[str]], where: str
) -> dict[str, tuple[str, ...]]:
    """Work out the columns to read: those the stages need and those the recipe names.

    Parameters
    ----------
    recipe : Recipe
    kind : str
        Kind of the file.
    tables : mapping of str to sequence of str
        Columns that the file has, by table.
    where : str
        The file, for messages.

    Returns
    -------
    dict of str to tuple of str

    Raises
    ------
    ConfigError
        A pattern of the recipe matches nothing.
    """
    wanted: dict[str, dict[str, None]] = {
        t: dict.fromkeys(cs) for t, cs in needed(recipe.stages, kind).items()
    }
    patterns = recipe.source.columns if recipe.stages else (*recipe.source.columns, "*/*")
    every = [f"{t}/{c}" for t, cs in tables.items() for c in cs]
    for pattern in patterns:
        found = fnmatch.filter(every, pattern)
        if not found:
            raise ConfigError(
                f"no column {pattern!r}",
                where=where,
                remedy=f"[source] columns are table/column of: {', '.join(tables)}",
            )
        for name in found:
            table, _, column = name.partition("/")
            wanted.setdefault(table, {})[column] = None
    # in the order of the file, and without what it does not have: the stages
    # say themselves what they cannot do without
    chosen = {t: tuple(c for c in cs if c in wanted.get(t, {})) for t, cs in tables.items()}
    return {t: cs for t, cs in chosen.items() if cs}


def _check_alike(inputs: Sequence[Input], columns: Sequence[Mapping[str, tuple[str, ...]]]) -> None:
    """Check that all inputs give the same columns, since they go into one output."""
    for i, c in zip(inputs, columns, strict=True):
        if (i.kind, i.tree) != (inputs[0].kind, inputs[0].tree):
            raise ConfigError(
                f"inputs of different kinds: {inputs[0].kind} ({inputs[0].tree}) and {i.kind} ({i.tree})",
                where=f"{inputs[0].path} and {i.path}",
                remedy="run them apart",
            )
        if c != columns[0]:
            flat = [{f"{t}/{n}" for t, ns in cs.items() for n in ns} for cs in (columns[0], c)]
            raise ConfigError(
                f"inputs differ in columns: {', '.join(sorted(flat[0] ^ flat[1])[:6])}",
                where=f"{inputs[0].path} and {i.path}",
                remedy="name the columns that all have as columns = [...] in [source], or run them apart",
            )
