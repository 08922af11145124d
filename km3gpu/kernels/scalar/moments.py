"""Eigenvalues of a symmetric 3 x 3 matrix, by Jacobi rotations."""

from __future__ import annotations

import math

from numba.extending import register_jitable

__all__ = ["SWEEPS", "principal", "rotation"]

# the elements off the diagonal shrink quadratically; after six sweeps they are below rounding
SWEEPS = 8


@register_jitable
def rotation(p: float, q: float, off: float) -> tuple[float, float, float]:
    """Give sine and cosine of the rotation that takes `off` out of a matrix, and its tangent.

    `p` and `q` are the elements on the diagonal (Golub and Van Loan, Matrix
    Computations, section 8.5).
    """
    if abs(off) < 1e-150:  # its square would vanish
        return 0.0, 1.0, 0.0
    apart = q - p
    root = math.sqrt(apart * apart + 4.0 * off * off)
    # the smaller of two angles; no difference of like numbers
    tangent = 2.0 * off / (apart + root if apart >= 0.0 else apart - root)
    cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
    return tangent * cosine, cosine, tangent


@register_jitable
def principal(xx: float, xy: float, xz: float, yy: float, yz: float, zz: float) -> tuple[float, float, float]:
    """Give the eigenvalues of a symmetric matrix, smallest first.

    Parameters
    ----------
    xx, xy, xz, yy, yz, zz : float
        Its elements; NaN makes all eigenvalues NaN.
    """
    for _ in range(SWEEPS):
        s, c, t = rotation(xx, yy, xy)
        xx -= t * xy
        yy += t * xy
        xy = 0.0
        xz, yz = c * xz - s * yz, s * xz + c * yz
        s, c, t = rotation(xx, zz, xz)
        xx -= t * xz
        zz += t * xz
        xz = 0.0
        xy, yz = c * xy - s * yz, s * xy + c * yz
        s, c, t = rotation(yy, zz, yz)
        yy -= t * yz
        zz += t * yz
        yz = 0.0
        xy, xz = c * xy - s * xz, s * xy + c * xz
    if yy < xx:
        xx, yy = yy, xx
    if zz < yy:
        yy, zz = zz, yy
    if yy < xx:
        xx, yy = yy, xx
    return xx, yy, zz
