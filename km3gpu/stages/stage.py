"""What a stage is: a frozen configuration that turns a chunk into a chunk.

A stage holds plain values only, so it can be pickled to a worker, compared,
printed and hashed; what it loads (a detector) is kept per process.  It says
which columns it reads, so that only those are read from the file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from km3gpu.chunk import Chunk, file_digest
from km3gpu.errors import ConfigError, Km3GpuError, UnknownNameError
from km3gpu.extras import resolve_path
from km3gpu.table import Table

__all__ = [
    "Columns",
    "Result",
    "Stage",
    "joined_columns",
    "known",
    "located",
    "make",
    "needed",
    "pairs",
]

Columns: TypeAlias = Mapping[str, tuple[str, ...]]
Result: TypeAlias = tuple[Mapping[str, Table], Mapping[str, float]]

_STAGES: dict[str, type[Stage]] = {}


@dataclass(frozen=True)
class Stage(ABC):
    """One step from chunk to chunk.

    A subclass is a frozen dataclass with a class attribute `name` and the
    methods `apply`, `reads` and `writes`.  Defining it makes it known to plans
    by its name.
    """

    name: ClassVar[str] = ""
    neighbours: ClassVar[int] = 0
    """Slices before and after each of a chunk's own that a plan has to read with it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name:
            _STAGES[cls.name] = cls

    @abstractmethod
    def apply(self, chunk: Chunk) -> Result:
        """Compute the tables that the stage makes or changes, and what it counted."""

    @abstractmethod
    def reads(self, kind: str) -> Columns:
        """Give the columns that the stage needs, of a file of this `kind`."""

    def requires(self, kind: str) -> Columns:
        """Give the columns that must be there, in the file or made before; by default none.

        A plan that lacks one is refused before anything runs.
        """
        return {}

    @abstractmethod
    def writes(self, kind: str) -> Columns:
        """Give the columns that the stage makes."""

    def inputs(self) -> tuple[str, ...]:
        """Give the files that the stage uses beside the data (a detector, say)."""
        return ()

    def fingerprint(self) -> str:
        """Describe the stage with all that shapes its result, as canonical JSON.

        Files appear by digest, so a moved file is the same and an edited one
        is not.
        """
        files = set(self.inputs())
        config = {
            f.name: _plain(getattr(self, f.name), files)
            for f in dataclasses.fields(self)
            if f.metadata.get("shapes", True)
        }
        return json.dumps({"stage": self.name, **config}, sort_keys=True, separators=(",", ":"))

    @property
    def declares(self) -> bool:
        """Whether `writes` names every column that the stage makes."""
        return True

    @property
    def title(self) -> str:
        """What the stage is called in counters and times."""
        return self.name

    def __call__(self, chunk: Chunk) -> Chunk:
        """Give the chunk after this stage."""
        tables, counters = self.apply(chunk)
        named = {f"{self.title}/{k}": v for k, v in counters.items()}
        return chunk.evolve(self.fingerprint(), tables, named)


@contextmanager
def located(key: str, text: str) -> Iterator[None]:
    """Let errors of an expression say of which parameter it is."""
    try:
        yield
    except Km3GpuError as error:
        if not error.what.startswith(f"{key} = "):
            error.what = f"{key} = {text!r}: {error.what}"
        raise


def pairs(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Give a table of texts as pairs, which can be hashed and compared.

    Raises
    ------
    ConfigError
        It is none.
    """
    items = tuple(value.items()) if isinstance(value, Mapping) else tuple(value)
    if not all(len(i) == 2 and all(isinstance(x, str) for x in i) for i in items):
        raise ConfigError(f"{name} = {value!r}", remedy="give a table of texts, {a = 'tot / 2'}")
    return tuple((k, v) for k, v in items)


def joined_columns(*several: Columns) -> dict[str, tuple[str, ...]]:
    """Put columns by table together, each once, in order."""
    found: dict[str, dict[str, None]] = {}
    for columns in several:
        for table, names in columns.items():
            found.setdefault(table, {}).update(dict.fromkeys(names))
    return {table: tuple(names) for table, names in found.items()}


def _plain(value: Any, files: set[str]) -> Any:
    if isinstance(value, str) and files and resolve_path(value) in files:
        return file_digest(resolve_path(value))
    digest = getattr(value, "digest", None)
    if isinstance(digest, str):
        return digest
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), files) for f in dataclasses.fields(value)}
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return "sha256:" + hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, (list, tuple)):
        return [_plain(v, files) for v in value]
    return value


def needed(stages: Iterable[Stage], kind: str, ends: Iterable[Columns] = ()) -> dict[str, tuple[str, ...]]:
    """Give the columns to read from a file of this `kind` for a chain of stages and what comes behind it.

    What an earlier stage makes need not be read.

    Parameters
    ----------
    stages : iterable of Stage
        In the order they are applied.
    kind : str
        ``"offline"``, ``"daq"``, ...
    ends : iterable of mappings
        Columns that those want who take what the last stage gives.

    Returns
    -------
    dict of str to tuple of str
        Columns by table; the reader leaves out what a file does not have.
    """
    wanted: dict[str, dict[str, None]] = {}
    made: set[tuple[str, str]] = set()

    def want(read: Columns) -> None:
        for table, columns in read.items():
            new = [c for c in columns if (table, c) not in made]
            wanted.setdefault(table, {}).update(dict.fromkeys(new))

    for stage in stages:
        want(stage.reads(kind))
        made.update((table, c) for table, columns in stage.writes(kind).items() for c in columns)
    for end in ends:
        want(end)
    return {table: tuple(columns) for table, columns in wanted.items() if columns}


def known() -> dict[str, type[Stage]]:
    """Give all stages by the name that plans use."""
    return dict(sorted(_STAGES.items()))


def make(name: str, **parameters: Any) -> Stage:
    """Make a stage from its name and parameters, as a plan does.

    Raises
    ------
    ConfigError
        The stage or a parameter is unknown (the closest names are listed), or
        a value is not valid.
    """
    if name not in _STAGES:
        raise ConfigError(str(UnknownNameError.of("stage", name, _STAGES)))
    cls = _STAGES[name]
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in parameters:
        if key not in fields:
            raise ConfigError(str(UnknownNameError.of("parameter", key, fields, where=f"stage {name!r}")))
    missing = [
        k
        for k, f in fields.items()
        if k not in parameters
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"stage {name!r} needs {', '.join(missing)}")
    try:
        return cls(**parameters)
    except UnknownNameError as error:
        raise ConfigError(f"stage {name!r}: {error}") from error
    except Km3GpuError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"stage {name!r}: {error}") from error
