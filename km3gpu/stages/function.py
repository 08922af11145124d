"""A function of the user as a stage."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import json
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Function", "imported", "source_digest"]


@dataclass(frozen=True)
class Function(Stage):
    """Call a plain function on every chunk: ``use = "mymodule:function"`` in a plan.

    The function takes a chunk and the parameters of its table in the plan.  It
    gives a chunk, or the tables that it made or changed, by name, or a pair of
    these and of what it counted.  What it reads it says in an attribute
    (``function.reads = ["hits/t"]``), or the plan does (``reads = ["hits/t"]``).

    Attributes
    ----------
    function : str
        ``"package.module:name"``.
    columns_read, columns_written : tuple of str
        As ``table/column``.
    parameters : tuple of (str, value)
        Its keyword arguments.
    """

    name: ClassVar[str] = ""

    function: str
    columns_read: tuple[str, ...] = ()
    columns_written: tuple[str, ...] = ()
    parameters: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        made = imported(self.function)
        if not callable(made):
            raise ConfigError(f"{self.function!r} is no function", remedy="name one that takes a chunk")
        try:
            inspect.signature(made).bind(None, **dict(self.parameters))
        except TypeError as error:
            raise ConfigError(
                f"{self.function!r} cannot be called with these parameters: {error}",
                remedy=f"its arguments are {inspect.signature(made)}",
            ) from None
        for key, attribute in (("columns_read", "reads"), ("columns_written", "writes")):
            names = _names(getattr(self, key) or getattr(made, attribute, ()), attribute)
            object.__setattr__(self, key, names)

    @property
    def title(self) -> str:
        """What the stage is called in counters and times."""
        return self.function.rpartition(":")[2]

    @property
    def declares(self) -> bool:
        """Whether it was said what the function writes."""
        return bool(self.columns_written)

    def reads(self, kind: str) -> Columns:
        """Give what was declared."""
        return _by_table(self.columns_read)

    requires = reads

    def writes(self, kind: str) -> Columns:
        """Give what was declared."""
        return _by_table(self.columns_written)

    def fingerprint(self) -> str:
        """Describe the function by name, parameters and the digest of its source file."""
        config = {
            "stage": self.function,
            "reads": self.columns_read,
            "writes": self.columns_written,
            "parameters": dict(self.parameters),
            "source": source_digest(imported(self.function)),
        }
        return json.dumps(config, sort_keys=True, separators=(",", ":"))

    def apply(self, chunk: Chunk) -> Result:
        """Call the function."""
        function = imported(self.function)
        try:
            made = function(chunk, **dict(self.parameters))
        except Exception as error:  # goes on as it is, and says whose it is
            error.add_note(f"in {self.function}{_line(error, function)}")
            raise
        tables, counters = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
        if isinstance(tables, Chunk):
            tables = tables.tables
        if not isinstance(tables, Mapping) or not all(isinstance(t, Table) for t in tables.values()):
            raise FormatError(
                f"{self.function!r} gave {type(made).__name__}",
                remedy="give a chunk, or a dict of tables by name",
            )
        try:
            return tables, {str(k): float(v) for k, v in dict(counters).items()}
        except (TypeError, ValueError):
            raise FormatError(
                f"{self.function!r} counted {counters!r}", remedy="give a dict of numbers by name"
            ) from None


def imported(name: str) -> Callable[..., Any]:
    """Import what ``"package.module:name"`` names.

    Raises
    ------
    ConfigError
        It cannot be imported.
    """
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a user's module may fail in any way while it is imported
        raise ConfigError(
            f"cannot import the stage {name!r}: {type(error).__name__}: {error}",
            remedy="write 'package.module:name', and put the module beside the plan or on PYTHONPATH",
        ) from error
    return found  # type: ignore[return-value]


def source_digest(made: Any) -> str:
    """Give the digest of the file that something was defined in, ``"sha256:..."``."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(made))
    except TypeError:
        path = None
    if path and Path(path).is_file():
        stat = Path(path).stat()
        return _digest(path, stat.st_size, stat.st_mtime_ns)
    return "sha256:" + hashlib.sha256(str(getattr(made, "__module__", made)).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _digest(path: str, size: int, mtime_ns: int) -> str:
    return "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _line(error: BaseException, function: Any) -> str:
    """Give the last line of the user's own file on the way to an error."""
    path = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return f", {Path(path).name}, line {lines[-1]}" if path and lines else ""


def _names(value: Any, key: str) -> tuple[str, ...]:
    """Give ``{"hits": ["t"]}`` or ``["hits/t"]`` as ``("hits/t",)``."""
    if isinstance(value, Mapping):
        value = [f"{t}/{c}" for t, cs in value.items() for c in ([cs] if isinstance(cs, str) else cs)]
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if not isinstance(name, str) or name.count("/") != 1 or name[0] == "/" or name[-1] == "/":
            raise ConfigError(f"{key}: {name!r} is no column", remedy="write table/column, 'hits/t'")
    return names


def _by_table(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        table, _, column = name.partition("/")
        found[table] = (*found.get(table, ()), column)
    return found
