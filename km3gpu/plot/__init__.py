"""Pictures, in one style; the only room that imports matplotlib."""

from __future__ import annotations

from km3gpu.extras import require

require("matplotlib", "plot")  # says how to install it, before anything below needs it

from km3gpu.plot.detector import detector_map  # noqa: E402
from km3gpu.plot.detector_t0 import t0_differences  # noqa: E402
from km3gpu.plot.event_display import brightest, event_display  # noqa: E402

__all__ = ["brightest", "detector_map", "event_display", "t0_differences"]
