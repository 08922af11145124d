"""Rows of PMTs of hits, slowly: a dictionary and a loop."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["pmt_rows"]


def pmt_rows(dom_id: Any, channel_id: Any, modules: dict[int, tuple[int, int]]) -> np.ndarray:
    """Find rows; -1 for a module that is unknown, -2 for a channel that it does not have.

    Parameters
    ----------
    dom_id, channel_id : (n,) arrays
        The hits.
    modules : dict
        Module to first row and number of PMTs.
    """
    found = []
    for module, channel in zip(dom_id.tolist(), channel_id.tolist(), strict=True):
        first, n = modules.get(module, (0, -1))
        found.append(-1 if n < 0 else -2 if channel >= n else first + channel)
    return np.array(found, dtype=np.int32)
