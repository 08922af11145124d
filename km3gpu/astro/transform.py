"""Directions of events to the sky and back, in bulk.

Directions are where particles travel to, in the detector's axes: x along grid
East, y along grid North (UTM), z up.  Sky positions are where they come from.
Times are int64 UTC nanoseconds since 1970 (see `km3gpu.astro.tables` for leap
seconds).  numpy arrays are done on the CPU and cupy arrays on the GPU they are
on.  Directions are those of vacuum: refraction is left out, since neutrinos do
not refract.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.eop import OUTSIDE
from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.astro.tables import FIRST_NS, LAST_NS, SkyTable, day_name, sky_table
from km3gpu.errors import BackendError, ConfigError, FormatError, KernelError, UnknownNameError
from km3gpu.kernels import sky as _kernels
from km3gpu.kernels.launch import NONE

__all__ = ["FRAMES", "DegradedSkyWarning", "icrs_to_local", "local_to_icrs", "local_to_sky", "sky_to_local"]

Invalid = Literal["raise", "nan"]

FRAMES: dict[str, Any] = {
    "icrs": np.eye(3),
    # astropy's: the IAU 1958 pole in FK5 J2000, and FK5 in ICRS.  ERFA's icrs2g (the
    # Hipparcos catalogue's matrix) is turned by 25 mas against it
    "galactic": np.array(
        [
            [-0.05487565771259163, -0.8734370519556159, -0.48383507361671546],
            [0.4941094371927268, -0.44482972122329517, 0.7469821839866676],
            [-0.8676661375596576, -0.19807633727300059, 0.45598381368730156],
        ]
    ),
}
"""Rotations from ICRS to the axes in which positions can be given: (3, 3) each."""


class DegradedSkyWarning(UserWarning):
    """Times outside of the IERS tables: the sky may be turned by some arcseconds."""


def local_to_icrs(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    *,
    vectors: bool = False,
    deflection: bool = True,
    invalid: Invalid = "raise",
    iers: str | None = None,
) -> tuple[Any, ...]:
    """Turn travel directions in a detector into equatorial coordinates (ICRS).

    Agrees with astropy's AltAz -> ICRS to 1 mas where the Sun is more than 2 degrees
    away, and to 0.02 mas in the median.

    Parameters
    ----------
    time_ns : int or (n,) int64 array
        UTC ns since 1970.
    dx, dy, dz : float or (n,) arrays
        Unit vectors along which the particles travel, in the detector's axes.  They
        broadcast against each other and the time.
    site : Site or str
        Where the detector stands; ``"arca"``, ``"orca"`` or ``"antares"``.
    vectors : bool
        Give unit vectors of ICRS, not angles.
    deflection : bool
        Take out the light bending by the Sun, as astropy does (5 mas typically).
    invalid : {"raise", "nan"}
        What to do with directions that are no unit vectors (NaN, say): an error that
        names the first, or NaN in those rows.
    iers : str, optional
        Path of a ``finals2000A.all`` newer than the one installed with astropy.

    Returns
    -------
    ra, dec : (n,) float64 arrays
        Radians, `ra` in [0, 2 pi).  Scalars give arrays of shape ().
    x, y, z : (n,) float64 arrays
        Instead of those, with ``vectors=True``.

    Raises
    ------
    KernelError
        A direction is no unit vector, or a time not within 1972 to 2099; the
        message names the first such row.
    FormatError
        `time_ns` is not of an integer type, or the shapes do not fit.

    Warns
    -----
    DegradedSkyWarning
        Times are outside of the IERS tables.
    """
    return local_to_sky(
        time_ns, dx, dy, dz, site,
        frame="icrs", vectors=vectors, deflection=deflection, invalid=invalid, iers=iers,
    )  # fmt: skip


def local_to_sky(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    *,
    frame: str = "icrs",
    vectors: bool = False,
    deflection: bool = True,
    invalid: Invalid = "raise",
    iers: str | None = None,
) -> tuple[Any, ...]:
    """Turn travel directions in a detector into sky coordinates of any `frame`.

    Parameters
    ----------
    frame : {"icrs", "galactic"}
        Axes of the result.
    time_ns, dx, dy, dz, site, vectors, deflection, invalid, iers
        As for `local_to_icrs`.

    Returns
    -------
    longitude, latitude : (n,) float64 arrays
        Radians; with ``vectors=True`` x, y, z instead.

    Raises
    ------
    KernelError, FormatError
        As for `local_to_icrs`.
    UnknownNameError
        No such frame or site.
    """
    matrix, place = _frame(frame), _site(site)
    shape, (t, x, y, z) = _prepare(time_ns, dx=dx, dy=dy, dz=dz)
    table = table_for(t, iers)
    rows, row, rotation = _on_device_of(t, table.rows, place.kernel_row, matrix.ravel())
    columns, fault = _kernels.local_to_sky(
        t, x, y, z, rows, table.start_ns, row, rotation, deflection, vectors
    )
    _check(fault, invalid, t, "direction", x, y, z)
    return tuple(c.reshape(shape) for c in columns)


def icrs_to_local(
    time_ns: Any,
    ra: Any,
    dec: Any,
    site: Site | str,
    *,
    deflection: bool = True,
    invalid: Invalid = "raise",
    iers: str | None = None,
) -> tuple[Any, Any, Any]:
    """Turn equatorial coordinates (ICRS) into directions of travel in a detector.

    The inverse of `local_to_icrs`, to 1e-5 arcsec where the Sun is more than 2
    degrees away.

    Parameters
    ----------
    time_ns : int or (n,) int64 array
        UTC ns since 1970.
    ra, dec : float or (n,) arrays
        Where particles come from, radians.
    site, deflection, invalid, iers
        As for `local_to_icrs`; `deflection` puts the light bending in.

    Returns
    -------
    dx, dy, dz : (n,) float64 arrays
        Unit vectors along which the particles travel, in the detector's axes.

    Raises
    ------
    KernelError
        An angle is NaN or out of range, or a time not within 1972 to 2099; the
        message names the first such row.
    FormatError
        `time_ns` is not of an integer type, or the shapes do not fit.
    """
    where = (ra, dec)
    return sky_to_local(time_ns, where, site, deflection=deflection, invalid=invalid, iers=iers)


def sky_to_local(
    time_ns: Any,
    where: tuple[Any, ...],
    site: Site | str,
    *,
    frame: str = "icrs",
    deflection: bool = True,
    invalid: Invalid = "raise",
    iers: str | None = None,
) -> tuple[Any, Any, Any]:
    """Turn sky coordinates of any `frame` into directions of travel in a detector.

    Parameters
    ----------
    where : tuple of two or three (n,) arrays
        Longitude and latitude in radians, or x, y, z of unit vectors.
    frame : {"icrs", "galactic"}
        Their axes.
    time_ns, site, deflection, invalid, iers
        As for `icrs_to_local`.

    Returns
    -------
    dx, dy, dz : (n,) float64 arrays
    """
    matrix, place = _frame(frame), _site(site)
    names = ("longitude", "latitude") if len(where) == 2 else ("x", "y", "z")
    shape, (t, *columns) = _prepare(time_ns, **dict(zip(names, where, strict=True)))
    if len(columns) == 2:
        _check_angles(columns[0], columns[1], invalid)
    table = table_for(t, iers)
    rows, row, rotation = _on_device_of(t, table.rows, place.kernel_row, matrix.ravel())
    out, fault = _kernels.sky_to_local(t, tuple(columns), rows, table.start_ns, row, rotation, deflection)
    _check(fault, invalid, t, "position", *columns)
    dx, dy, dz = (c.reshape(shape) for c in out)
    return dx, dy, dz


def table_for(time_ns: Any, iers: str | None = None) -> SkyTable:
    """Give the table that covers these times, warning where they are outside of the IERS tables.

    Parameters
    ----------
    time_ns : (n,) int64 array

    Raises
    ------
    KernelError
        A time is not within 1972 to 2099; the message names the first such row.
    """
    if len(time_ns) == 0:
        return sky_table(FIRST_NS, FIRST_NS, iers)
    first, last = int(time_ns.min()), int(time_ns.max())
    if first < FIRST_NS or last >= LAST_NS:
        bad = (time_ns < FIRST_NS) | (time_ns >= LAST_NS)
        row = int(bad.argmax())
        value = int(time_ns[row])
        raise KernelError(
            f"time {value} ns ({np.datetime64(value, 'ns')}) of row {row} is not within 1972 to 2099",
            remedy="give UTC nanoseconds since 1970; seconds are multiplied by 10**9",
        )
    table = sky_table(first, last, iers)
    if n_days := table.days_with(first, last, OUTSIDE):
        warnings.warn(
            DegradedSkyWarning(
                f"{n_days} of the days from {day_name(first)} to {day_name(last)} are "
                f"outside of the IERS tables ({table.iers_version}): UT1 - UTC is taken to stay as it was "
                "last, and every 0.1 s that it drifts from there turns the sky by 1.5 arcsec"
            ),
            stacklevel=_OUTSIDE_OF_THIS_FILE,
        )
    return table


_OUTSIDE_OF_THIS_FILE = 4


def _frame(name: str) -> Any:
    try:
        return FRAMES[name]
    except KeyError:
        raise UnknownNameError.of("frame", str(name), FRAMES) from None


def _on_device_of(like: Any, *arrays: Any) -> tuple[Any, ...]:
    """Give `arrays` where `like` is."""
    if isinstance(like, np.ndarray):
        return arrays
    return tuple(map(_backend.Backend("cuda").to_device, arrays))


def _prepare(time_ns: Any, **columns: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Bring times and columns to one shape, flat and contiguous, int64 and float64."""
    arrays = [time_ns, *columns.values()]
    device = [a for a in arrays if hasattr(a, "__cuda_array_interface__")]
    xp = _backend.namespace(device[0]) if device else np
    if device and any(isinstance(a, np.ndarray) and a.ndim for a in arrays):
        raise BackendError(
            "arrays of one call lie partly on the host and partly on a device",
            remedy="move them with Backend.to_device first",
        )
    t = xp.asarray(time_ns)
    if t.dtype.kind == "M":
        t = t.astype("datetime64[ns]").view(np.int64)
    if t.dtype.kind not in "iu":
        raise FormatError(
            f"time_ns is {t.dtype}, not int64",
            remedy="give UTC nanoseconds since 1970 as integers: a float64 is only good to 256 ns today",
        )
    try:
        values = [xp.asarray(c, dtype=np.float64) for c in columns.values()]
        shape = np.broadcast_shapes(t.shape, *(v.shape for v in values))
    except (ValueError, TypeError) as error:
        names = ", ".join(columns)
        raise FormatError(
            f"time_ns, {names} are no arrays of numbers that go together: {error}",
            remedy="give arrays of one length",
        ) from None
    return shape, [_flat(xp, v, shape) for v in (t.astype(np.int64, copy=False), *values)]


