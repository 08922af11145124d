"""The definitions of the data format as km3io gives them: dictionaries by the full names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from km3gpu import definitions as _d
from km3gpu.detector import ModuleStatus, PmtStatus
from km3gpu.io.header import FIELDS

__all__ = [
    "AttrDict",
    "applications",
    "daqdatatypes",
    "fitparameters",
    "mc_header",
    "module_status",
    "pmt_status",
    "reconstruction",
    "root",
    "trigger",
    "trkmembers",
    "w2list_genhen",
    "w2list_gseagen",
    "w2list_km3buu",
    "w2list_km3neut",
    "weightlist",
]


class AttrDict(dict[str, Any]):
    """A dictionary whose values are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _named(names: Mapping[str, IntEnum] | type[IntEnum], prefix: str = "") -> AttrDict:
    members = names if isinstance(names, Mapping) else names.__members__
    return AttrDict({prefix + n: int(v) for n, v in members.items()})


daqdatatypes = _named(_d.DaqDataType, "DAQ")
trigger = _named(_d.Trigger)
fitparameters = _named(_d.FitParameter)
w2list_genhen = _named(_d.W2ListGenhen, "W2LIST_GENHEN_")
w2list_gseagen = _named(_d.W2ListGseagen, "W2LIST_GSEAGEN_")
w2list_km3buu = _named(_d.W2ListKm3buu, "W2LIST_KM3BUU_")
w2list_km3neut = _named(_d.W2ListKm3neut, "W2LIST_KM3NEUT_")
weightlist = _named(_d.Weight, "WEIGHTLIST_")
trkmembers = AttrDict(
    {
        "TRK_MOTHER_UNDEFINED": -1,
        "TRK_MOTHER_NONE": -2,
        **_named(_d.TrackStatus, "TRK_ST_"),
        "PDG_MUONBUNDLE": 81,
    }
)
reconstruction = AttrDict(
    {
        **_named({n: v for n, v in _d.RecStage.__members__.items() if n != "UNKNOWN"}),
        **{
            f"{t.name}_RECONSTRUCTION_TYPE": int(t)
            for t in (_d.RecType.JPP, _d.RecType.AANET, _d.RecType.DUSJ)
        },
        "RECTYPE_UNKNOWN": int(_d.RecType.UNKNOWN),
        "RECSTAGE_UNKNOWN": int(_d.RecStage.UNKNOWN),
    }
)

mc_header = {name: list(fields) for name, fields in FIELDS.items()}


def _bits(flags: Any, renamed: Mapping[str, str]) -> AttrDict:
    """Give flags as the positions of their bits, under the names of the data format."""
    return AttrDict({renamed.get(f.name, f.name): int(f).bit_length() - 1 for f in flags})


module_status = _bits(ModuleStatus, {"DISABLE": "MODULE_DISABLE", "OUT_OF_SYNC": "MODULE_OUT_OF_SYNC"})
pmt_status = _bits(PmtStatus, {"DISABLE": "PMT_DISABLE"})

applications = {
    "APPLICATION_GENHEN": "GENHEN",
    "APPLICATION_GSEAGEN": "gSeaGen",
    "APPLICATION_MUPAGE": "MUPAGE",
    "APPLICATION_CORSIKA": "CORSIKA",
    "APPLICATION_KM3BUU": "KM3BUU",
    "APPLICATION_KM3": "km3",
    "APPLICATION_KM3SIM": "KM3Sim",
    "APPLICATION_JSIRENE": "JSirene",
}

_STREAMS = ("", "L0", "L1", "L2", "SN")

root = AttrDict(
    {
        "TTREE_ONLINE_SUMMARYSLICE": "KM3NET_SUMMARYSLICE",
        "TTREE_ONLINE_EVENT": "KM3NET_EVENT",
        "TTREE_OFFLINE_EVENT": "E",
        "TTREE_OSC_OPENDATA_NU": "binned_nu_response",
        "TTREE_OSC_OPENDATA_DATA": "binned_data",
        "TTREE_OSC_OPENDATA_MUONS": "binned_muon",
        "TBRANCH_ONLINE_TIMESLICE": "KM3NET_TIMESLICE",
        "TBRANCH_ONLINE_SUMMARYSLICE": "KM3NET_SUMMARYSLICE",
        "TBRANCH_ONLINE_EVENT": "KM3NET_EVENT",
        "TBRANCH_OFFLINE_EVENT": "Evt",
        **{f"TTREE_ONLINE_TIMESLICE{s}": "_".join(filter(None, ("KM3NET_TIMESLICE", s))) for s in _STREAMS},
        **{f"TBRANCH_ONLINE_TIMESLICE{s}": f"km3net_timeslice_{s}" for s in _STREAMS[1:]},
        # what Jpp writes with: compression, bytes of a basket, level of splitting, entries between flushes
        **{
            f"COMPRESSION_LEVEL_ONLINE_TIMESLICE{s}": n
            for s, n in zip(_STREAMS, (0, 0, 2, 2, 2), strict=True)
        },
        "COMPRESSION_LEVEL_ONLINE_SUMMARYSLICE": 1,
        "COMPRESSION_LEVEL_ONLINE_EVENT": 0,
        "COMPRESSION_LEVEL_OFFLINE_EVENT": 1,
        **{f"BASKET_SIZE_ONLINE_TIMESLICE{s}": 5000000 for s in _STREAMS},
        "BASKET_SIZE_ONLINE_TIMESLICEL0": 500000000,
        **{f"BASKET_SIZE_{s}": 5000000 for s in ("ONLINE_SUMMARYSLICE", "ONLINE_EVENT", "OFFLINE_EVENT")},
        **{f"SPLIT_LEVEL_ONLINE_TIMESLICE{s}": n for s, n in zip(_STREAMS, (1, 2, 2, 2, 2), strict=True)},
        "SPLIT_LEVEL_ONLINE_SUMMARYSLICE": 1,
        "SPLIT_LEVEL_ONLINE_EVENT": 1,
        "SPLIT_LEVEL_OFFLINE_EVENT": 4,
        **{f"AUTOFLUSH_LEVEL_ONLINE_TIMESLICE{s}": 1000 for s in _STREAMS},
        "AUTOFLUSH_LEVEL_ONLINE_SUMMARYSLICE": 1000,
        "AUTOFLUSH_LEVEL_ONLINE_EVENT": 1000,
        "AUTOFLUSH_LEVEL_OFFLINE_EVENT": 500,
    }
)


def _inverse(names: Mapping[str, int]) -> dict[int, str]:
    return {v: k for k, v in names.items()}


trigger_idx = _inverse(trigger)
fitparameters_idx = _inverse(fitparameters)
reconstruction_idx = _inverse(reconstruction)
w2list_genhen_idx = _inverse(w2list_genhen)
w2list_gseagen_idx = _inverse(w2list_gseagen)
w2list_km3buu_idx = _inverse(w2list_km3buu)
w2list_km3neut_idx = _inverse(w2list_km3neut)
pmt_status_idx = _inverse(pmt_status)
trkmembers_idx = _inverse(trkmembers)
module_status_idx = _inverse(module_status)
weightlist_idx = _inverse(weightlist)
