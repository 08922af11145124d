"""The sky kernels as plain NumPy with whole rotation matrices: slow and obvious."""

from __future__ import annotations

from typing import Any

import numpy as np

DAY_NS = 86_400_000_000_000
BENDING = 1.97412574336e-8
AU_PER_LIGHT_DAY = 86_400.0 * 299_792_458.0 / 149_597_870_700.0


def _dot(a: Any, b: Any) -> Any:
    return np.sum(a * b, axis=-1, keepdims=True)


def _times(matrix: Any, vector: Any) -> Any:
    return np.einsum("...ij,...j->...i", matrix, vector)


class _State:
    """Rotation ITRS -> GCRS, velocity of the site / c and the Sun, for every time."""

    def __init__(self, time_ns: Any, table: Any, start_ns: int, site: Any) -> None:
        since = np.asarray(time_ns) - start_ns
        day = since // DAY_NS
        f = (since - day * DAY_NS) / DAY_NS
        self.valid = (day >= 0) & (day < len(table))
        row = table[np.where(self.valid, day, 0)]

        def cubic(column: int) -> Any:
            return sum(row[:, column + k] * f**k for k in range(4))

        zero, one = np.zeros(len(f)), np.ones(len(f))
        xp, yp = row[:, 4] + f * row[:, 5], row[:, 6] + f * row[:, 7]
        pole_motion = np.array([[one, zero, -xp], [zero, one, yp], [xp, -yp, one]])
        angle = cubic(0)
        c, s = np.cos(angle), np.sin(angle)
        spin = np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]])
        X, Y = cubic(8), cubic(12)
        Z = np.sqrt(1 - X**2 - Y**2)
        a = 1 / (1 + Z)
        pole = np.array([[1 - a * X**2, -a * X * Y, X], [-a * X * Y, 1 - a * Y**2, Y], [-X, -Y, Z]])
        pole_motion, spin, pole = (np.moveaxis(m, -1, 0) for m in (pole_motion, spin, pole))
        self.rotation = pole @ spin @ pole_motion
        ground = np.array([site[9], site[10], 0.0])
        self.orbit = np.column_stack([cubic(16), cubic(20), cubic(24)])
        self.velocity = self.orbit + _times(pole @ spin, ground)
        self.sun = np.column_stack([cubic(28), cubic(32), cubic(36)])
        self.distance = cubic(40)[:, None]


def local_to_vectors(
    time_ns: Any, dx: Any, dy: Any, dz: Any, table: Any, start_ns: int, site: Any, frame: Any, bending: bool
) -> Any:
    """Turn travel directions in the detector into unit vectors of where they come from, (n, 3)."""
    d = np.column_stack([dx, dy, dz]).astype(np.float64)
    state = _State(time_ns, table, start_ns, site)
    g = _times(state.rotation, _times(site[:9].reshape(3, 3), -d))
    g = _lorentz(g, -state.velocity)
    if bending:
        g = g - _deflection(g, state)
    out = _times(frame.reshape(3, 3), g)
    bad = ~state.valid | ~(np.abs(_dot(d, d)[:, 0] - 1) <= 1e-5)
    out[bad] = np.nan
    return out


def vectors_to_local(
    time_ns: Any, x: Any, y: Any, z: Any, table: Any, start_ns: int, site: Any, frame: Any, bending: bool
) -> Any:
    """Turn unit vectors on the sky into travel directions in the detector, (n, 3)."""
    v = np.column_stack([x, y, z]).astype(np.float64)
    state = _State(time_ns, table, start_ns, site)
    g = _times(frame.reshape(3, 3).T, v)
    if bending:
        g = g + _deflection(g, state)
    g = _lorentz(g, state.velocity)
    back = np.swapaxes(state.rotation, 1, 2)
    out = -_times(site[:9].reshape(3, 3).T, _times(back, g))
    bad = ~state.valid | ~(np.abs(_dot(v, v)[:, 0] - 1) <= 1e-5)
    out[bad] = np.nan
    return out


