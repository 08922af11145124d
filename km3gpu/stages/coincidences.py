"""Find coincidences of hits on one optical module (Jpp's L1, and L2 on request)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.kernels import coincidence as kernel
from km3gpu.kernels import multiplicity
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.stages.triggers import ParametersLike, parameters_of
from km3gpu.table import Table
from km3gpu.trigger import sets

__all__ = ["Coincidences", "coincidences"]

Level: TypeAlias = Literal["", "L1", "L2", "SN"]

_USED = ("dom_id", "channel_id", "t", "tot", "pos_x", "pos_y", "pos_z")
_AXES = ("dir_x", "dir_y", "dir_z")
_MADE = ("dom_id", "t_first", "t_last", "n_hits", "n_pmts", "tot_sum", "pos_x", "pos_y", "pos_z")


@dataclass(frozen=True)
class Coincidences(Stage):
    """Find same-module coincidences among calibrated hits.

    The rule is Jpp's: hits of a module in time order; the first opens a window
    and takes all hits within it, ends included; the next hit opens the next
    window; groups of `min_hits` or more are kept.  Two hits of one PMT count.

    Attributes
    ----------
    window : float
        Length of the window [ns].
    l2_window : float, optional
        Keep a group only where its second hit comes within this time after the first [ns].
    min_cos : float, optional
        ... and the cosine between the axes of two PMTs within that time is at least this.
    min_hits : int
        Smallest group.
    table : str
        Table of hits to look at.
    min_pmts : int
        Fewest distinct PMTs of a group.
    chain : bool
        Group by density instead: hits up to `window` after the one before
        belong together, however long that goes on.  For comparison; the data
        filter does not.
    multiplicity : float, optional
        Count hits and distinct PMTs of the module from each hit up to so long
        after it [ns], as columns ``multiplicity`` and ``pmt_multiplicity``.
    level : {"", "L1", "L2", "SN"}
        Take window, hits and L2 from trigger parameters: those of all
        coincidences, of those that triggers begin with, or of the supernova stream.
    parameters : str or TriggerParameters, optional
        For `level`, see `km3gpu.stages.Triggers`.
    """

    name: ClassVar[str] = "coincidences"

    window: float = 25.0
    l2_window: float | None = None
    min_cos: float | None = None
    min_hits: int = 2
    table: str = "hits"
    min_pmts: int = 1
    chain: bool = False
    multiplicity: float | None = None
    level: Level = ""
    parameters: ParametersLike | None = None

    def __post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise ConfigError(f"level = {self.level!r}", remedy="take 'L1', 'L2' or 'SN'")
        if self.level and (self.window, self.l2_window, self.min_cos, self.min_hits) != (25.0, None, None, 2):
            raise ConfigError(
                f"level {self.level} sets window, l2_window, min_cos and min_hits",
                remedy="leave them out, or the level",
            )
        if self.parameters is not None and not self.level:
            raise ConfigError("parameters are for a level", remedy="set level = 'L1', 'L2' or 'SN'")
        if isinstance(self.parameters, str) and not self.parameters.endswith(".toml"):
            sets.named(self.parameters)
        if self.min_pmts < 1:
            raise ConfigError(f"min_pmts must be 1 or more, not {self.min_pmts}")
        if self.chain and (self.l2_window is not None or self.level in ("L2", "SN")):
            raise ConfigError("chains have no L2", remedy="leave out chain, or l2_window and level")
        if self.multiplicity is not None and not self.multiplicity >= 0:
            raise ConfigError(f"multiplicity must be 0 ns or more, not {self.multiplicity}")
        if not self.window > 0:
            raise ConfigError(f"window must be above 0 ns, not {self.window}")
        if self.min_hits < 2:
            raise ConfigError(f"min_hits must be 2 or more, not {self.min_hits}")
        if self.min_cos is not None and self.l2_window is None:
            raise ConfigError("min_cos is a cut on pairs within l2_window", remedy="set l2_window too")

    def reads(self, kind: str) -> Columns:
        """Give module, channel and time over threshold; `Calibrate` makes the rest."""
        axes = self.min_cos is not None or self.level in ("L2", "SN")
        wanted: dict[str, tuple[str, ...]] = {self.table: _USED + (_AXES if axes else ())}
        if self.level:
            wanted["events"] = ("det_id",)
        return wanted

    def writes(self, kind: str) -> Columns:
        """Give the table of clusters and the cluster of each hit."""
        counted = () if self.multiplicity is None else ("multiplicity", "pmt_multiplicity")
        return {"clusters": _MADE, self.table: ("cluster_id", *counted)}

    def inputs(self) -> tuple[str, ...]:
        """Give the file of the parameters."""
        given = self.parameters
        return (given,) if isinstance(given, str) and given.endswith(".toml") else ()

    def apply(self, chunk: Chunk) -> Result:
        """Make the table ``clusters`` and the column ``cluster_id`` of the hits."""
        hits = chunk.tables[self.table] if self.table in chunk else getattr(chunk, self.table)
        needed = self.reads(chunk.source.kind)[self.table]
        if lacking := [c for c in needed if c not in hits]:
            raise CalibrationError(
                f"{self.table} have no {', '.join(lacking)}", where=repr(chunk), remedy="calibrate them first"
            )
        rule = self._rule(chunk)
        if rule["min_cos"] is not None:
            rule |= {c: hits.flat(c) for c in _AXES}
        offsets, columns, cluster_id = kernel.same_module(
            hits.offsets, *(hits.flat(c) for c in _USED), min_pmts=self.min_pmts, chain=self.chain, **rule
        )
        made = {"cluster_id": cluster_id}
        if self.multiplicity is not None:
            counted = multiplicity.sliding(
                hits.offsets, *(hits.flat(c) for c in _USED[:3]), window=self.multiplicity
            )
            made |= zip(("multiplicity", "pmt_multiplicity"), counted, strict=True)
        clusters = Table("clusters", columns, offsets)
        return (
            {"clusters": clusters, self.table: hits.with_columns(**made)},
            {"clusters": len(clusters), "hits": len(hits)},
        )

    def _rule(self, chunk: Chunk) -> dict[str, Any]:
        if not self.level:
            return {c: getattr(self, c) for c in ("window", "min_hits", "l2_window", "min_cos")}
        parameters = parameters_of(self.parameters, chunk)
        window = parameters.t_max_local_ns
        if self.level == "L1":
            least = parameters.l1_number_of_hits
            return {"window": window, "min_hits": least, "l2_window": None, "min_cos": None}
        group = parameters.l2 if self.level == "L2" else parameters.sn
        return {
            "window": window,
            "min_hits": group.number_of_hits,
            "l2_window": group.t_max_local_ns,
            "min_cos": group.ct_min if group.ct_min > -1.0 else None,
        }


def coincidences(
    chunk: Chunk,
    window: float = 25.0,
    l2_window: float | None = None,
    min_cos: float | None = None,
    **options: Any,
) -> Chunk:
    """Find same-module coincidences among the calibrated hits of a chunk.

    Parameters
    ----------
    chunk : Chunk
        With calibrated ``hits``.
    window : float
        Length of the window [ns], ends included.
    l2_window : float, optional
        Keep a group only where its second hit comes within this time after the first [ns].
    min_cos : float, optional
        ... and the cosine between the axes of two PMTs within that time is at least this.
    **options
        Other fields of `Coincidences`.

    Returns
    -------
    Chunk
        With a table ``clusters`` and a column ``cluster_id`` of the hits:
        the number of the cluster within its event, -1 for none.

    Raises
    ------
    CalibrationError
        The hits have no calibrated time.
    ConfigError
        The data hold no trigger parameters for `level`, and none were given.
    """
    return Coincidences(window=window, l2_window=l2_window, min_cos=min_cos, **options)(chunk)