def _flat(xp: Any, array: Any, shape: tuple[int, ...]) -> Any:
    # np.broadcast_to gives what is read-only, for which numba would compile anew
    full = array if array.shape == shape else xp.broadcast_to(array, shape).copy()
    return xp.ascontiguousarray(full).reshape(-1)


def _check_angles(longitude: Any, latitude: Any, invalid: Invalid) -> None:
    """Refuse angles that cannot be radians: degrees, mostly."""
    bad = (abs(latitude) > np.pi / 2 + 1e-12) | (abs(longitude) > 2 * np.pi + 1e-12)
    if invalid == "raise":
        bad |= (longitude != longitude) | (latitude != latitude)
    if bad.any():
        row = int(bad.argmax())
        raise KernelError(
            f"longitude {float(longitude[row])!r}, latitude {float(latitude[row])!r} of row {row} are no "
            "angles in radians",
            remedy="longitude is at most 2 pi and latitude at most pi/2 from 0; numpy.radians turns degrees",
        )


def _check(fault: int, invalid: Invalid, time_ns: Any, what: str, *columns: Any) -> None:
    if invalid not in ("raise", "nan"):
        raise ConfigError(f"invalid={invalid!r} is not known", remedy="take 'raise' or 'nan'")
    if fault == NONE or invalid == "nan":
        return
    row = fault // 256
    value = ", ".join(repr(float(c[row])) for c in columns)
    norm = float(sum(float(c[row]) ** 2 for c in columns)) ** 0.5
    raise KernelError(
        f"{what} ({value}) of row {row} is no unit vector (its length is {norm:.6g})",
        remedy="divide by the length, or take invalid='nan' where rows without a direction are expected",
    )
