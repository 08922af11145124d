"""km3io's tools for events, tracks and directions."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np

from km3gpu import definitions as _d
from km3gpu.compat.km3io import definitions
from km3gpu.compat.km3io.directions import (
    angle,
    angle_between,
    azimuth,
    magnitude,
    phi,
    phi_separg,
    theta,
    theta_separg,
    unit_vector,
    zenith,
)
from km3gpu.compat.km3io.lazy import unfold_indices
from km3gpu.compat.km3io.tracks import (
    apply_mask,
    best_aashower,
    best_dusjshower,
    best_jmuon,
    best_jshower,
    best_track,
    count_nested,
    get_multiplicity,
    has_aashower,
    has_dusjshower,
    has_jmuon,
    has_jshower,
    mask,
)
from km3gpu.io.fields import generator_of

__all__ = [
    "TimeConverter",
    "angle",
    "angle_between",
    "apply_mask",
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
