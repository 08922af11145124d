"""Detector descriptions: DETX and DATX files as flat arrays."""

from __future__ import annotations

from km3gpu.detector.arrays import Modules, Pmts, Utm
from km3gpu.detector.detector import Detector

__all__ = ["Detector", "Modules", "Pmts", "Utm"]
