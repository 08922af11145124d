"""The trigger parameters that a DAQ file holds: JTRIGGER::JTriggerParameters.

The object is read by the description of its classes that the file carries
(TStreamerInfo), so a file with another version of the parameters is either read
by its own names or refused, never misread.
"""

from __future__ import annotations

from typing import Any

from km3gpu.errors import FormatError
from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.rootfile import RootFile
from km3gpu.io.streamers import Member, Streamers, streamers
from km3gpu.trigger.parameters import (
    Coincidence,
    Muon,
    MXShower,
    NanoBeacon,
    Prescales,
    Shower,
    TriggerParameters,
)

__all__ = ["CLASS", "read_trigger_parameters"]

CLASS = "JTRIGGER::JTriggerParameters"

# numbers of types in ROOT's TVirtualStreamerInfo, and the struct code of each
_BASIC = {3: "i", 5: "f", 8: "d", 13: "I", 16: "q", 17: "Q", 18: "B"}
_BOOL = 18
_BASE, _TOBJECT, _OBJECTS, _STL = 0, 66, (61, 62), 500
_MEMBER_WISE = 0x4000


def read_trigger_parameters(file: RootFile) -> TriggerParameters | None:
    """Read the trigger parameters of a file.

    Parameters
    ----------
    file : RootFile
        An open file.

    Returns
    -------
    TriggerParameters or None
        None for a file that holds none.

    Raises
    ------
    FormatError
        The object does not parse, or lacks a parameter.
    """
    key = file.find(CLASS)
    if key is None:
        return None
    classes = streamers(file)

    def parse() -> TriggerParameters:
        cursor = file.cursor(key)
        values = _object(cursor, CLASS, classes)
        if cursor.pos != len(cursor.data):
            raise UnreadableError(f"{len(cursor.data) - cursor.pos} bytes are left over")
        return _parameters(values, file.path)

    return file.parse(f"object {CLASS}", parse)


def _object(c: Cursor, name: str, classes: Streamers) -> dict[str, Any]:
    """Read one object with its byte count: values by member name."""
    version, stop = c.version()
    members = classes.get((name, version))
    if members is None:
        raise UnreadableError(f"the file does not describe version {version} of class {name}")
    values = {m.name: _member(c, m, classes) for m in members}
    if stop >= 0 and c.pos != stop:
        raise UnreadableError(f"an object of class {name} ends {stop - c.pos:+d} bytes from where it should")
    return values


def _member(c: Cursor, m: Member, classes: Streamers) -> Any:
    if m.code in _BASIC and not m.length:
        value = c.get(_BASIC[m.code])
        return bool(value) if m.code == _BOOL else value
    if m.code == _TOBJECT:
        return c.object_base()
    if m.code in (_BASE, *_OBJECTS):
        return _object(c, m.name if m.code == _BASE else m.type_name, classes)
    if m.code == _STL and m.type_name.startswith("vector<"):
        return _vector(c, m.type_name.removeprefix("vector<").removesuffix(">"), classes)
    raise UnreadableError(f"member {m.name!r} of type {m.type_name} (number {m.code}) cannot be read")


def _vector(c: Cursor, name: str, classes: Streamers) -> list[dict[str, Any]]:
    """Read a vector of objects, stored one by one or member by member."""
    version, stop = c.version()
    if version & _MEMBER_WISE:
        members = classes.get((name, c.get("H")))
        if members is None:
            raise UnreadableError(f"the file does not describe class {name}")
        n = _count(c)
        columns = {m.name: [_member(c, m, classes) for _ in range(n)] for m in members}
        items = [{k: column[i] for k, column in columns.items()} for i in range(n)]
    else:
        items = [_object(c, name, classes) for _ in range(_count(c))]
    if stop >= 0 and c.pos != stop:
        raise UnreadableError(f"a vector of {name} does not end where it should")
    return items


def _count(c: Cursor) -> int:
    n = c.get("i")
    if not 0 <= n <= len(c.data):
        raise UnreadableError(f"a vector of {n} items")
    return int(n)


def _parameters(v: dict[str, Any], path: str) -> TriggerParameters:
    try:
        nb = v["triggerNB"]
        return TriggerParameters(
            name=path,
            note=f"Stored in {path} as {CLASS}.",
            high_rate_veto_hz=v["highRateVeto_Hz"],
            t_max_local_ns=v["TMaxLocal_ns"],
            t_max_event_ns=v["TMaxEvent_ns"],
            number_of_bins=v["numberOfBins"],
            combine_l1=v["combineL1"],
            l2=_coincidence(v["L2"]),
            sn=_coincidence(v["SN"]),
            shower=Shower(**_hits(v["trigger3DShower"])),
            mx_shower=MXShower(**_hits(v["triggerMXShower"])),
            muon=Muon(
                **_hits(v["trigger3DMuon"]),
                road_width_m=v["trigger3DMuon"]["roadWidth_m"],
                grid_angle_deg=v["trigger3DMuon"]["gridAngle_deg"],
            ),
            nb=NanoBeacon(enabled=nb["enabled"], d_max_m=nb["DMax_m"], pmts=_pmts(nb["pmts"])),
            prescales=Prescales(
                timeslices=v["writeTimeslices"]["prescale"],
                summary=v["writeSummary"]["prescale"],
                l0=v["writeL0"]["prescale"],
                l1=v["writeL1"]["prescale"],
                l2=v["writeL2"]["prescale"],
                sn=v["writeSN"]["prescale"],
            ),
        )
    except KeyError as missing:
        raise FormatError(
            f"{CLASS} holds no {missing.args[0]}",
            where=path,
            remedy="give the parameters by name or as a TOML file",
        ) from None


def _hits(v: dict[str, Any]) -> dict[str, Any]:
    return {
        "enabled": v["enabled"],
        "number_of_hits": v["numberOfHits"],
        "number_of_modules": v["numberOfModules"],
        "d_max_m": v["DMax_m"],
        "t_max_extra_ns": v["TMaxExtra_ns"],
        "factory_limit": v["factoryLimit"],
    }


def _coincidence(v: dict[str, Any]) -> Coincidence:
    return Coincidence(v["numberOfHits"], v["TMaxLocal_ns"], v["ctMin"])


def _pmts(selector: dict[str, Any]) -> tuple[str, ...]:
    items = next((v for v in selector.values() if isinstance(v, list)), [])
    return tuple(f"{_any(i['moduleID'])}:{_any(i['pmtAddress'])}" for i in items)


def _any(identifier: int) -> str:
    return "*" if identifier < 0 else str(identifier)
