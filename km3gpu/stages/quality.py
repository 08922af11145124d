"""What does not fit: why a hit is not to be trusted, and what happens to it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import IntFlag
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.detector import Detector, ModuleStatus, PmtStatus
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.kernels import rows, segments
from km3gpu.table import Table

__all__ = ["Policy", "Quality", "check_policy", "drop", "judge", "of_status", "verdict"]

Policy: TypeAlias = Literal["error", "drop", "mark"]

_LONGEST_TOT = 255


class Quality(IntFlag):
    """Why a hit is not to be trusted, as bits of its column ``quality``; 0 is a good hit."""

    NO_MODULE = 1 << 0
    """Its module is not in the detector description."""
    NO_CHANNEL = 1 << 1
    """Its module has no such channel."""
    LONG_TOT = 1 << 2
    """Its time over threshold is above 255 ns, which no PMT board can send."""
    PMT_STATUS = 1 << 3
    """The detector description says that its PMT is off or out of sync."""
    MODULE_STATUS = 1 << 4
    """The detector description says that its module is off or out of sync."""
    HIGH_RATE_VETO = 1 << 5
    """Its PMT was above the limit of the rate in that frame."""
    FIFO_FULL = 1 << 6
    """The buffer of its PMT ran full in that frame."""
    INCOMPLETE = 1 << 7
    """Packets of its module's frame were lost on the way to shore."""


UNKNOWN = Quality.NO_MODULE | Quality.NO_CHANNEL
STATUS = Quality.PMT_STATUS | Quality.MODULE_STATUS

_KINDS = {
    "unknown": UNKNOWN,
    "long_tot": Quality.LONG_TOT,
    "status": STATUS,
    "high_rate_veto": Quality.HIGH_RATE_VETO,
    "fifo": Quality.FIFO_FULL,
    "udp": Quality.INCOMPLETE,
}
_WORDS = {
    "unknown": "have no PMT in the detector description",
    "long_tot": f"have a time over threshold above {_LONGEST_TOT} ns",
    "status": "are of PMTs or modules that the detector description says are off",
    "high_rate_veto": "are of PMTs with the high-rate veto",
    "fifo": "are of PMTs whose buffer ran full",
    "udp": "are of frames of which packets were lost",
}


def check_policy(**policies: str) -> None:
    """Raise where a policy is none of ``"error"``, ``"drop"`` and ``"mark"``."""
    for name, policy in policies.items():
        if policy not in get_args(Policy):
            raise ConfigError(f"{name} = {policy!r}", remedy="take 'error', 'drop' or 'mark'")


@functools.lru_cache(maxsize=32)
def of_status(detector: Detector, where: backend.Backend) -> Any | None:
    """Give the bits of each PMT by its status and its module's, (m,) uint8; None where all are 0."""
    pmt = np.bitwise_and(detector.pmts.status, PmtStatus.DISABLE | PmtStatus.OUT_OF_SYNC) != 0
    off = ModuleStatus.DISABLE | ModuleStatus.OUT_OF_SYNC
    module = np.repeat(np.bitwise_and(detector.modules.status, off) != 0, detector.modules.n_pmts)
    bits = (pmt * int(Quality.PMT_STATUS) + module * int(Quality.MODULE_STATUS)).astype(np.uint8)
    return where.to_device(bits) if bits.any() else None


def judge(detector: Detector, row: Any, tot: Any | None) -> Any:
    """Give the bits of `Quality` of each hit.

    Parameters
    ----------
    detector : Detector
        Its status bits count.
    row : (n,) int32 array
        Row of the PMT of each hit, as `km3gpu.kernels.rows` gives it.
    tot : (n,) int array or None
        Time over threshold [ns]; None where there is none.

    Returns
    -------
    (n,) uint8 array
    """
    xp = backend.namespace(row)
    quality = (row == rows.NO_MODULE) * np.uint8(Quality.NO_MODULE)
    quality |= (row == rows.NO_CHANNEL) * np.uint8(Quality.NO_CHANNEL)
    if tot is not None and tot.dtype.itemsize > 1:
        quality |= (tot > _LONGEST_TOT) * np.uint8(Quality.LONG_TOT)
    bits = of_status(detector, backend.of(row))
    if bits is not None:
        quality |= xp.where(row >= 0, bits[xp.maximum(row, 0)], np.uint8(0))
    return quality


def verdict(quality: Any, policies: Mapping[str, str], where: str) -> tuple[dict[str, float], Any | None]:
    """Count what does not fit, and apply the policies.

    Parameters
    ----------
    quality : (n,) uint8 array
        From `judge`.
    policies : mapping of str to str
        ``unknown``, ``long_tot``, ``status``, ``high_rate_veto``, ``fifo`` or
        ``udp`` to ``"error"``, ``"drop"`` or ``"mark"``.
    where : str
        The hits, for messages.

    Returns
    -------
    counts : dict of str to float
        Hits of each kind.
    keep : (n,) bool array or None
        Hits to keep; None for all.

    Raises
    ------
    CalibrationError
        There are hits of a kind whose policy is ``"error"``.
    """
    counts: dict[str, float] = {}
    dropped = 0
    for kind, policy in policies.items():
        bits = int(_KINDS[kind])
        n = int(backend.namespace(quality).count_nonzero(quality & bits))
        counts[kind] = float(n)
        if n and policy == "error":
            raise CalibrationError(
                f"{n} of {len(quality)} hits {_WORDS[kind]}",
                where=where,
                remedy=f"set {kind} = 'drop' or 'mark' to go on",
            )
        if n and policy == "drop":
            dropped |= bits
    return counts, (quality & dropped) == 0 if dropped else None


def drop(chunk: Chunk, table: Table, keep: Any | None) -> dict[str, Table]:
    """Keep some hits, and let the frames of timeslices count those.

    Parameters
    ----------
    chunk : Chunk
        That the table is of, or is made from.
    table : Table
        Hits.
    keep : (n,) bool array or None
        Hits to keep; None for all.

    Returns
    -------
    dict of str to Table
        The table, and ``frames`` where they say which hits are theirs.
    """
    if keep is None:
        return {table.name: table}
    tables = {table.name: table.filter(keep)}
    frames = chunk.tables.get("frames")
    if table.name == "hits" and frames is not None and "n_hits" in frames:
        n = segments.total(segments.counts_to_offsets(frames.flat("n_hits")), keep)
        tables["frames"] = frames.with_columns(n_hits=n.astype(frames.flat("n_hits").dtype))
    return tables
