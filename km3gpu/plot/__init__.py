"""Pictures, in one style; the only room that imports matplotlib."""

from __future__ import annotations

import importlib
from typing import Any

from km3gpu.extras import require

require("matplotlib", "plot")  # says how to install it, before anything below needs it

from km3gpu.plot.detector import detector_map  # noqa: E402
from km3gpu.plot.detector_t0 import t0_differences  # noqa: E402
from km3gpu.plot.event_display import brightest, event_display  # noqa: E402

# loaded when they are used: those of the sky bring its kernels
_LATER = {
    "Horizon": "sky",
    "Points": "sky",
    "Region": "sky",
    "coincidence_map": "coincidences",
    "histogram_panels": "histograms",
    "rate_map": "rates",
    "shadow_map": "sky_curves",
    "sky_map": "sky",
    "tot_map": "tot",
    "visibility_curves": "sky_curves",
}

__all__ = ["brightest", "detector_map", "event_display", "t0_differences", *_LATER]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
