"""DAQ records to calibrated hits, slowly: one reference after the other."""

from __future__ import annotations

from typing import Any

from km3gpu.kernels.reference import calibrate, decode

__all__ = ["snapshot_hits", "triggered_hits"]


def snapshot_hits(raw: Any, byte_offsets: Any, pmts: Any, slewing: Any) -> tuple[list[int], dict[str, Any]]:
    """Decode 10 byte hits, then calibrate them."""
    return _calibrated(*decode.snapshot_hits(raw, byte_offsets), pmts, slewing)


def triggered_hits(raw: Any, byte_offsets: Any, pmts: Any, slewing: Any) -> tuple[list[int], dict[str, Any]]:
    """Decode 24 byte hits, then calibrate them."""
    return _calibrated(*decode.triggered_hits(raw, byte_offsets), pmts, slewing)


def _calibrated(
    offsets: list[int], stored: dict[str, Any], pmts: Any, slewing: Any
) -> tuple[list[int], dict[str, Any]]:
    columns = calibrate.hits(
        stored["dom_id"], stored["channel_id"], stored["tdc"], stored["tot"], pmts, slewing
    )
    return offsets, {**stored, **columns}
