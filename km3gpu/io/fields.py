"""Values that offline files keep by number or by name in lists: fit information, user values, weights.

Every function gives a flat column, one value per row of the table, NaN where
the row has none.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from km3gpu.definitions import FitParameter, w2list_of
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.header import Header
from km3gpu.table import Ragged, Table

__all__ = ["fit_information", "generator_of", "is_cc", "user_values", "w2list"]

_LOOKED_AT = 10_000  # names of a column, to say in an error which there are
_CC = 2  # interaction types of gSeaGen: 1 electromagnetic, 2 charged, 3 neutral current


def fit_information(tracks: Table, parameter: str | int | FitParameter) -> np.ndarray:
    """Take one parameter out of ``fitinf``.

    Parameters
    ----------
    tracks : Table
        With the column ``fitinf``.
    parameter : str, int or FitParameter
        ``"JENERGY_ENERGY"``, 4 or the member itself.

    Returns
    -------
    (n_tracks,) float64 array
        NaN where a track's list is shorter.

    Raises
    ------
    UnknownNameError
        No such parameter.
    """
    return _item(_lists(tracks, "fitinf"), _index(parameter, FitParameter, "fit parameter"))


def w2list(events: Table, parameter: str | int | IntEnum, generator: str = "gseagen") -> np.ndarray:
    """Take one value out of ``w2list``.

    Parameters
    ----------
    events : Table
        With the column ``w2list``.
    parameter : str, int or member of `km3gpu.definitions.W2LISTS`
        ``"BY"``, 8 or ``W2ListGseagen.BY``.
    generator : str
        The program that made the events (see `generator_of`), which says what
        the places mean.

    Returns
    -------
    (n_events,) float64 array
        NaN where an event's list is shorter.

    Raises
    ------
    UnknownNameError
        No such parameter or generator.
    """
    return _item(_lists(events, "w2list"), _index(parameter, w2list_of(generator), "w2list parameter"))


def user_values(table: Table, name: str) -> np.ndarray:
    """Take the user value of this name out of ``usr``, by ``usr_names``.

    Parameters
    ----------
    table : Table
        Events, tracks or simulated tracks with the columns ``usr`` and
        ``usr_names``.
    name : str
        One of the names.

    Returns
    -------
    (n_rows,) float64 array
        NaN where a row has no value of that name; the first where it has
        several.

    Raises
    ------
    UnknownNameError
        No row has it; the closest names that occur come first.
    """
    names, values = _lists(table, "usr_names"), _lists(table, "usr")
    strings = names.content
    if not isinstance(strings, Ragged) or len(values) != len(names):
        raise FormatError(f"usr and usr_names of table {table.name!r} do not belong together")
    found = _equal(strings, name)
    column = np.full(len(values), np.nan)
    if not found.any():
        known = {_text(strings, i) for i in range(min(len(strings), _LOOKED_AT))}
        raise UnknownNameError.of("user value", name, known, where=f"table {table.name!r}")
    hits = np.flatnonzero(found)[::-1]  # backwards, so that the first of a row stays
    rows = np.searchsorted(names.offsets, hits, "right") - 1
    places = hits - names.offsets[rows]
    there = places < values.offsets[rows + 1] - values.offsets[rows]
    column[rows[there]] = values.content[values.offsets[rows[there]] + places[there]]
    return column


def generator_of(header: Header | None) -> str | None:
    """Tell which program generated the events of a file.

    Parameters
    ----------
    header : Header or None
        The header of the file.

    Returns
    -------
    str or None
        ``"gseagen"``, ``"genhen"``, ``"km3buu"``, ``"mupage"``, ... in small
        letters; None where the header does not say.  The physics, generator
        and simul entries are looked at in that order, and of repeated ones
        (``physics_1``) the last, which ran first.
    """
    known = ("gseagen", "genhen", "km3buu", "km3neut", "mupage", "corsika")
    for kind in ("physics", "generator", "simul"):
        entries = [k for k in header or () if k == kind or k.startswith(kind + "_")]
        for key in sorted(entries, reverse=True):
            entry = header[key] if header is not None else None
            program = str(getattr(entry, "program", None) or next(iter(entry or ()), "")).lower()
            if program in known:
                return program
    return None


def is_cc(events: Table, header: Header | None = None, mc_tracks: Table | None = None) -> np.ndarray:
    """Tell which events are charged-current interactions.

    Parameters
    ----------
    events : Table
        With the column ``w2list``.
    header : Header, optional
        The header of the file, which names the generator; without it the
        place that all generators agree on is taken.
    mc_tracks : Table, optional
        With ``usr`` and ``usr_names``: files of before 2020 keep the kind of
        interaction as the user value ``cc`` of the first simulated track.

    Returns
    -------
    (n_events,) bool array

    Raises
    ------
    FormatError
        The events do not say.
    """
    lists = _lists(events, "w2list")
    if len(lists) and int(np.diff(lists.offsets).max()) <= 7:
        if mc_tracks is None or "usr_names" not in mc_tracks:
            raise FormatError(
                "w2list is too short to tell charged from neutral current",
                remedy="give mc_tracks with usr and usr_names, where older files keep it",
            )
        return np.asarray(_first_rows(mc_tracks, user_values(mc_tracks, "cc")) == _CC)
    generator = generator_of(header) or "gseagen"
    return np.asarray(w2list(events, "CC", generator) == _CC)


def _first_rows(table: Table, column: np.ndarray) -> np.ndarray:
    """Take the value of each event's first row, NaN for an event without rows."""
    starts = table.offsets[:-1]
    first = np.full(len(starts), np.nan)
    there = table.offsets[1:] > starts
    first[there] = column[starts[there]]
    return first


def _lists(table: Table, name: str) -> Ragged:
    column = table.flat(name)
    if not isinstance(column, Ragged):
        raise FormatError(f"column {name!r} of table {table.name!r} is no column of lists")
    return column


def _item(lists: Ragged, index: int) -> np.ndarray:
    """Take item `index` of each list, NaN where the list is shorter."""
    out = np.full(len(lists), np.nan)
    there = lists.offsets[1:] - lists.offsets[:-1] > index
    out[there] = lists.content[lists.offsets[:-1][there] + index]
    return out


def _index(parameter: str | int | IntEnum, names: type[IntEnum], what: str) -> int:
    if isinstance(parameter, str):
        try:
            return int(names[parameter.upper()])
        except KeyError:
            raise UnknownNameError.of(what, parameter, names.__members__) from None
    if parameter < 0:
        raise UnknownNameError.of(what, str(parameter), names.__members__)
    return int(parameter)


def _equal(strings: Ragged, name: str) -> np.ndarray:
    """Tell which of the strings are `name`."""
    wanted = np.frombuffer(name.encode(), np.uint8)
    same: np.ndarray = strings.offsets[1:] - strings.offsets[:-1] == len(wanted)
    for k, byte in enumerate(wanted):
        rows = np.flatnonzero(same)
        same[rows] = strings.content[strings.offsets[rows] + k] == byte
    return same


def _text(strings: Ragged, i: int) -> str:
    return bytes(strings.content[strings.offsets[i] : strings.offsets[i + 1]]).decode("utf-8", "replace")
