"""The table of fields: consistent with itself and with a real offline file."""

from __future__ import annotations

import re

import astropy.units
import numpy as np
import pytest
import uproot

from km3gpu.chunk import TABLES
from km3gpu.errors import UnknownNameError
from km3gpu.schema import FIELDS, field, fields_of

OFFLINE = {"hits": "hits", "mc_hits": "mc_hits", "tracks": "trks", "mc_tracks": "mc_trks"}


def innermost(dtype):
    return dtype.strip("[]")


@pytest.mark.parametrize("key", FIELDS, ids="/".join)
def test_every_field_is_complete(key):
    f = FIELDS[key]
    assert (f.table, f.name) == key
    assert f.meaning.endswith(".")
    assert f.meaning[0].isupper()
    assert f.frame in ("", "detector", "sky (ICRS)")
    if innermost(f.dtype) != "str":
        assert np.dtype(innermost(f.dtype)).itemsize > 0
    if f.daq_dtype:
        assert np.dtype(f.daq_dtype).itemsize < np.dtype(f.dtype).itemsize
    assert f.dtype.count("[") == f.dtype.count("]")


def test_tables_are_those_of_a_chunk():
    assert {table for table, _ in FIELDS} <= set(TABLES)


def test_units_are_real():
    for unit in {f.unit for f in FIELDS.values()} - {"", "npe"}:  # photo-electrons: not in astropy
        astropy.units.Unit(unit)


def test_times_are_never_float32():
    times = [f for f in FIELDS.values() if re.match(r"t$|t_|time_ns|tdc", f.name)]
    assert len(times) > 5
    assert "f4" not in {f.dtype for f in times}


def test_positions_and_directions_name_their_frame():
    for f in FIELDS.values():
        if re.search(r"(^|_)(pos|dir)_[xyz]$", f.name):
            assert f.frame == "detector"


def test_unknown_field_lists_the_closest():
    with pytest.raises(UnknownNameError, match=r"no field 'channel' .*there is: channel_id"):
        field("hits", "channel")


def test_fields_of_keeps_the_order():
    assert [f.name for f in fields_of("hits")][:4] == ["id", "dom_id", "channel_id", "tdc"]
    assert fields_of("no such table") == ()


@pytest.mark.parametrize("table", OFFLINE)
def test_branches_and_dtypes_are_those_of_a_real_file(table, data):
    file = data / "offline" / "mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
    collection = OFFLINE[table]
    seen = 0
    with uproot.open(file) as f:
        tree = f["E"]
        names = set(tree.keys(full_paths=False))
        for fld in fields_of(table):
            branch = f"{collection}.{fld.branch}"
            if not fld.branch or branch not in names:
                continue
            typename = tree[branch].typename
            assert dtype_of(typename) == innermost(fld.dtype), f"{branch}: {typename}"
            seen += 1
    assert seen >= 10


def dtype_of(typename):
    """Reduce a C++ type name as ROOT gives it to the schema's spelling."""
    if "string" in typename or "TString" in typename:
        return "str"
    bare = re.sub(r"std::vector<|>|\[\]|const", "", typename).strip()
    return {
        "int32_t": "i4",
        "uint32_t": "u4",
        "uint64_t": "u8",
        "int64_t": "i8",
        "double": "f8",
        "float": "f4",
        "uint8_t": "u1",
    }[bare]
