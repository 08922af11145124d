"""Numbers of the header of a file as columns of its events: what event weights are divided by."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError, closest
from km3gpu.stages.stage import Columns, Result, Stage, pairs

__all__ = ["Header", "header"]


@dataclass(frozen=True)
class Header(Stage):
    """Add numbers of the header of their file to events.

    A weight of simulated events is one over what was generated:
    ``w[1] * flux / n_gen`` with ``n_gen = "genvol.numberOfEvents"``, or for muons
    the livetime of the simulation, ``"livetime.numberOfSeconds"``.  Where several
    files are one production, what counts is their sum: named in `total` a number
    is added up over all inputs of a plan that have the same label, those without
    any event included.

    Attributes
    ----------
    columns : mapping of str to str
        Entry and field of the header by the name of the column:
        ``{n_gen = "genvol.numberOfEvents"}`` (`km3gpu info FILE` shows a header).
    total : tuple of str
        Columns that hold the sum over the inputs of a label, not the number of
        the one file.
    values : mapping of str to float, optional
        The numbers, where they are known; a plan takes them from its inputs.
    """

    name: ClassVar[str] = "header"

    columns: Mapping[str, str] | tuple[tuple[str, str], ...]
    total: tuple[str, ...] = ()
    values: str | Mapping[str, float] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", pairs("columns", self.columns))
        if isinstance(self.values, Mapping):
            object.__setattr__(self, "values", json.dumps(dict(self.values), sort_keys=True))
        names = list(dict(self.columns))
        if not names:
            raise ConfigError(
                "columns names none", remedy="write columns = {n_gen = 'genvol.numberOfEvents'}"
            )
        for name in names:
            if not name.isidentifier():
                raise ConfigError(
                    f"columns: {name!r} is no name for a column", remedy="take letters, digits, _"
                )
        object.__setattr__(self, "total", tuple(self.total))
        for name in self.total:
            if name not in names:
                remedy = f"give a list of columns, of {', '.join(names)}"
                raise ConfigError(f"total: no column {name!r}", remedy=remedy)

    def reads(self, kind: str) -> Columns:
        """Give nothing: the header is no column."""
        return {}

    def writes(self, kind: str) -> Columns:
        """Give the columns that are added."""
        return {"events": tuple(dict(self.columns))}

    def extract(self, found: Mapping[str, Any] | None, where: str) -> str:
        """Take the numbers from a header, as text for `values`.

        Parameters
        ----------
        found : Header or None
            Of a file (see `km3gpu.io.header`).
        where : str
            The file, for messages.

        Raises
        ------
        FormatError
            No header, no such entry, or no number.
        """
        if found is None:
            raise FormatError("the file has no header", where=where, remedy="leave the stage 'header' away")
        made = {name: _number(found, path, where) for name, path in dict(self.columns).items()}
        return json.dumps(made, sort_keys=True)

    def apply(self, chunk: Chunk) -> Result:
        """Add the columns."""
        if not self.values:
            raise ConfigError(
                "the numbers of the header are not known",
                where=repr(chunk),
                remedy="give them: header(chunk, n_gen=1e6); a plan takes them from its inputs",
            )
        events = chunk.events
        xp = backend.namespace(events.flat(events.columns[0])) if events.columns else np
        numbers = _loaded(str(self.values))
        made = {name: xp.full(len(events), numbers[name], dtype=np.float64) for name in dict(self.columns)}
        return {"events": events.with_columns(**made)}, {}


def _number(found: Mapping[str, Any], path: str, where: str) -> float:
    entry, _, field = path.partition(".")
    if entry not in found:
        names = ", ".join(closest(entry, found)[:8])
        raise FormatError(f"the header has no {entry!r}", where=where, remedy=f"there is: {names}")
    value = found[entry]
    known = list(vars(value)) if hasattr(value, "__dict__") else []
    if field:
        if field not in known:
            named = ", ".join(f"{entry}.{k}" for k in known) or repr(entry)
            raise FormatError(f"the header has no {path!r}", where=where, remedy=f"there is: {named}")
        value = getattr(value, field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        fields = ", ".join(f"{entry}.{k}" for k in known)
        remedy = f"name one of {fields}" if fields and not field else "name another entry"
        raise FormatError(f"{path!r} of the header is no number: {value!r}", where=where, remedy=remedy)
    return float(value)


@functools.lru_cache(maxsize=64)
def _loaded(text: str) -> dict[str, float]:
    return {str(k): float(v) for k, v in json.loads(text).items()}


def header(chunk: Chunk, **values: float) -> Chunk:
    """Add numbers to events, a column each: those of the header of their file, say.

    Parameters
    ----------
    chunk : Chunk
    **values : float
        ``n_gen=km3gpu.open(path).header.genvol.numberOfEvents``.

    Returns
    -------
    Chunk
    """
    return Header(dict.fromkeys(values, "given"), (), values)(chunk)
