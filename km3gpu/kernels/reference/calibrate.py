"""Calibration of hits, slowly: a dictionary and a loop."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["hits", "pmt_hits"]


def hits(
    dom_id: Any, channel_id: Any, tdc: Any, tot: Any, pmts: dict[tuple[int, int], Any], slewing: Any
) -> dict[str, Any]:
    """Calibrate hits; a hit without a PMT gets NaN.

    Parameters
    ----------
    dom_id, channel_id, tdc, tot : (n,) arrays
        The hits.
    pmts : dict
        (module, channel) to seven values: t0, position, axis.
    slewing : (m,) array
        ns to take off by time over threshold.
    """
    columns = np.full((7, len(dom_id)), np.nan)
    for i in range(len(dom_id)):
        row = pmts.get((int(dom_id[i]), int(channel_id[i])))
        if row is not None:
            slew = slewing[min(int(tot[i]), len(slewing) - 1)]
            columns[0, i] = float(tdc[i]) + row[0] - slew
            columns[1:, i] = row[1:]
    return dict(zip(("t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z"), columns, strict=True))


def pmt_hits(pmt_id: Any, pmts: dict[int, Any]) -> dict[str, Any]:
    """Place hits by PMT; one without a PMT gets NaN."""
    columns = np.full((6, len(pmt_id)), np.nan)
    for i in range(len(pmt_id)):
        row = pmts.get(int(pmt_id[i]))
        if row is not None:
            columns[:, i] = row[1:]
    return dict(zip(("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z"), columns, strict=True))
