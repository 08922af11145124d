"""What makes two events the same, and a number made of it that is as good as random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from km3gpu import backend
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.table import Ragged, Table

__all__ = ["IDENTITY", "check_names", "hashed", "identity_columns", "uniform"]

IDENTITY = ("det_id", "run_id", "frame_index", "trigger_counter", "mc_run_id", "mc_id", "id")
"""The numbers of an event; a file has some of them."""


def check_names(by: Any) -> tuple[str, ...]:
    """Give `by` as a tuple of names.

    Raises
    ------
    ConfigError
        It is none.
    """
    if isinstance(by, str) or not all(isinstance(n, str) and n for n in by):
        raise ConfigError(f"by = {by!r}", remedy="give a list of columns of events, by = ['run_id', 'id']")
    return tuple(by)


def identity_columns(events: Table, by: Sequence[str]) -> list[Any]:
    """Give the columns that identify events.

    Parameters
    ----------
    events : Table
    by : sequence of str
        Names; empty for those of `IDENTITY` that there are.

    Raises
    ------
    UnknownNameError
        A column that was named is not there.
    FormatError
        There is none, or one is no column of numbers.
    """
    names = tuple(by) or tuple(n for n in IDENTITY if n in events)
    if not names:
        raise FormatError("nothing identifies the events", remedy="name columns: by = ['run_id', 'id']")
    found = []
    for name in names:
        if name not in events:
            raise UnknownNameError.of("column", name, events.columns, where="table 'events'")
        column = events.flat(name)
        if isinstance(column, Ragged) or column.ndim != 1:
            raise FormatError(f"column {name!r} of lists identifies no event", remedy="name other columns")
        found.append(column)
    return found


def hashed(columns: Sequence[Any], seed: int) -> Any:
    """Mix columns into one number per event, the same on every machine and device.

    Parameters
    ----------
    columns : sequence of (n,) array
        Integers, booleans or floats.
    seed : int
        Another seed gives numbers that have nothing to do with these.

    Returns
    -------
    (n,) uint64 array
        The finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195)
        over the bits of the columns, one after the other.
    """
    xp = backend.namespace(columns[0])
    mixed = xp.full(len(columns[0]), np.uint64(seed % 2**64))
    for column in columns:
        wide = column.astype(np.float64 if column.dtype.kind == "f" else np.int64)
        mixed = _finalised((mixed + np.uint64(0x9E3779B97F4A7C15)) ^ wide.view(np.uint64))
    return _finalised(mixed + np.uint64(0x9E3779B97F4A7C15))


def _finalised(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(columns: Sequence[Any], seed: int, purpose: int) -> Any:
    """Give each event a number from 0 to 1, by its identity alone.

    Parameters
    ----------
    columns : sequence of (n,) array
    seed : int
    purpose : int
        Sampling and splitting by the same seed must not choose alike.

    Returns
    -------
    (n,) float64 array
        In [0, 1), multiples of 2**-53.
    """
    bits = hashed(columns, seed * 8 + purpose)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
