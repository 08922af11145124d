"""Keep a fraction of the events, chosen by what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError
from km3gpu.expressions import Expression
from km3gpu.stages.identity import IDENTITY, check_names, identity_columns, uniform
from km3gpu.stages.select import kept_events
from km3gpu.stages.stage import Columns, Result, Stage, joined_columns, located

__all__ = ["Sample", "sample"]

_PURPOSE = 1


@dataclass(frozen=True)
class Sample(Stage):
    """Keep each event with a probability, by a hash of its identity.

    The same events are kept whatever the chunks, the workers and the machine;
    a smaller fraction of the same seed keeps some of those of a larger.

    Attributes
    ----------
    fraction : float or str
        From 0 to 1; or an expression that gives it for each event, to thin out
        what there is much of: ``"where(label == 'mupage', 0.01, 1)"``.
    seed : int
        Another seed keeps other events.
    by : tuple of str
        Columns of events that identify them; by default those that there are of
        ``det_id, run_id, frame_index, trigger_counter, mc_run_id, mc_id, id``.
    weight : str
        Name of a column for one over the fraction, by which each event that is
        kept stands for those that are not; ``""`` for none.
    """

    name: ClassVar[str] = "sample"

    fraction: float | str
    seed: int = 0
    by: tuple[str, ...] = ()
    weight: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", check_names(self.by))
        if isinstance(self.fraction, str):
            with located("fraction", self.fraction):
                Expression(self.fraction)
        elif type(self.fraction) not in (int, float) or not 0.0 <= self.fraction <= 1.0:
            raise ConfigError(f"fraction = {self.fraction!r}", remedy="give 0 to 1")
        check_seed(self.seed)
        if self.weight and not self.weight.isidentifier():
            raise ConfigError(f"weight = {self.weight!r} is no name", remedy="take letters, digits, _")

    def _expression(self) -> Expression | None:
        return Expression(self.fraction) if isinstance(self.fraction, str) else None

    def reads(self, kind: str) -> Columns:
        """Give the columns that identify an event."""
        more = self._expression()
        return joined_columns({"events": self.by or IDENTITY}, more.reads if more else {})

    def requires(self, kind: str) -> Columns:
        """Give the columns that were named."""
        more = self._expression()
        return joined_columns({"events": self.by}, more.reads if more else {})

    def writes(self, kind: str) -> Columns:
        """Give the weight, if any."""
        return {"events": (self.weight,)} if self.weight else {}

    def apply(self, chunk: Chunk) -> Result:
        """Keep some events, in every table."""
        u = uniform(identity_columns(chunk.events, self.by), self.seed, _PURPOSE)
        fraction = self._fractions(chunk)
        keep = u < fraction
        counters = {"events": float(len(keep)), "kept": float(keep.sum())}
        tables = dict(chunk.tables)
        if self.weight:  # of the events that are kept none has the fraction 0
            weights = 1.0 / backend.namespace(u).where(keep, fraction, 1.0)
            tables["events"] = tables["events"].with_columns(**{self.weight: weights})
        return kept_events(tables, keep), counters

    def _fractions(self, chunk: Chunk) -> Any:
        """Give the fraction, or that of each event."""
        if (expression := self._expression()) is None:
            return self.fraction
        with located("fraction", expression.text):
            found = expression.values(chunk)
            bad = ~((found >= 0.0) & (found <= 1.0))
            if bad.any():
                raise FormatError(
                    f"{float(found[bad][0]):g} is no fraction of events", remedy="let it give 0 to 1"
                )
        return found


def check_seed(seed: int) -> None:
    """Refuse what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**60:
        raise ConfigError(f"seed = {seed!r}", remedy="give a whole number from 0")


def sample(
    chunk: Chunk, fraction: float | str, seed: int = 0, by: tuple[str, ...] = (), weight: str = ""
) -> Chunk:
    """Keep a fraction of the events, by a hash of their identity (see `Sample`)."""
    return Sample(fraction, seed, by, weight)(chunk)
