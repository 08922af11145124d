"""Give snapshot hits the trigger bits of the triggered hits that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.kernels import flags as kernel
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Flag", "flag", "stored_bits"]

_KEY = ("dom_id", "channel_id", "tdc", "tot")


@dataclass(frozen=True)
class Flag(Stage):
    """Add the column ``trig`` to the hits of DAQ events.

    A DAQ file holds all hits around a trigger, and once more those that took
    part in it, with their bits.  Two hits are the same where module, channel,
    tdc and time over threshold are.  Offline hits have ``trig`` already.
    """

    name: ClassVar[str] = "flag"

    def reads(self, kind: str) -> Columns:
        """Give what identifies a hit, and the bits."""
        if kind != "daq":
            return {"hits": ("trig",)}
        return {"hits": _KEY, "triggered_hits": (*_KEY, "trig")}

    def writes(self, kind: str) -> Columns:
        """Give the column of bits."""
        return {"hits": ("trig",)}

    def apply(self, chunk: Chunk) -> Result:
        """Add the column where it is lacking."""
        trig, missed = stored_bits(chunk)
        return (
            {"hits": chunk.hits.with_columns(trig=trig)},
            {"hits": len(trig), "triggered": float((trig != 0).sum()), "missed": missed},
        )


def flag(chunk: Chunk) -> Chunk:
    """Give snapshot hits the trigger bits of the triggered hits that they are.

    Parameters
    ----------
    chunk : Chunk
        DAQ events, with ``hits`` and ``triggered_hits``.

    Returns
    -------
    Chunk
        Its hits have ``trig`` (uint64), 0 for a hit that took part in no
        trigger.  Triggered hits that are no snapshot hits are counted as missed.

    Raises
    ------
    FormatError
        There is nothing that says which hits were triggered.
    """
    return Flag()(chunk)


def stored_bits(chunk: Chunk) -> tuple[Any, int]:
    """Give the trigger bits of the hits as the file holds them, and how many found no hit.

    Raises
    ------
    FormatError
        The hits have no ``trig``, and there are no triggered hits.
    """
    hits = chunk.hits
    if "trig" in hits:
        return hits.flat("trig"), 0
    if "triggered_hits" not in chunk:
        raise FormatError(
            "nothing says which hits were triggered",
            where=repr(chunk),
            remedy="read the table 'triggered_hits' of DAQ events, or the column 'trig' of offline hits",
        )
    triggered = chunk.triggered_hits
    return kernel.transfer(
        hits.offsets,
        tuple(hits.flat(c) for c in _KEY),
        triggered.offsets,
        tuple(triggered.flat(c) for c in _KEY),
        triggered.flat("trig"),
    )
