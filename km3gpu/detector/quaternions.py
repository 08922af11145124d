"""Rotations as unit quaternions (q0, qx, qy, qz), many at once.

A quaternion ``q`` turns a vector ``v`` into ``q v conj(q)``; ``product(p, q)``
turns first by ``q``, then by ``p``.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "about_axis",
    "angle",
    "compass",
    "conjugate",
    "from_vectors",
    "normalised",
    "product",
    "rotate",
    "slerp",
]

_NEARLY_EQUAL = 0.9995  # cosine beyond which an arc is as good as its chord


def product(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Multiply quaternions (Hamilton's product), (..., 4) each."""
    a0, a1, a2, a3 = np.moveaxis(np.asarray(p), -1, 0)
    b0, b1, b2, b3 = np.moveaxis(np.asarray(q), -1, 0)
    return np.stack(
        (
            a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3,
            a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2,
            a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1,
            a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0,
        ),
        axis=-1,
    )


def conjugate(q: np.ndarray) -> np.ndarray:
    """Give the opposite rotations of unit quaternions (..., 4)."""
    return np.asarray(q * np.array([1.0, -1.0, -1.0, -1.0]))


def normalised(q: np.ndarray) -> np.ndarray:
    """Scale quaternions (..., 4) to length 1."""
    return np.asarray(q / np.linalg.norm(q, axis=-1, keepdims=True))


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Turn vectors (..., 3) by unit quaternions (..., 4)."""
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * np.cross(u, v)
    return np.asarray(v + w * t + np.cross(u, t))


def about_axis(axis: np.ndarray, angle: float | np.ndarray) -> np.ndarray:
    """Give the rotation by `angle` [rad] about `axis` (..., 3), right-handed."""
    unit = np.asarray(axis, dtype=np.float64)
    unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    half = 0.5 * np.asarray(angle, dtype=np.float64)[..., None]
    vector = np.sin(half) * unit
    return np.concatenate((np.broadcast_to(np.cos(half), (*vector.shape[:-1], 1)), vector), axis=-1)


def angle(q: np.ndarray) -> np.ndarray:
    """Give the angles [rad], 0 to pi, that unit quaternions (..., 4) turn by."""
    return np.asarray(2.0 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), np.abs(q[..., 0])))


def slerp(a: np.ndarray, b: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Interpolate on the shortest arc from `a` to `b`.

    ``q`` and ``-q`` are the same rotation, so `b` is taken with the sign that is
    closer to `a`.  Where the two nearly agree (cosine above 0.9995) the chord
    stands for the arc, whose formula divides by a sine that vanishes there.

    Parameters
    ----------
    a, b : (n, 4) float64 arrays
        Unit quaternions.
    fraction : (n,) float64 array
        0 gives `a`, 1 gives `b` (or ``-b``).

    Returns
    -------
    (n, 4) float64 array
        Unit quaternions.

    Notes
    -----
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    """
    dot = (a * b).sum(axis=-1)
    b = np.where(dot[..., None] < 0.0, -b, b)
    dot = np.minimum(np.abs(dot), 1.0)
    theta = np.arccos(dot)
    near = dot > _NEARLY_EQUAL
    sine = np.where(near, 1.0, np.sin(theta))
    wa = np.where(near, 1.0 - fraction, np.sin((1.0 - fraction) * theta) / sine)
    wb = np.where(near, fraction, np.sin(fraction * theta) / sine)
    return normalised(wa[..., None] * a + wb[..., None] * b)


def from_vectors(reference: np.ndarray, rotated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the rotations that take `reference` closest to `rotated`.

    Davenport's solution of Wahba's problem: the eigenvector of the largest
    eigenvalue of a symmetric 4 x 4 matrix is the quaternion that minimises the
    sum of squared distances (P. Davenport, NASA TN D-4696, 1968).

    Parameters
    ----------
    reference : (..., k, 3) float64 array
        Unit vectors.
    rotated : (..., k, 3) float64 array
        The same ones, turned.

    Returns
    -------
    quaternion : (..., 4) float64 array
        With ``q0 >= 0``.
    residual : (...,) float64 array
        Largest angle [rad] between a turned reference and its counterpart.
    """
    b = np.einsum("...ki,...kj->...ij", rotated, reference)
    trace = np.trace(b, axis1=-2, axis2=-1)
    skew = np.stack(
        (b[..., 2, 1] - b[..., 1, 2], b[..., 0, 2] - b[..., 2, 0], b[..., 1, 0] - b[..., 0, 1]), axis=-1
    )
    matrix = np.empty((*b.shape[:-2], 4, 4))
    matrix[..., 0, 0] = trace
    matrix[..., 0, 1:] = matrix[..., 1:, 0] = skew
    matrix[..., 1:, 1:] = b + np.swapaxes(b, -1, -2) - trace[..., None, None] * np.eye(3)
    q = np.linalg.eigh(matrix)[1][..., -1]
    q = np.where(q[..., :1] < 0.0, -q, q)
    turned = rotate(q[..., None, :], reference)
    residual = np.arctan2(
        np.linalg.norm(np.cross(turned, rotated), axis=-1), (turned * rotated).sum(axis=-1)
    ).max(axis=-1)
    return q, residual


def compass(q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give yaw, pitch and roll as KM3NeT's compasses count them.

    Parameters
    ----------
    q : (..., 4) float64 array
        Unit quaternions.

    Returns
    -------
    yaw, pitch, roll : (...,) float64 arrays
        rad.  Yaw and roll have the sign of Jpp's ``JCompass`` and of KM3io.jl:
        yaw grows clockwise seen from above, opposite to the right-handed
        angles of the usual aerospace sequence.
    """
    q0, qx, qy, qz = np.moveaxis(np.asarray(q), -1, 0)
    yaw = -np.arctan2(2.0 * (q0 * qz + qx * qy), 1.0 - 2.0 * (qy * qy + qz * qz))
    pitch = np.arcsin(np.clip(2.0 * (q0 * qy - qz * qx), -1.0, 1.0))
    roll = -np.arctan2(2.0 * (q0 * qx + qy * qz), 1.0 - 2.0 * (qx * qx + qy * qy))
    return yaw, pitch, roll
