"""The quantum efficiency of the PMT of each hit, from a calibration of PMTs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, file_digest
from km3gpu.detector import PmtFile
from km3gpu.errors import CalibrationError, ConfigError, FormatError
from km3gpu.extras import resolve_path
from km3gpu.stages.quality import Policy, Quality, check_policy, drop
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Efficiency", "efficiency"]

_CHANNELS = 256
_HITS = ("hits", "triggered_hits", "mc_hits")


@dataclass(frozen=True)
class Efficiency(Stage):
    """Give hits the quantum efficiency of their PMT, relative to the nominal one.

    The column ``qe`` comes from a PMT file, which calibrations with K40 make
    for each period: the light that a PMT counts is proportional to it, so one
    over it is the weight of a hit in a distribution over PMTs.  A PMT that the
    file has with an efficiency of 0 is off.

    Attributes
    ----------
    pmts : str
        PMT file (see `km3gpu.detector.PmtFile`), or a table that names one by run or time.
    off : {"error", "drop", "mark"}
        What to do with hits of PMTs that are off; a mark is a bit of the column
        ``quality``, with which a hit takes no part in triggers.
    missing : {"default", "error"}
        What to do with PMTs without a line: take the file's default (``%.QE``), or refuse.
    table : str
        ``"hits"``, ``"triggered_hits"`` or ``"mc_hits"``.
    """

    name: ClassVar[str] = "efficiency"

    pmts: str
    off: Policy = "mark"
    missing: str = "default"
    table: str = "hits"

    def __post_init__(self) -> None:
        check_policy(off=self.off)
        for key, choices in (("missing", ("default", "error")), ("table", _HITS)):
            if getattr(self, key) not in choices:
                raise ConfigError(
                    f"{key} = {getattr(self, key)!r}", remedy=f"take one of {', '.join(choices)}"
                )

    def inputs(self) -> tuple[str, ...]:
        """Give the PMT file."""
        return (resolve_path(self.pmts),)

    def reads(self, kind: str) -> Columns:
        """Give module and channel."""
        return {self.table: ("dom_id", "channel_id")}

    requires = reads

    def writes(self, kind: str) -> Columns:
        """Give the columns that are added."""
        return {self.table: ("qe", "quality") if self.off == "mark" else ("qe",)}

    def apply(self, chunk: Chunk) -> Result:
        """Add the columns."""
        hits = getattr(chunk, self.table)
        dom, channel = hits.flat("dom_id"), hits.flat("channel_id")
        where = backend.of(dom)
        xp = where.xp
        path = resolve_path(self.pmts)
        keys, values, otherwise = _sorted(path, file_digest(path), where)
        key = dom.astype(np.int64) * _CHANNELS + channel.astype(np.int64)
        row = xp.minimum(xp.searchsorted(keys, key), len(keys) - 1)
        known = keys[row] == key
        qe = xp.where(known, values[row], otherwise)
        n_missing = int(len(key) - xp.count_nonzero(known))
        if n_missing and self.missing == "error":
            first = int(xp.argmin(known))
            raise CalibrationError(
                f"{n_missing} of {len(key)} hits are of PMTs without a line, the first of module"
                f" {int(dom[first])}, channel {int(channel[first])}",
                where=path,
                remedy="take the PMT file of this detector, or let missing = 'default'",
            )
        dark = qe == 0.0
        n_off = int(xp.count_nonzero(dark))
        if n_off and self.off == "error":
            raise CalibrationError(
                f"{n_off} of {len(key)} hits are of PMTs that are off",
                where=path,
                remedy="set off = 'drop' or 'mark' to go on",
            )
        made: dict[str, Any] = {"qe": qe}
        if self.off == "mark":
            before = hits.flat("quality") if "quality" in hits else np.uint8(0)
            made["quality"] = dark * np.uint8(Quality.PMT_STATUS) | before
        counters = {"hits": float(len(key)), "off": float(n_off), "without_line": float(n_missing)}
        table = hits.with_columns(**made)
        return drop(chunk, table, ~dark if n_off and self.off == "drop" else None), counters


@functools.lru_cache(maxsize=8)
def _sorted(path: str, digest: str, where: Backend) -> tuple[Any, Any, float]:
    """Give keys of PMTs in order, their efficiencies, and that of all others."""
    file = PmtFile.open(path)
    if not len(file):
        raise FormatError("a PMT file without PMTs", where=path, remedy="take another")
    key = file.dom_id.astype(np.int64) * _CHANNELS + file.channel_id.astype(np.int64)
    order = np.argsort(key, kind="stable")
    key, qe = key[order], file.qe[order] * file.detector_qe
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        module, channel = divmod(int(key[twice[0]]), _CHANNELS)
        raise FormatError(f"module {module}, channel {channel} is there twice", where=path)
    otherwise = float(dict(file.defaults).get("QE", 1.0)) * file.detector_qe
    return where.to_device(key), where.to_device(np.ascontiguousarray(qe)), otherwise


def efficiency(chunk: Chunk, pmts: str, **options: Any) -> Chunk:
    """Give hits the quantum efficiency of their PMT (see `Efficiency`).

    Parameters
    ----------
    chunk : Chunk
    pmts : str
        PMT file.
    **options
        ``off``, ``missing``, ``table``.

    Returns
    -------
    Chunk
        Hits have ``qe``, and ``quality`` where PMTs that are off are marked.

    Raises
    ------
    CalibrationError
        Hits of PMTs that are off, or without a line, where that is an error.
    """
    return Efficiency(pmts, **options)(chunk)
