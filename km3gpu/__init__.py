"""km3gpu: KM3NeT data as calibrated, clustered, sky-located columns.

Public names are loaded when they are first used, so ``import km3gpu`` costs
next to nothing and imports no cupy, dask, astropy, matplotlib or torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from km3gpu._version import __version__

_NAMES = {
    "Chunk": "km3gpu.chunk",
    "Detector": "km3gpu.detector",
    "Table": "km3gpu.table",
    "best_track": "km3gpu.stages",
    "build_events": "km3gpu.stages",
    "calibrate": "km3gpu.stages",
    "causality": "km3gpu.stages",
    "clean": "km3gpu.stages",
    "coincidences": "km3gpu.stages",
    "date": "km3gpu.stages",
    "flag": "km3gpu.stages",
    "healpix": "km3gpu.stages",
    "isolated": "km3gpu.stages",
    "light_select": "km3gpu.stages",
    "locate": "km3gpu.stages",
    "open": "km3gpu.io",
    "read_histograms": "km3gpu.io.histogram_sink",
    "run": "km3gpu.pipeline",
    "sky_select": "km3gpu.stages",
    "summarise": "km3gpu.stages",
    "triggers": "km3gpu.stages",
    "truth": "km3gpu.stages",
    "veto": "km3gpu.stages",
}
_ROOMS = (
    "astro",
    "backend",
    "detector",
    "errors",
    "io",
    "kernels",
    "pipeline",
    "plot",
    "schema",
    "stages",
    "trigger",
)

__all__ = ["__version__", *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"km3gpu.{name}")
    else:
        raise AttributeError(f"module 'km3gpu' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES, *_ROOMS})
