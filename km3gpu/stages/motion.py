"""The detector at the time of each event."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk, file_digest
from km3gpu.detector import Detector, Dynamics, Orientations, StringShapes
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.extras import resolve_path

__all__ = ["Motion", "static"]


@dataclass(frozen=True)
class Motion:
    """What is known about the motion of a detector, and how it is used.

    Attributes
    ----------
    orientations : str or Orientations, optional
        A ``*.orientations.root`` file.
    shapes : str or StringShapes, optional
        A file of acoustic fits.
    update : float
        Seconds that one geometry holds: events of the same multiple of it since
        1970 share the geometry of its middle, so that results do not depend on
        how a run is cut into chunks.
    outside, uncovered : str
        See `Dynamics`, there ``outside`` and ``missing``.
    """

    orientations: str | Orientations | None = None
    shapes: str | StringShapes | None = None
    update: float = 600.0
    outside: Literal["error", "nearest", "static"] = "error"
    uncovered: Literal["error", "static"] = "error"

    def __post_init__(self) -> None:
        if not self.update > 0.0:
            raise ConfigError(f"update = {self.update}", remedy="give seconds above 0")
        if self.outside not in ("error", "nearest", "static"):
            raise ConfigError(f"outside = {self.outside!r}", remedy="take 'error', 'nearest' or 'static'")
        if self.uncovered not in ("error", "static"):
            raise ConfigError(f"uncovered = {self.uncovered!r}", remedy="take 'error' or 'static'")

    @property
    def any(self) -> bool:
        """There is something to move the detector by."""
        return self.orientations is not None or self.shapes is not None

    def files(self) -> tuple[str, ...]:
        """Give the files that are named by path."""
        return tuple(resolve_path(f) for f in (self.orientations, self.shapes) if isinstance(f, str))

    def digests(self) -> dict[str, str]:
        """Give what identifies the measurements, by name."""
        given = {"orientations": self.orientations, "shapes": self.shapes}
        return {
            name: file_digest(resolve_path(g)) if isinstance(g, str) else g.digest
            for name, g in given.items()
            if g is not None
        }

    def detectors(self, detector: Detector, chunk: Chunk) -> Iterator[tuple[Detector, Any]]:
        """Give the geometries that a chunk needs.

        Parameters
        ----------
        detector : Detector
            The static description.
        chunk : Chunk
            Its events have ``time_ns``.

        Yields
        ------
        detector : Detector
            Modules and PMTs in the order of the static one.
        events : (n_events,) bool array
            Events that it is for, on the host.

        Raises
        ------
        CalibrationError
            The events have no times, or there are no measurements for them.
        """
        if "events" not in chunk or "time_ns" not in chunk.events:
            raise CalibrationError(
                "a moving detector needs the times of the events",
                where=repr(chunk),
                remedy="read the column events/time_ns",
            )
        ns = backend.Backend.to_host(chunk.events.flat("time_ns"))
        period = np.floor(ns / (self.update * 1e9)).astype(np.int64)
        dynamics = _dynamics(
            detector, _opened(Orientations, self.orientations), _opened(StringShapes, self.shapes),
            self.outside, self.uncovered,
        )  # fmt: skip
        for p in np.unique(period):
            yield _at(dynamics, (float(p) + 0.5) * self.update), period == p


def static(detector: Detector, n_events: int) -> Iterator[tuple[Detector, Any]]:
    """Give the one geometry of a detector that does not move, as `Motion.detectors` does."""
    yield detector, np.ones(n_events, dtype=bool)


def _opened(kind: Any, given: Any) -> Any:
    if not isinstance(given, str):
        return given
    path = resolve_path(given)
    return _open(kind, path, file_digest(path))


@functools.lru_cache(maxsize=8)
def _open(kind: Any, path: str, digest: str) -> Any:
    return kind.open(path)


@functools.lru_cache(maxsize=8)
def _dynamics(detector: Detector, orientations: Any, shapes: Any, outside: Any, uncovered: Any) -> Dynamics:
    return Dynamics(detector, orientations, shapes, outside=outside, missing=uncovered)


@functools.lru_cache(maxsize=8)
def _at(dynamics: Dynamics, time: float) -> Detector:
    return dynamics.at(time)
