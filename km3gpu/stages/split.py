"""Share the events out, to train, validate and test with, say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.stages.identity import IDENTITY, check_names, identity_columns, uniform
from km3gpu.stages.sample import check_seed
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Split", "split"]

_PURPOSE = 2

Shares = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Split(Stage):
    """Mark each event as of one share, by a hash of its identity.

    Events get a column for each share, true for those that are of it; a sink
    takes one with ``where = "train"``.  An event is of the same share whatever
    the chunks, the workers and the machine, and wherever else it is stored.

    Attributes
    ----------
    shares : mapping of str to float
        Fraction by name; they add up to 1: ``{train = 0.8, validation = 0.1, test = 0.1}``.
    seed : int
        Another seed shares out otherwise.
    by : tuple of str
        As for `Sample`.  Naming ``by = ["run_id"]`` keeps runs together.
    """

    name: ClassVar[str] = "split"

    shares: Mapping[str, float] | Shares
    seed: int = 0
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", check_names(self.by))
        check_seed(self.seed)
        remedy = "give names and fractions that add up to 1: {train = 0.9, test = 0.1}"
        given: Any = self.shares
        items = tuple(given.items()) if isinstance(given, Mapping) else tuple(given)
        if not all(isinstance(i, list | tuple) and len(i) == 2 for i in items):
            raise ConfigError(f"shares = {given!r}", remedy=remedy)
        for name, share in items:
            if not name.isidentifier() or type(share) not in (int, float) or not 0.0 <= share <= 1.0:
                raise ConfigError(f"shares: {name} = {share!r}", remedy=remedy)
        if abs(sum(s for _, s in items) - 1.0) > 1e-9:
            raise ConfigError(f"shares add up to {sum(s for _, s in items):g}", remedy=remedy)
        object.__setattr__(self, "shares", tuple((n, float(s)) for n, s in items))

    @property
    def _pairs(self) -> Shares:
        return tuple(self.shares)  # type: ignore[arg-type]

    def reads(self, kind: str) -> Columns:
        """Give the columns that identify an event."""
        return {"events": self.by or IDENTITY}

    def requires(self, kind: str) -> Columns:
        """Give the columns that were named."""
        return {"events": self.by}

    def writes(self, kind: str) -> Columns:
        """Give a column for each share."""
        return {"events": tuple(n for n, _ in self._pairs)}

    def apply(self, chunk: Chunk) -> Result:
        """Mark the events."""
        for name, _ in self._pairs:
            if name in chunk.events:
                raise ConfigError(
                    f"shares: events have a column {name!r} already", remedy="take another name"
                )
        u = uniform(identity_columns(chunk.events, self.by), self.seed, _PURPOSE)
        columns, low = {}, 0.0
        for i, (name, share) in enumerate(self._pairs):
            # the last takes what rounding leaves of 1
            high = low + share if i + 1 < len(self._pairs) else 1.0
            columns[name] = (u >= low) & (u < high)
            low = high
        counters = {name: float(column.sum()) for name, column in columns.items()}
        return {"events": chunk.events.with_columns(**columns)}, counters


def split(chunk: Chunk, shares: Mapping[str, float], seed: int = 0, by: tuple[str, ...] = ()) -> Chunk:
    """Mark each event as of one share, by a hash of its identity (see `Split`)."""
    return Split(shares, seed, by)(chunk)
