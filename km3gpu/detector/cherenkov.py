"""Light from a track or a shower at a PMT: when, how far, from where.

The functions work on numpy and cupy arrays alike, elementwise and with
broadcasting: one track and many hits, or a track for every hit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from km3gpu import backend
from km3gpu.detector.water import KM3NET, C, Water

__all__ = ["Photons", "from_shower", "from_track"]


class Photons(NamedTuple):
    """Unscattered light of one hypothesis at n PMTs.

    Attributes
    ----------
    t : (n,) float64 array
        Time of arrival [ns].
    d_photon : (n,) float64 array
        Path of the light [m].
    d_track : (n,) float64 array
        Where the light was emitted, along the track from its position [m];
        negative before it.  0 for a shower.
    d_closest : (n,) float64 array
        Distance from the track, or from the shower [m].
    dir : (n, 3) float64 array
        Direction that the light travels to; NaN where the PMT lies on the track.
    cos_incidence : (n,) float64 array or None
        Cosine between that direction and the axis of the PMT; -1 where light
        falls straight on its face.  None without axes.
    cos_emission : (n,) float64 array
        Cosine between that direction and the track or shower.
    """

    t: Any
    d_photon: Any
    d_track: Any
    d_closest: Any
    dir: Any
    cos_incidence: Any
    cos_emission: Any

    def residual(self, t: Any) -> Any:
        """Give how much later than this light hits at times `t` [ns] came [ns]."""
        return t - self.t


def from_track(
    pos: Any, direction: Any, t: Any, pmt_pos: Any, pmt_dir: Any | None = None, *, water: Water = KM3NET
) -> Photons:
    """Give the Cherenkov light of a track that moves at the speed of light.

    With the vector V from the track's position to the PMT, ``L = V . d`` along the
    track and ``R`` the distance from it, the light leaves the track at ``L - R /
    tan(theta)``, travels ``R / sin(theta)`` and comes at ``t + (L - R / tan(theta))
    / c + R / (sin(theta) v_group)``.

    Parameters
    ----------
    pos : (3,) or (n, 3) array
        Position of the track at time `t` [m].
    direction : (3,) or (n, 3) array
        Unit vector that it travels along.
    t : float or (n,) array
        ns.
    pmt_pos : (n, 3) array
        Positions of PMTs [m].
    pmt_dir : (n, 3) array, optional
        Their axes, outward, unit vectors.
    water : Water
        Indices of refraction.

    Returns
    -------
    Photons
        The track is taken as endless: `d_track` may lie before its start.
    """
    xp = backend.namespace(pmt_pos)
    v = pmt_pos - xp.asarray(pos)
    d = xp.asarray(direction)
    along = (v * d).sum(axis=-1)
    # not sqrt(V.V - L^2), which loses half the digits close to the track
    across = v - along[..., None] * d
    closest = xp.sqrt((across * across).sum(axis=-1))
    d_photon = closest / water.sin_cherenkov
    d_track = along - closest / water.tan_cherenkov
    arrival = xp.asarray(t) + d_track / C + d_photon / water.speed
    way = v - d_track[..., None] * d
    return _photons(xp, arrival, d_photon, d_track, closest, way, d, pmt_dir)


def from_shower(
    pos: Any, direction: Any, t: Any, pmt_pos: Any, pmt_dir: Any | None = None, *, water: Water = KM3NET
) -> Photons:
    """Give the light of a shower, which is taken as a point.

    Light leaves `pos` at `t` in all directions and travels straight at the group
    velocity.

    Parameters
    ----------
    pos : (3,) or (n, 3) array
        Position of the shower [m].
    direction : (3,) or (n, 3) array
        Unit vector of its axis, for `Photons.cos_emission`.
    t : float or (n,) array
        ns.
    pmt_pos, pmt_dir : (n, 3) arrays
        Positions [m] and axes of PMTs; axes may be left out.
    water : Water
        Indices of refraction.

    Returns
    -------
    Photons
    """
    xp = backend.namespace(pmt_pos)
    way = pmt_pos - xp.asarray(pos)
    distance = xp.sqrt((way * way).sum(axis=-1))
    arrival = xp.asarray(t) + distance / water.speed
    return _photons(
        xp, arrival, distance, xp.zeros_like(distance), distance, way, xp.asarray(direction), pmt_dir
    )


def _photons(
    xp: Any, t: Any, d_photon: Any, d_track: Any, d_closest: Any, way: Any, axis: Any, pmt_dir: Any | None
) -> Photons:
    length = xp.sqrt((way * way).sum(axis=-1))
    unit = way / xp.where(length > 0.0, length, xp.nan)[..., None]
    return Photons(
        t=t,
        d_photon=d_photon,
        d_track=d_track,
        d_closest=d_closest,
        dir=unit,
        cos_incidence=None if pmt_dir is None else (unit * xp.asarray(pmt_dir)).sum(axis=-1),
        cos_emission=(unit * axis).sum(axis=-1),
    )
