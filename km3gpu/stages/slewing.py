"""Slewing corrections by name."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from km3gpu.errors import ConfigError, UnknownNameError
from km3gpu.kernels.slewing import SLEWING

__all__ = ["Slewing", "slewing_table"]

Slewing: TypeAlias = Literal["table", "parametric1", "parametric2", "none"]

_TOT = np.arange(256.0)
# p0 exp(p1 sqrt(tot) + p2 tot) + p3, the two older parametrisations that km3pipe
# knows as its variants 1 and 2
_PARAMETERS = {
    "parametric1": (7.70824, 0.00879447, -0.0621101, -1.90226),
    "parametric2": (13.6488662517, -0.128744123166, -0.0174837749244, -4.47119633965),
}


def slewing_table(name: str) -> Any | None:
    """Give what to take off the time of a hit, by its time over threshold.

    Parameters
    ----------
    name : str
        ``"table"``: Jpp's, which alone reproduces Jpp's times; ``"parametric1"``
        and ``"parametric2"``: formulas of earlier years, within a few ns of it;
        ``"none"``.

    Returns
    -------
    (256,) float64 array or None
        ns, for times over threshold of 0 to 255 ns; longer ones take the last.

    Raises
    ------
    ConfigError
        There is no such correction.
    """
    if name == "table":
        return SLEWING
    if name == "none":
        return None
    if name not in _PARAMETERS:
        known = ("table", *_PARAMETERS, "none")
        raise ConfigError(str(UnknownNameError.of("slewing", name, known)))
    p0, p1, p2, p3 = _PARAMETERS[name]
    return p0 * np.exp(p1 * np.sqrt(_TOT) + p2 * _TOT) + p3
