"""The names of ``thepipe.core``."""

from __future__ import annotations

from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.module import Module
from km3gpu.compat.thepipe.pipeline import Pipeline
from km3gpu.compat.thepipe.services import ServiceManager

__all__ = ["Blob", "Module", "Pipeline", "ServiceManager"]
