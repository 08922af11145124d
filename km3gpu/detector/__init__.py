"""Detector descriptions and what goes with them, as flat arrays."""

from __future__ import annotations

from km3gpu.detector.arrays import Modules, Pmts, Utm
from km3gpu.detector.detector import Detector
from km3gpu.detector.dynamics import Dynamics
from km3gpu.detector.instruments import Hydrophones, Mechanics, Transmitters, Tripods, Waveforms
from km3gpu.detector.orientations import Orientations
from km3gpu.detector.pmt_file import PmtFile
from km3gpu.detector.status import ModuleStatus, PmtStatus
from km3gpu.detector.strings import StringShapes
from km3gpu.detector.water import Water

__all__ = [
    "Detector",
    "Dynamics",
    "Hydrophones",
    "Mechanics",
    "ModuleStatus",
    "Modules",
    "Orientations",
    "PmtFile",
    "PmtStatus",
    "Pmts",
    "StringShapes",
    "Transmitters",
    "Tripods",
    "Utm",
    "Water",
    "Waveforms",
]