def local_to_angles(*arguments: Any) -> Any:
    """Turn travel directions into longitude and latitude of where they come from, (n, 2)."""
    return angles(local_to_vectors(*arguments))


def angles_to_local(time_ns: Any, longitude: Any, latitude: Any, *context: Any) -> Any:
    """Turn places on the sky into travel directions in the detector, (n, 3)."""
    return vectors_to_local(time_ns, *vectors(longitude, latitude).T, *context)


def body_to_local(
    time_ns: Any, body: Any, table: Any, start_ns: int, site: Any, bending: bool = False
) -> Any:
    """Give travel directions of particles from the Sun or the Moon, and its distance, (n, 4)."""
    state = _State(time_ns, table, start_ns, site)
    day = np.where(state.valid, (time_ns - start_ns) // DAY_NS, 0)
    f = (time_ns - start_ns - day * DAY_NS) / DAY_NS
    c = body[day].reshape(-1, 6, 6)
    place = sum(c[:, :, k] * f[:, None] ** k for k in range(6))
    centre, from_sun = place[:, :3], place[:, 3:]
    c = c[:, :3]
    slope = sum(k * c[:, :, k] * f[:, None] ** (k - 1) for k in range(1, 6))
    seen = centre - _times(state.rotation, site[11:14])
    late = np.linalg.norm(seen, axis=1) - np.linalg.norm(centre, axis=1)
    seen = seen - late[:, None] * (slope + state.orbit)
    distance = np.linalg.norm(seen, axis=1, keepdims=True)
    p = seen / distance
    if bending:
        sun = from_sun - seen
        au = np.linalg.norm(sun, axis=1, keepdims=True)
        e, q = sun / au, from_sun / np.linalg.norm(from_sun, axis=1, keepdims=True)
        w = BENDING / (au * AU_PER_LIGHT_DAY) / np.maximum(_dot(q, q + e), 5e-8)
        p = p + w * np.cross(p, np.cross(e, q))
    g = _lorentz(p, state.velocity)
    out = np.hstack(
        [-_times(site[:9].reshape(3, 3).T, _times(np.swapaxes(state.rotation, 1, 2), g)), distance]
    )
    out[~state.valid] = np.nan
    return out


def vectors_to_angles(x: Any, y: Any, z: Any, matrix: Any) -> Any:
    """Turn vectors by a matrix and give their angles, (n, 2)."""
    return angles(_times(matrix.reshape(3, 3), np.column_stack([x, y, z])))


def angles_to_vectors(longitude: Any, latitude: Any, matrix: Any) -> Any:
    """Give unit vectors of angles, turned by a matrix, (n, 3)."""
    return _times(matrix.reshape(3, 3), vectors(longitude, latitude))


def _lorentz(g: Any, v: Any) -> Any:
    """Direction in which an observer with velocity v / c sees the direction g."""
    w = np.sqrt(1 - _dot(v, v))
    p = _dot(g, v)
    return (w * g + (1 + p / (1 + w)) * v) / (1 + p)


def _deflection(g: Any, state: _State) -> Any:
    p = _dot(g, state.sun)
    limit = 1e-6 / np.maximum(1.0, state.distance**2)
    return BENDING / state.distance / np.maximum(1 + p, limit) * (state.sun - p * g)


def angles(v: Any) -> Any:
    """Longitude in [0, 2 pi) and latitude of vectors, (n, 2)."""
    longitude = np.arctan2(v[:, 1], v[:, 0]) % (2 * np.pi)
    return np.column_stack([longitude, np.arctan2(v[:, 2], np.hypot(v[:, 0], v[:, 1]))])


def vectors(longitude: Any, latitude: Any) -> Any:
    """Give unit vectors of longitude and latitude, (n, 3)."""
    c = np.cos(latitude)
    return np.column_stack([c * np.cos(longitude), c * np.sin(longitude), np.sin(latitude)])
