"""The detector of a stage: given as an object, or named by path and kept per process."""

from __future__ import annotations

import functools
from typing import TypeAlias

from km3gpu.chunk import file_digest
from km3gpu.detector import Detector
from km3gpu.extras import resolve_path

__all__ = ["DetectorLike", "detector_files", "detector_of"]

DetectorLike: TypeAlias = str | Detector


def detector_of(given: DetectorLike) -> Detector:
    """Give the detector itself.

    Parameters
    ----------
    given : Detector or str
        A path is read once per process, and again when the file changes.
    """
    if isinstance(given, Detector):
        return given
    path = resolve_path(given)
    return _open(path, file_digest(path))


def detector_files(given: DetectorLike | None) -> tuple[str, ...]:
    """Give the file that a stage with this detector depends on, if it was named by path."""
    return (resolve_path(given),) if isinstance(given, str) else ()


@functools.lru_cache(maxsize=8)
def _open(path: str, digest: str) -> Detector:
    return Detector.open(path)
