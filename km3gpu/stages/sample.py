"""Keep a fraction of the events, chosen by what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.stages.identity import IDENTITY, check_names, identity_columns, uniform
from km3gpu.stages.select import kept_events
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Sample", "sample"]

_PURPOSE = 1


@dataclass(frozen=True)
class Sample(Stage):
    """Keep each event with a probability, by a hash of its identity.

    The same events are kept whatever the chunks, the workers and the machine;
    a smaller fraction of the same seed keeps some of those of a larger.

    Attributes
    ----------
    fraction : float
        From 0 to 1.
    seed : int
        Another seed keeps other events.
    by : tuple of str
        Columns of events that identify them; by default those that there are of
        ``det_id, run_id, frame_index, trigger_counter, mc_run_id, mc_id, id``.
    """

    name: ClassVar[str] = "sample"

    fraction: float
    seed: int = 0
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", check_names(self.by))
        if type(self.fraction) not in (int, float) or not 0.0 <= self.fraction <= 1.0:
            raise ConfigError(f"fraction = {self.fraction!r}", remedy="give 0 to 1")
        check_seed(self.seed)

    def reads(self, kind: str) -> Columns:
        """Give the columns that identify an event."""
        return {"events": self.by or IDENTITY}

    def requires(self, kind: str) -> Columns:
        """Give the columns that were named."""
        return {"events": self.by}

    def writes(self, kind: str) -> Columns:
        """Give nothing: no column is made."""
        return {}

    def apply(self, chunk: Chunk) -> Result:
        """Keep some events, in every table."""
        keep = uniform(identity_columns(chunk.events, self.by), self.seed, _PURPOSE) < self.fraction
        counters = {"events": float(len(keep)), "kept": float(keep.sum())}
        return kept_events(dict(chunk.tables), keep), counters


def check_seed(seed: int) -> None:
    """Refuse what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**60:
        raise ConfigError(f"seed = {seed!r}", remedy="give a whole number from 0")


def sample(chunk: Chunk, fraction: float, seed: int = 0, by: tuple[str, ...] = ()) -> Chunk:
    """Keep a fraction of the events, by a hash of their identity (see `Sample`)."""
    return Sample(fraction, seed, by)(chunk)
