"""Direct light of a track or a shower at one PMT: how late, and how far off.

The formulas are those of `km3gpu.detector.cherenkov`.
"""

from __future__ import annotations

import math

from numba.extending import register_jitable

__all__ = ["from_shower", "from_track"]


@register_jitable
def from_track(
    vx: float, vy: float, vz: float, ux: float, uy: float, uz: float, per_along: float, per_across: float
) -> tuple[float, float]:
    """Give delay and distance of the Cherenkov light of a track.

    Parameters
    ----------
    vx, vy, vz : float
        From the track's position to the PMT [m].
    ux, uy, uz : float
        Unit vector that the track travels along.
    per_along, per_across : float
        Delay by metre along the track and across it [ns/m].

    Returns
    -------
    delay : float
        Of the light, after the time of the track at its position [ns].
    distance : float
        From the track [m].
    """
    along = vx * ux + vy * uy + vz * uz
    # not sqrt(V.V - L^2), which loses half the digits close to the track
    ax = vx - along * ux
    ay = vy - along * uy
    az = vz - along * uz
    distance = math.sqrt(ax * ax + ay * ay + az * az)
    return along * per_along + distance * per_across, distance


@register_jitable
def from_shower(vx: float, vy: float, vz: float, per_metre: float) -> tuple[float, float]:
    """Give delay and distance of the light of a point.

    Parameters
    ----------
    vx, vy, vz : float
        From the point to the PMT [m].
    per_metre : float
        Delay by metre [ns/m].

    Returns
    -------
    delay : float
        ns.
    distance : float
        m.
    """
    distance = math.sqrt(vx * vx + vy * vy + vz * vz)
    return distance * per_metre, distance
