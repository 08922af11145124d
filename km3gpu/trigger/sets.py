"""Sets of trigger parameters by name, from TOML files, and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from typing import Any

from km3gpu.config import check_keys, resolve
from km3gpu.errors import ConfigError, UnknownNameError
from km3gpu.tomlfile import Document, Section, read_toml
from km3gpu.trigger.parameters import Coincidence, Muon, MXShower, Prescales, Shower, TriggerParameters

__all__ = ["for_detector", "from_json", "from_toml", "named", "names", "to_json"]

_GROUPS: dict[str, type[Any]] = {
    key: hint
    for key, hint in typing.get_type_hints(TriggerParameters).items()
    if isinstance(hint, type) and dataclasses.is_dataclass(hint)
}


def from_toml(path: str | os.PathLike[str], *keys: str) -> TriggerParameters:
    """Read a set from a TOML file.

    Parameters
    ----------
    path : path
        The file; the groups of `TriggerParameters` are its tables.  A key
        ``base = "orca4"`` takes what is not written from the set of that name.
    *keys : str
        The table of the file that holds the set, where it is not the whole file.

    Raises
    ------
    InputNotFoundError
        No such file.
    ConfigError
        No TOML, an unknown key, or a value that does not fit; with its line.
    """
    document = read_toml(path)
    return _from_document(document, keys)


def _from_document(document: Document, keys: tuple[str, ...]) -> TriggerParameters:
    top = document.section(*keys)
    check_keys(top, [*(f.name for f in dataclasses.fields(TriggerParameters)), "base"])
    base = top.values.get("base", "")
    if not isinstance(base, str):
        raise ConfigError(f"base = {base!r} is no name", where=top.where("base"), remedy=_there_is())
    start = named(base) if base else TriggerParameters(name=document.path)
    plain = {k: v for k, v in top.values.items() if k not in _GROUPS and k != "base"}
    checked = resolve(TriggerParameters, section=Section(document, keys, plain)).value
    made = {key: getattr(checked, key) for key in plain}
    for key, group in _GROUPS.items():
        if key in top.values:
            given = document.section(*keys, key)
            rest = {k: v for k, v in vars(getattr(start, key)).items() if k not in given.values}
            made[key] = resolve(group, section=given, call=rest).value
    return dataclasses.replace(start, **{"name": document.path, **made})


def to_json(parameters: TriggerParameters) -> str:
    """Write a set as one line of JSON, for metadata and fingerprints."""
    return json.dumps(dataclasses.asdict(parameters), sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> TriggerParameters:
    """Read what `to_json` wrote.

    Raises
    ------
    ConfigError
        It is no JSON, or holds what `TriggerParameters` does not.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"trigger parameters are no JSON: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError("trigger parameters are no table of values")
    for key, group in _GROUPS.items():
        if isinstance(data.get(key), dict):
            data[key] = resolve(group, call=data[key]).value
        elif key in data:
            raise ConfigError(f"{key} of the trigger parameters must be a table")
    resolve(TriggerParameters, call={k: v for k, v in data.items() if k not in _GROUPS})
    return TriggerParameters(**data)


def named(name: str) -> TriggerParameters:
    """Give a set that km3gpu knows.

    Parameters
    ----------
    name : str
        One of `names`.

    Raises
    ------
    ConfigError
        No such set; the closest names are listed.
    """
    try:
        return _NAMED[name]
    except KeyError:
        raise ConfigError(str(UnknownNameError.of("set of trigger parameters", name, _NAMED))) from None


def names() -> tuple[str, ...]:
    """Give the names of the sets that km3gpu knows."""
    return tuple(_NAMED)


def for_detector(det_id: int | None) -> str | None:
    """Give the name of the set for a detector, None where there is none."""
    return None if det_id is None else _OF_DETECTOR.get(det_id)


def _there_is() -> str:
    return "there is: " + ", ".join(_NAMED)


_NAMED = {
    "orca4": TriggerParameters(
        name="orca4",
        note=(
            "Stored by the data filter in files of detector 44 (ORCA4, runs 6633 and 6884):"
            " the parameters that took these data."
        ),
        prescales=Prescales(timeslices=0, summary=1, l0=0, l1=20, l2=0, sn=1),
    ),
    "arca133": TriggerParameters(
        name="arca133",
        note=(
            "Fitted, not official: no file of detector 133 holds its trigger parameters. The values"
            " reproduce the trigger flags of simulated events of runs 13339 and 13340 best; they were"
            " chosen on every fourth event without FACTORY_LIMIT (51 events). Well supported: the road"
            " width (120 m), the shower's distance (250 m) and its 5 hits, the 110 m and 8 hits of MXShower"
            " and its 25 ns of extra time, an L2 window of 10 ns. Not determined: the other extra times, the"
            " numbers of modules, the muon's distance. The time of an event is what makes snapshots as long"
            " as they are, less the 20 ns that stored parameters of another detector leave unexplained."
        ),
        l2=Coincidence(2, 10.0, -1.0),
        t_max_event_ns=4110.0,
        shower=Shower(True, 5, 1, 250.0, 20.0, 100),
        mx_shower=MXShower(True, 8, 3, 110.0, 25.0, 100),
        muon=Muon(True, 5, 1, 1000.0, 120.0, 10.0, 20.0, 100),
    ),
}

_OF_DETECTOR = {44: "orca4", 133: "arca133"}
