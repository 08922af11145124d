"""km3io's angles and lengths of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "angle",
    "angle_between",
    "azimuth",
    "magnitude",
    "phi",
    "phi_separg",
    "theta",
    "theta_separg",
    "unit_vector",
    "zenith",
]


def magnitude(v: Any) -> Any:
    """Give the length of a vector, or of each of several."""
    return np.linalg.norm(v, axis=-1)


def unit_vector(vector: Any) -> np.ndarray:
    """Give a vector (or several) of length 1."""
    v = np.asarray(vector, float)
    return np.asarray(v / np.linalg.norm(v, axis=-1, keepdims=True))


def angle(v1: Any, v2: Any, normalized: bool = False) -> Any:
    """Give the angle [rad] between vectors, one by one."""
    v1, v2 = np.asarray(v1, float), np.asarray(v2, float)
    cosines = np.sum(v1 * v2, axis=-1)
    if not normalized:
        cosines = cosines / magnitude(v1) / magnitude(v2)
    return np.arccos(np.clip(cosines, -1.0, 1.0))


def angle_between(v1: Any, v2: Any, axis: int = 0) -> Any:
    """Give the angle [rad] of `v1` to each of `v2`, or (``axis=1``) one by one."""
    if axis == 0:
        return np.arccos(np.clip(np.inner(unit_vector(v1), unit_vector(v2)), -1, 1))
    if axis == 1:
        return angle(v1, v2)
    raise ValueError("unsupported axis")


def theta(v: Any) -> Any:
    """Give the polar angle [rad] of a direction of travel: up-going is 0."""
    return theta_separg(np.atleast_2d(v)[:, 2])


def theta_separg(dir_z: Any) -> Any:
    """Give the polar angle [rad] by the z component."""
    return np.arccos(dir_z)


def phi(v: Any) -> Any:
    """Give the azimuthal angle [rad] of a direction of travel, 0 to 2 pi."""
    v = np.atleast_2d(v)
    return phi_separg(v[:, 0], v[:, 1])


def phi_separg(dir_x: Any, dir_y: Any) -> Any:
    """Give the azimuthal angle [rad] by the x and y components."""
    angles = np.arctan2(dir_y, dir_x)
    return np.where(angles < 0, angles + 2 * np.pi, angles)


def zenith(v: Any) -> Any:
    """Give the angle [rad] of where a direction comes from: down-going is 0."""
    return angle_between((0, 0, -1), v)


def azimuth(v: Any) -> Any:
    """Give the azimuth [rad] of where a direction comes from, 0 to 2 pi."""
    angles = phi(v) - np.pi
    angles = np.where(angles < 0, angles + 2 * np.pi, angles)
    return angles[0] if len(angles) == 1 else angles
