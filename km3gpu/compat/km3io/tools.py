"""km3io's tools for events, tracks and directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np

from km3gpu import definitions as _d
from km3gpu.compat.km3io import definitions
from km3gpu.compat.km3io.lazy import unfold_indices
from km3gpu.io.fields import generator_of

__all__ = [
    "TimeConverter",
    "angle",
    "angle_between",
    "azimuth",
    "best_aashower",
    "best_dusjshower",
    "best_jmuon",
    "best_jshower",
    "best_track",
    "cached_property",
    "count_nested",
    "fitinf",
    "get_multiplicity",
    "get_w2list_idx",
    "get_w2list_param",
    "has_aashower",
    "has_dusjshower",
    "has_jmuon",
    "has_jshower",
    "is_3dmuon",
    "is_3dshower",
    "is_bit_set",
    "is_cc",
    "is_mxshower",
    "is_nanobeacon",
    "magnitude",
    "mask",
    "phi",
    "phi_separg",
    "theta",
    "theta_separg",
    "to_num",
    "unfold_indices",
    "unique",
    "uniquecount",
    "unit_vector",
    "usr",
    "zenith",
]

_CC = 2
_OLD_W2LIST = 7  # files of before 2020 have no more, and keep the interaction elsewhere


def to_num(value: Any) -> Any:
    """Turn text into an int or a float where it is one."""
    for kind in (int, float):
        try:
            return kind(value)
        except (ValueError, TypeError):
            continue
    return value


def unique(array: Any, dtype: Any = np.int64) -> np.ndarray:
    """Give the distinct values, in the order in which they first come."""
    values = np.asarray(array, dtype)
    _, first = np.unique(values, return_index=True)
    return np.asarray(values[np.sort(first)])


def uniquecount(array: Any, dtype: Any = np.int64) -> np.ndarray:
    """Count the distinct values of each list."""
    runs = ak.run_lengths(ak.sort(array, axis=-1))
    return np.asarray(ak.to_numpy(ak.num(runs, axis=-1))).astype(dtype)


# -- lists of numbers by name -------------------------------------------------
def fitinf(fitparam: int, tracks: Any) -> Any:
    """Take a fit parameter of tracks; NaN where a track has none."""
    lists = tracks.fitinf
    values = ak.pad_none(lists, fitparam + 1, axis=-1)[..., fitparam]
    return ak.fill_none(values, np.nan)


def get_w2list_param(events: Any, generator: str, param: str) -> Any:
    """Take a parameter of the w2list by its full name (``W2LIST_GSEAGEN_BY``)."""
    names = getattr(definitions, f"w2list_{generator}", {})
    return events.w2list[:, names[param]] if param in names else None


def get_w2list_idx(f: Any) -> dict[int, str] | None:
    """Give the names of the places in the w2list of a file, or None where its generator is not known."""
    name = generator_of(_header(f))
    return getattr(definitions, f"w2list_{name}_idx", None)


def usr(objects: Any, field: str) -> Any:
    """Take the user values of this name; events (or tracks) without it are dropped."""
    names, values = objects.usr_names, objects.usr
    counts = ak.num(names)
    if len(counts) and ak.all(counts == counts[0]):
        return values[:, names[0].to_list().index(field)]
    return ak.flatten(values[names == field])


def is_cc(fobj: Any) -> Any:
    """Tell which events are charged-current interactions."""
    lists = fobj.events.w2list
    if ak.all(ak.num(lists, axis=1) <= _OLD_W2LIST):
        return usr(fobj.events.mc_tracks[:, 0], "cc") == _CC
    name = generator_of(_header(fobj)) or "gseagen"
    if name not in _d.W2LISTS:
        raise NotImplementedError(f"don't know how to determine the CC-ness of {name} files.")
    return lists[:, _d.W2LISTS[name]["CC"]] == _CC


def _header(f: Any) -> Any:
    from km3gpu.io.header import read_header

    return read_header(f._columns.file.root)


# -- tracks --------------------------------------------------------------------
def mask(
    arr: Any,
    sequence: Iterable[int] | None = None,
    startend: tuple[int, int] | None = None,
    minmax: tuple[int, int] | None = None,
    atleast: Iterable[int] | None = None,
) -> Any:
    """Tell which of the innermost lists fulfil a condition.

    Parameters
    ----------
    arr : array of lists
        Such as ``rec_stages``.
    sequence : list of int
        Exactly these, in this order.
    startend : (int, int)
        The first and the last.
    minmax : (int, int)
        All within this range, and not empty.
    atleast : list of int
        All of these are among them.
    """
    asked = {"sequence": sequence, "startend": startend, "minmax": minmax, "atleast": atleast}
    if sum(v is not None for v in asked.values()) != 1:
        raise ValueError("either sequence, startend, minmax or atleast must be specified.")
    n = ak.num(arr, axis=-1)
    if startend is not None:
        first, last = (ak.firsts(a, axis=-1) for a in (arr, arr[..., ::-1]))
        return ak.fill_none((first == int(startend[0])) & (last == int(startend[1])), False)
    if minmax is not None:
        low, high = map(int, minmax)  # numpy takes no IntEnum
        return (n > 0) & ak.all((arr >= low) & (arr <= high), axis=-1)
    if atleast is not None:
        found = n >= 0
        for value in atleast:
            found = found & ak.any(arr == int(value), axis=-1)
        return found
    wanted = list(sequence or ())
    found = n == len(wanted)
    padded = ak.pad_none(arr, max(len(wanted), 1), axis=-1)
    for k, value in enumerate(wanted):
        found = found & ak.fill_none(padded[..., k] == int(value), False)
    return found


def best_track(
    tracks: Any,
    startend: tuple[int, int] | None = None,
    minmax: tuple[int, int] | None = None,
    stages: list[int] | set[int] | None = None,
) -> Any:
    """Take the best track of each event: of those that match, the ones with most stages, then best lik.

    Parameters
    ----------
    tracks : Branch or array of tracks
        Of several events, or of one.
    startend, minmax, stages
        Which tracks match, by their stages; exactly one is given.  A list of
        stages is exact, a set must be contained.
    """
    if sum(v is not None for v in (stages, startend, minmax)) != 1:
        raise ValueError("either stages, startend or minmax must be specified.")
    if stages is not None and not isinstance(stages, (list, set)):
        raise ValueError("stages must be a list or a set of integers")
    matching = mask(
        tracks.rec_stages,
        sequence=stages if isinstance(stages, list) else None,
        atleast=sorted(stages) if isinstance(stages, set) else None,
        startend=startend,
        minmax=minmax,
    )
    n_dim = getattr(tracks, "ndim", 1)
    axis = 1 if n_dim == 2 else 0
    tracks = _masked(tracks, matching)
    lengths = ak.num(tracks.rec_stages, axis=-1)
    tracks = _masked(tracks, lengths == ak.max(lengths, axis=axis))
    tracks = _masked(tracks, ak.argmax(tracks.lik, axis=axis, keepdims=True))
    if n_dim == 2:
        return tracks[:, 0]
    if isinstance(tracks, ak.Record):
        return ak.Record({f: tracks[f][0] for f in tracks.fields})
    return tracks[0]


def _masked(tracks: Any, index: Any) -> Any:
    if isinstance(tracks, ak.Record):
        return ak.Record({f: tracks[f][index] for f in tracks.fields})
    return tracks[index]


_RANGES = {
    "jmuon": (_d.RecStage.JMUONBEGIN, _d.RecStage.JMUONEND),
    "jshower": (_d.RecStage.JSHOWERBEGIN, _d.RecStage.JSHOWEREND),
    "aashower": (_d.RecStage.AASHOWERBEGIN, _d.RecStage.AASHOWEREND),
    "dusjshower": (_d.RecStage.DUSJSHOWERBEGIN, _d.RecStage.DUSJSHOWEREND),
}


def _has(name: str) -> Callable[[Any], Any]:
    def has(tracks: Any) -> Any:
        found = mask(tracks.rec_stages, minmax=_RANGES[name])
        return ak.any(found, axis=found.ndim - 1)

    has.__doc__ = f"Tell whether there are tracks of the {name} reconstruction."
    return has


def _best(name: str) -> Callable[[Any], Any]:
    def best(tracks: Any) -> Any:
        return best_track(tracks, minmax=_RANGES[name])

    best.__doc__ = f"Take the best track of the {name} reconstruction."
    return best


has_jmuon, has_jshower, has_aashower, has_dusjshower = (_has(n) for n in _RANGES)
best_jmuon, best_jshower, best_aashower, best_dusjshower = (_best(n) for n in _RANGES)


def count_nested(arr: Any, axis: int = 0) -> Any:
    """Count the items at a level of lists: 0, 1 or 2."""
    return ak.count(arr, axis=2) if axis == 2 else ak.num(arr, axis=axis)


def get_multiplicity(tracks: Any, rec_stages: Iterable[int]) -> Any:
    """Count the tracks with exactly these stages in each event."""
    found = tracks[mask(tracks.rec_stages, sequence=rec_stages)]
    return count_nested(found.rec_stages, axis=tracks.ndim - 1)


# -- trigger bits --------------------------------------------------------------
def is_bit_set(value: Any, bit_position: int) -> Any:
    """Tell whether a bit of a mask is set; works on arrays."""
    return _d.is_bit_set(value, int(bit_position))


def is_3dshower(trigger_mask: Any) -> Any:
    """Tell whether the 3D shower trigger fired."""
    return is_bit_set(trigger_mask, _d.Trigger.JTRIGGER3DSHOWER)


def is_mxshower(trigger_mask: Any) -> Any:
    """Tell whether the MX shower trigger fired."""
    return is_bit_set(trigger_mask, _d.Trigger.JTRIGGERMXSHOWER)


def is_3dmuon(trigger_mask: Any) -> Any:
    """Tell whether the 3D muon trigger fired."""
    return is_bit_set(trigger_mask, _d.Trigger.JTRIGGER3DMUON)


def is_nanobeacon(trigger_mask: Any) -> Any:
    """Tell whether the nano-beacon trigger fired."""
    return is_bit_set(trigger_mask, _d.Trigger.JTRIGGERNB)


# -- time ------------------------------------------------------------------------
class TimeConverter:
    """Convert hit times between simulation and DAQ.

    Parameters
    ----------
    event : event
        With ``mc_t`` and ``frame_index``.
    """

    FRAME_TIME_NS = 1e8

    def __init__(self, event: Any) -> None:
        self._shift = event.mc_t - self.get_time_of_frame(event.frame_index)

    def get_time_of_frame(self, frame_index: int) -> float:
        """Give the start of a frame [ns since the start of the run]."""
        return (frame_index - 1) * self.FRAME_TIME_NS if frame_index > 0 else 0

    def get_DAQ_time(self, t0: Any) -> Any:
        """Give the DAQ time [ns] of a simulated one."""
        return t0 + self._shift

    def get_MC_time(self, t0: Any) -> Any:
        """Give the simulated time [ns] of one of the DAQ."""
        return t0 - self._shift


# -- directions --------------------------------------------------------------------
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


def apply_mask(record: Any, mask: Any) -> Any:
    """Apply a mask to tracks, or to every field of a record of them."""
    return _masked(record, mask)
