"""What the bulk functions do with what they are given, and their words where it does not do."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.times import utc_ns
from km3gpu.errors import BackendError, ConfigError, FormatError, KernelError
from km3gpu.kernels.launch import NONE
from km3gpu.kernels.scalar.fault import fault, split
from km3gpu.kernels.scalar.sky import NOT_UNIT, UNIT_TOLERANCE

__all__ = [
    "Invalid",
    "angles",
    "check_angles",
    "check_directions",
    "check_units",
    "columns_of",
    "flat",
    "on_device_of",
    "vectors",
]

Invalid = Literal["raise", "nan"]


def columns_of(dtype: Any = np.float64, /, **columns: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Bring columns to one shape, flat and contiguous.

    Parameters
    ----------
    dtype : dtype
        float64 or float32; a column called ``time_ns`` becomes int64 (see `utc_ns`).
    **columns
        Numbers, lists or arrays that broadcast against each other.

    Returns
    -------
    shape : tuple of int
        What the result is to have.
    arrays : list of (n,) arrays

    Raises
    ------
    FormatError
        What is given are no numbers, or they do not go together.
    BackendError
        Arrays partly on the host and partly on a device.
    """
    device = [a for a in columns.values() if hasattr(a, "__cuda_array_interface__")]
    xp = _backend.namespace(device[0]) if device else np
    if device and any(isinstance(a, np.ndarray) and a.ndim for a in columns.values()):
        raise BackendError(
            "arrays of one call lie partly on the host and partly on a device",
            remedy="move them with Backend.to_device first",
        )
    arrays = {}
    for name, column in columns.items():
        try:
            if name == "time_ns":
                arrays[name] = xp.asarray(utc_ns(column))
            else:
                arrays[name] = xp.asarray(column, dtype=dtype)
        except (ValueError, TypeError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{name} is no column of numbers: {error}") from None
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        sizes = ", ".join(f"{name}: {a.shape}" for name, a in arrays.items())
        raise FormatError(
            f"columns do not go together ({sizes})", remedy="give arrays of one length"
        ) from None
    return shape, [flat(xp, a, shape) for a in arrays.values()]


def flat(xp: Any, array: Any, shape: tuple[int, ...]) -> Any:
    """Give `array` in this shape, flat and contiguous."""
    # np.broadcast_to gives what is read-only, for which numba would compile anew
    full = array if array.shape == shape else xp.broadcast_to(array, shape).copy()
    return xp.ascontiguousarray(full).reshape(-1)


def angles(*columns: Any) -> tuple[Any, ...]:
    """Take the radians out of astropy angles; plain numbers are radians already.

    Raises
    ------
    FormatError
        A quantity is no angle.
    """
    return tuple(_plain(c, "rad", "an angle") for c in columns)


def vectors(*columns: Any) -> tuple[Any, ...]:
    """Take the numbers out of dimensionless astropy quantities.

    Raises
    ------
    FormatError
        A quantity has a unit.
    """
    return tuple(_plain(c, "", "a pure number") for c in columns)


def _plain(column: Any, unit: str, what: str) -> Any:
    if not hasattr(column, "to_value"):
        return column
    try:
        return column.to_value(unit)
    except Exception as error:  # astropy's UnitConversionError, without importing astropy
        raise FormatError(f"a quantity in {column.unit} is not {what}: {error}") from None


def on_device_of(like: Any, *arrays: Any) -> tuple[Any, ...]:
    """Give `arrays` where `like` is."""
    if isinstance(like, np.ndarray):
        return arrays
    return tuple(map(_backend.Backend("cuda").to_device, arrays))


def check_angles(
    longitude: Any,
    latitude: Any,
    invalid: Invalid = "raise",
    names: tuple[str, str] = ("longitude", "latitude"),
) -> None:
    """Refuse angles that cannot be radians: degrees, mostly.

    Parameters
    ----------
    longitude, latitude : (n,) arrays
        Without a longitude (None) the latitude is looked at alone.
    invalid : {"raise", "nan"}
        What to do with NaN.
    names : (str, str)
        What the user calls them.  A ``"zenith"`` is given as it is: pi/2 less the latitude.

    Raises
    ------
    KernelError
        Names the first row with a longitude beyond 2 pi, a latitude beyond pi/2, or (with
        ``invalid="raise"``) NaN.
    """
    check_invalid(invalid)
    centre = np.pi / 2 if names[1] == "zenith" else 0.0
    bad = abs(latitude - centre) > np.pi / 2 + 1e-9
    if longitude is not None:
        bad |= abs(longitude) > 2 * np.pi + 1e-9
    if invalid == "raise":
        bad |= latitude != latitude
        if longitude is not None:
            bad |= longitude != longitude
    if bad.any():
        row = int(bad.argmax())
        value = f"{names[1]} {float(latitude[row])!r}"
        limit = f"{names[1]} is " + ("from 0 to pi" if centre else "at most pi/2 from 0")
        if longitude is not None:
            value = f"{names[0]} {float(longitude[row])!r}, {value}"
            limit = f"{names[0]} is at most 2 pi from 0 and {limit}"
        raise KernelError(
            f"{value} of row {row} cannot be in radians",
            remedy=f"{limit}; numpy.radians turns degrees",
        )


def check_units(x: Any, y: Any, z: Any) -> None:
    """Refuse what is neither a unit vector nor NaN.

    Raises
    ------
    KernelError
        Names the first such row.
    """
    bad = abs(x * x + y * y + z * z - 1.0) > UNIT_TOLERANCE
    if bad.any():
        row = int(bad.argmax())
        check_directions(int(fault(row, NOT_UNIT)), "raise", "direction", x, y, z)


def check_directions(found: int, invalid: Invalid, what: str, *columns: Any) -> None:
    """Raise where a kernel met a row that is no unit vector.

    Raises
    ------
    KernelError
        Names the row, its values and its length.
    """
    check_invalid(invalid)
    if found == NONE or invalid == "nan":
        return
    row, _ = split(found)
    values = [float(c[row]) for c in columns]
    norm = sum(v * v for v in values) ** 0.5
    raise KernelError(
        f"{what} ({', '.join(map(repr, values))}) of row {row} is no unit vector (its length is {norm:.6g})",
        remedy="divide by the length, or take invalid='nan' where rows without a direction are expected",
    )


def check_invalid(invalid: str) -> None:
    """Refuse what is neither ``"raise"`` nor ``"nan"``."""
    if invalid not in ("raise", "nan"):
        raise ConfigError(f"invalid={invalid!r} is not known", remedy="take 'raise' or 'nan'")
