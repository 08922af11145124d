"""Jpp's time slewing of a PMT by time over threshold.

A small pulse crosses the threshold later than a large one.  Jpp takes the delay
off with a table of one entry per ns of time over threshold.  The values are
those that Jpp applied to shipped simulated files: `t` as stored there is
``tdc + t0 - SLEWING[tot]`` to 1e-8 ns (``tests/kernels/test_calibrate.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SLEWING"]

# hundredths of ns for a time over threshold of 0, 1, ... 200 ns
_HUNDREDTHS = (
    801, 752, 705, 659, 615, 574, 533, 495, 458, 422, 389, 356, 325, 295, 266, 239, 212, 187, 163,
    140, 119, 98, 78, 60, 41, 24, 7, -10, -27, -43, -59, -75, -91, -108, -124, -141, -156, -171,
    -185, -198, -211, -223, -235, -247, -258, -269, -279, -289, -299, -309, -319, -328, -337, -346,
    -355, -364, -372, -380, -388, -396, -404, -412, -420, -427, -435, -442, -449, -456, -463, -470,
    -477, -484, -490, -497, -503, -510, -516, -522, -528, -534, -540, -546, -552, -558, -563, -569,
    -574, -580, -585, -591, -596, -601, -606, -611, -616, -621, -626, -631, -636, -641, -645, -650,
    -655, -659, -664, -668, -672, -677, -681, -685, -689, -693, -698, -702, -706, -709, -713, -717,
    -721, -725, -728, -732, -736, -739, -743, -746, -750, -753, -757, -760, -763, -766, -770, -773,
    -776, -779, -782, -785, -788, -791, -794, -797, -799, -802, -805, -807, -810, -813, -815, -818,
    -820, -823, -825, -828, -830, -832, -834, -837, -839, -841, -843, -845, -847, -849, -851, -853,
    -855, -857, -859, -861, -862, -864, -866, -867, -869, -870, -872, -874, -875, -876, -878, -879,
    -881, -882, -883, -884, -886, -887, -888, -889, -890, -892, -893, -894, -895, -896, -897, -898,
    -900, -901, -902,
)  # fmt: skip
_LAST = -904  # 201 ns and above


def _table() -> Any:
    table = np.full(256, _LAST, dtype=np.float64)
    table[: len(_HUNDREDTHS)] = _HUNDREDTHS
    table /= 100.0
    table.flags.writeable = False
    return table


SLEWING = _table()
"""(256,) float64 ns, read-only: what to take off a hit's time, by time over threshold."""
