"""Find coincidences of hits on one optical module (Jpp's L1, and L2 on request)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.kernels import coincidence as kernel
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Coincidences", "coincidences"]

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
    """

    name: ClassVar[str] = "coincidences"

    window: float = 25.0
    l2_window: float | None = None
    min_cos: float | None = None
    min_hits: int = 2
    table: str = "hits"

    def __post_init__(self) -> None:
        if not self.window > 0:
            raise ConfigError(f"window must be above 0 ns, not {self.window}")
        if self.min_hits < 2:
            raise ConfigError(f"min_hits must be 2 or more, not {self.min_hits}")
        if self.min_cos is not None and self.l2_window is None:
            raise ConfigError("min_cos is a cut on pairs within l2_window", remedy="set l2_window too")

    def reads(self, kind: str) -> Columns:
        """Give module, channel and time over threshold; `Calibrate` makes the rest."""
        return {self.table: _USED + (_AXES if self.min_cos is not None else ())}

    def writes(self, kind: str) -> Columns:
        """Give the table of clusters and the cluster of each hit."""
        return {"clusters": _MADE, self.table: ("cluster_id",)}

    def apply(self, chunk: Chunk) -> Result:
        """Make the table ``clusters`` and the column ``cluster_id`` of the hits."""
        hits = chunk.tables[self.table] if self.table in chunk else getattr(chunk, self.table)
        needed = self.reads(chunk.source.kind)[self.table]
        if lacking := [c for c in needed if c not in hits]:
            raise CalibrationError(
                f"{self.table} have no {', '.join(lacking)}", where=repr(chunk), remedy="calibrate them first"
            )
        axes = {c: hits.flat(c) for c in _AXES} if self.min_cos is not None else {}
        offsets, columns, cluster_id = kernel.same_module(
            hits.offsets,
            *(hits.flat(c) for c in _USED),
            window=self.window,
            min_hits=self.min_hits,
            l2_window=self.l2_window,
            min_cos=self.min_cos,
            **axes,
        )
        clusters = Table("clusters", columns, offsets)
        return (
            {"clusters": clusters, self.table: hits.with_columns(cluster_id=cluster_id)},
            {"clusters": len(clusters), "hits": len(hits)},
        )


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
    """
    return Coincidences(window=window, l2_window=l2_window, min_cos=min_cos, **options)(chunk)
