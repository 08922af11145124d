"""The names of ``thepipe.core``."""

from __future__ import annotations

from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.configuration import DEFAULT as MODULE_CONFIGURATION
from km3gpu.compat.thepipe.logger import get_logger, get_printer
from km3gpu.compat.thepipe.module import RESERVED as RESERVED_ARGS
from km3gpu.compat.thepipe.module import Module
from km3gpu.compat.thepipe.pipeline import Pipeline
from km3gpu.compat.thepipe.provenance import Provenance
from km3gpu.compat.thepipe.services import ServiceManager
from km3gpu.compat.thepipe.timing import STATS_LIMIT
from km3gpu.compat.thepipe.tools import Timer, ignored, peak_memory_usage

__all__ = [
    "MODULE_CONFIGURATION",
    "RESERVED_ARGS",
    "STATS_LIMIT",
    "Blob",
    "Module",
    "Pipeline",
    "Provenance",
    "ServiceManager",
    "Timer",
    "get_logger",
    "get_printer",
    "ignored",
    "peak_memory_usage",
]
