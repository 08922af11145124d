"""The parameters of Jpp's triggers, under the names that Jpp gives them.

Times are ns, lengths m, angles degrees, as Jpp stores them.  A set comes by
name or from a TOML file (`km3gpu.trigger.sets`), or from the
``JTRIGGER::JTriggerParameters`` that a DAQ file holds
(`km3gpu.io.trigger_parameters`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from km3gpu.config import resolve
from km3gpu.errors import ConfigError

__all__ = [
    "MAX_FACTORY_LIMIT",
    "Coincidence",
    "MXShower",
    "Muon",
    "NanoBeacon",
    "Prescales",
    "Shower",
    "TriggerParameters",
]

MAX_FACTORY_LIMIT = 256
"""Largest factory limit: cliques are found in bit sets of this many hits."""

_AT_LEAST_1 = {"minimum": 1}
_AT_LEAST_2 = {"minimum": 2}
_NOT_BELOW_0 = {"minimum": 0}


@dataclass(frozen=True)
class Coincidence:
    """A coincidence of hits on one module, on top of the L1 window.

    Attributes
    ----------
    number_of_hits : int
        Hits within `t_max_local_ns` of each other.
    t_max_local_ns : float
        Time window [ns], ends included.
    ct_min : float
        Smallest cosine of the angle between the axes of two of the PMTs; -1
        takes any.
    """

    number_of_hits: int = field(default=2, metadata={"minimum": 2})
    t_max_local_ns: float = field(default=10.0, metadata=_NOT_BELOW_0)
    ct_min: float = field(default=-1.0, metadata={"minimum": -1})


@dataclass(frozen=True)
class Shower:
    """3DShower: coincidences that fit the light of one point.

    Attributes
    ----------
    enabled : bool
        The trigger runs.
    number_of_hits, number_of_modules : int
        Coincidences (the root included) and distinct modules needed.
    d_max_m : float
        Largest distance between two coincidences [m].
    t_max_extra_ns : float
        Time added to what light needs [ns].
    factory_limit : int
        From so many candidates on, all are taken as they are.
    """

    enabled: bool = True
    number_of_hits: int = field(default=3, metadata=_AT_LEAST_2)
    number_of_modules: int = field(default=3, metadata=_AT_LEAST_1)
    d_max_m: float = field(default=52.0, metadata=_NOT_BELOW_0)
    t_max_extra_ns: float = field(default=25.0, metadata=_NOT_BELOW_0)
    factory_limit: int = field(default=100, metadata=_AT_LEAST_1)


@dataclass(frozen=True)
class MXShower:
    """MXShower: hits around one coincidence that fit the light of one point.

    Attributes
    ----------
    enabled, number_of_hits, number_of_modules, d_max_m, t_max_extra_ns, factory_limit
        As for `Shower`, but counted in single hits of other modules; the root counts as one.
    """

    enabled: bool = True
    number_of_hits: int = field(default=8, metadata=_AT_LEAST_2)
    number_of_modules: int = field(default=3, metadata=_AT_LEAST_1)
    d_max_m: float = field(default=47.0, metadata=_NOT_BELOW_0)
    t_max_extra_ns: float = field(default=25.0, metadata=_NOT_BELOW_0)
    factory_limit: int = field(default=100, metadata=_AT_LEAST_1)


@dataclass(frozen=True)
class Muon:
    """3DMuon: coincidences that fit the Cherenkov light of one track, in some direction.

    Attributes
    ----------
    enabled, number_of_hits, number_of_modules, t_max_extra_ns, factory_limit
        As for `Shower`.
    d_max_m : float
        Largest distance of a coincidence from the root [m].
    road_width_m : float
        Largest distance between two coincidences across the track [m].
    grid_angle_deg : float
        Spacing of the directions that are tried [deg].
    """

    enabled: bool = True
    number_of_hits: int = field(default=4, metadata=_AT_LEAST_2)
    number_of_modules: int = field(default=4, metadata=_AT_LEAST_1)
    d_max_m: float = field(default=164.897, metadata=_NOT_BELOW_0)
    road_width_m: float = field(default=43.0, metadata=_NOT_BELOW_0)
    grid_angle_deg: float = field(default=10.0, metadata={"minimum": 1})
    t_max_extra_ns: float = field(default=25.0, metadata=_NOT_BELOW_0)
    factory_limit: int = field(default=100, metadata=_AT_LEAST_1)


@dataclass(frozen=True)
class NanoBeacon:
    """NB: a flash of a nanobeacon, seen from the PMT beside it and another module.

    Attributes
    ----------
    enabled : bool
        The trigger runs.
    d_max_m : float
        Largest distance between two coincidences [m].
    pmts : tuple of str
        PMTs that look at a beacon, as ``"module:channel"``; ``*`` for any.
    t_max_extra_ns : float
        Time added to what light needs [ns]; Jpp does not store one.
    number_of_hits, number_of_modules, factory_limit : int
        As for `Shower`; Jpp does not store them.
    """

    enabled: bool = False
    d_max_m: float = field(default=100.0, metadata=_NOT_BELOW_0)
    pmts: tuple[str, ...] = ("*:0", "*:3", "*:4")
    t_max_extra_ns: float = field(default=25.0, metadata=_NOT_BELOW_0)
    number_of_hits: int = field(default=2, metadata=_AT_LEAST_2)
    number_of_modules: int = field(default=2, metadata=_AT_LEAST_1)
    factory_limit: int = field(default=100, metadata=_AT_LEAST_1)

    def selections(self) -> tuple[tuple[int, int], ...]:
        """Give `pmts` as (module, channel), -1 for any.

        Raises
        ------
        ConfigError
            An entry is not ``"module:channel"``.
        """
        return tuple(_selection(text) for text in self.pmts)


@dataclass(frozen=True)
class Prescales:
    """How often the data filter writes each stream: every n-th slice, 0 for never.

    They do not shape any trigger; they are kept since files hold them.
    """

    timeslices: int = field(default=0, metadata=_NOT_BELOW_0)
    summary: int = field(default=1, metadata=_NOT_BELOW_0)
    l0: int = field(default=0, metadata=_NOT_BELOW_0)
    l1: int = field(default=0, metadata=_NOT_BELOW_0)
    l2: int = field(default=0, metadata=_NOT_BELOW_0)
    sn: int = field(default=0, metadata=_NOT_BELOW_0)


@dataclass(frozen=True)
class TriggerParameters:
    """All parameters of the data filter.

    Attributes
    ----------
    name : str
        Name of the set, or the file it came from.
    note : str
        Where the values are from and how far they can be trusted.
    high_rate_veto_hz : float
        A PMT with a rate above this is left out [Hz].
    l1_number_of_hits : int
        Hits of an L1 coincidence.
    t_max_local_ns : float
        Window of an L1 coincidence [ns], ends included.
    t_max_event_ns : float
        Triggers closer than this are one event, and hits this far before and
        after it belong to its snapshot [ns].
    number_of_bins : int
        Bins of Jpp's look-up of hits by time; kept, not used.
    combine_l1 : bool
        Coincidences are windows opened by their first hit; kept for the
        record, since it is the only way that files ask for.
    l2, sn : Coincidence
        What an L1 must have to enter the triggers, and to enter the supernova
        stream.
    shower, mx_shower, muon, nb
        The triggers.
    prescales : Prescales
        What the data filter wrote.
    """

    name: str = ""
    note: str = ""
    high_rate_veto_hz: float = field(default=1e6, metadata=_NOT_BELOW_0)
    l1_number_of_hits: int = field(default=2, metadata={"minimum": 2})
    t_max_local_ns: float = field(default=25.0, metadata=_NOT_BELOW_0)
    t_max_event_ns: float = field(default=1000.0, metadata=_NOT_BELOW_0)
    number_of_bins: int = field(default=1000, metadata=_NOT_BELOW_0)
    combine_l1: bool = True
    l2: Coincidence = Coincidence(2, 10.0, 0.0)
    sn: Coincidence = Coincidence(4, 10.0, 0.0)
    shower: Shower = Shower()
    mx_shower: MXShower = MXShower()
    muon: Muon = Muon()
    nb: NanoBeacon = NanoBeacon()
    prescales: Prescales = Prescales()

    def __post_init__(self) -> None:
        if not self.combine_l1:
            raise ConfigError(
                "coincidences that overlap (combine_l1 = false) are not supported",
                remedy="set combine_l1 = true, as the KM3NeT data filter does",
            )
        _check_finite(self)
        for trigger in ("shower", "mx_shower", "muon", "nb"):
            limit = getattr(self, trigger).factory_limit
            if limit > MAX_FACTORY_LIMIT:
                raise ConfigError(
                    f"{trigger}.factory_limit = {limit} is too large",
                    remedy=f"take at most {MAX_FACTORY_LIMIT}",
                )
        for group in ("l2", "sn"):
            if getattr(self, group).ct_min > 1.0:
                raise ConfigError(
                    f"{group}.ct_min = {getattr(self, group).ct_min} is no cosine", remedy="take -1 to 1"
                )
        self.nb.selections()

    def evolve(self, **changes: Any) -> TriggerParameters:
        """Give the same set with some values changed.

        Parameters
        ----------
        **changes
            A field and its value, or a group and a mapping of its changes:
            ``evolve(t_max_event_ns=2000.0, muon={"road_width_m": 50.0})``.

        Raises
        ------
        ConfigError
            A field that there is not, or a value of the wrong type.
        """
        made: dict[str, Any] = {}
        for key, value in changes.items():
            group = getattr(self, key, None)
            if isinstance(value, Mapping) and dataclasses.is_dataclass(group):
                now = {f.name: getattr(group, f.name) for f in dataclasses.fields(group)}
                value = resolve(type(group), call={**now, **value}).value
            made[key] = value
        plain = {k: v for k, v in made.items() if not dataclasses.is_dataclass(v)}
        resolve(TriggerParameters, call=plain)
        return dataclasses.replace(self, **made)


def _selection(text: str) -> tuple[int, int]:
    module, _, channel = text.partition(":")
    try:
        return (-1 if module.strip() == "*" else int(module)), (
            -1 if channel.strip() == "*" else int(channel)
        )
    except ValueError:
        raise ConfigError(
            f"{text!r} names no PMT", remedy='write "module:channel", "*" for any of them'
        ) from None


def _check_finite(group: Any, prefix: str = "") -> None:
    for f in dataclasses.fields(group):
        value = getattr(group, f.name)
        if dataclasses.is_dataclass(value):
            _check_finite(value, f"{prefix}{f.name}.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{prefix}{f.name} = {value} is no finite number")
