"""Say which pixel of a HEALPix map each event comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from km3gpu.astro import healpix as maps
from km3gpu.astro import turned
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError
from km3gpu.kernels.healpix import n_pixels
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Healpix", "Order", "healpix", "positions"]

Order = Literal["nested", "ring"]


@dataclass(frozen=True)
class Healpix(Stage):
    """Add the column ``healpix`` to located events.

    A map of all chunks is the number of rows of each pixel: ``km3gpu sky map`` counts
    them, and so does ``numpy.bincount``.

    Attributes
    ----------
    nside : int
        The map has 12 nside^2 pixels.
    order : {"nested", "ring"}
        How pixels are numbered.
    frame : {"icrs", "galactic"}
        Axes of the map.
    """

    name: ClassVar[str] = "healpix"

    nside: int = 64
    order: Order = "nested"
    frame: str = "icrs"

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise ConfigError(f"no pixel order {self.order!r}", remedy="take 'nested' or 'ring'")
        if not isinstance(self.nside, int) or isinstance(self.nside, bool):
            raise ConfigError(f"nside = {self.nside!r} is no whole number")
        n_pixels(self.nside, self.order == "nested")
        turned((0.0, 0.0), self.frame)

    def reads(self, kind: str) -> Columns:
        """Give the position, which `Locate` makes."""
        return {"events": ("ra", "dec")}

    def writes(self, kind: str) -> Columns:
        """Give the pixel."""
        return {"events": ("healpix",)}

    def apply(self, chunk: Chunk) -> Result:
        """Add the pixel of each event, -1 where it has no position."""
        events = chunk.events
        longitude, latitude = turned(positions(chunk), self.frame)
        pixel = maps.pixels(longitude, latitude, self.nside, nested=self.order == "nested", invalid="nan")
        inside = float((pixel >= 0).sum())
        return {"events": events.with_columns(healpix=pixel)}, {"events": len(events), "in_map": inside}


def healpix(chunk: Chunk, nside: int = 64, order: Order = "nested", frame: str = "icrs") -> Chunk:
    """Say which pixel of a HEALPix map each event comes from.

    Parameters
    ----------
    chunk : Chunk
        After `locate`.
    nside, order, frame
        As for `Healpix`.

    Returns
    -------
    Chunk
        Its events have ``healpix`` (int64), -1 where an event has no position.

    Raises
    ------
    FormatError
        The events have no ``ra`` and ``dec``.
    """
    return Healpix(nside, order, frame)(chunk)


def positions(chunk: Chunk) -> tuple[Any, Any]:
    """Give right ascension and declination of the events [rad].

    Raises
    ------
    FormatError
        They have none.
    """
    events = chunk.events
    if "ra" not in events or "dec" not in events:
        raise FormatError(
            "the events have no position on the sky",
            where=repr(chunk),
            remedy="put the stage 'locate' before (DAQ events have no tracks to locate)",
        )
    return events.flat("ra"), events.flat("dec")
