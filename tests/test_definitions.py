"""Numbers of the data format, against km3io's copy of them."""

from __future__ import annotations

from enum import IntEnum

import km3io.definitions as theirs
import numpy as np
import pytest

from km3gpu import definitions as ours
from km3gpu.errors import UnknownNameError


@pytest.mark.parametrize(
    ("mine", "other", "prefix"),
    [
        (ours.Trigger, theirs.trigger, ""),
        (ours.FitParameter, theirs.fitparameters, ""),
        (ours.W2ListGenhen, theirs.w2list_genhen, "W2LIST_GENHEN_"),
        (ours.W2ListGseagen, theirs.w2list_gseagen, "W2LIST_GSEAGEN_"),
        (ours.W2ListKm3buu, theirs.w2list_km3buu, "W2LIST_KM3BUU_"),
        (ours.W2ListKm3neut, theirs.w2list_km3neut, "W2LIST_KM3NEUT_"),
        (ours.Weight, theirs.weightlist, "WEIGHTLIST_"),
        (ours.DaqDataType, theirs.daqdatatypes, "DAQ"),
    ],
)
def test_names_and_numbers(mine, other, prefix):
    assert {prefix + n: int(v) for n, v in mine.__members__.items()} == dict(other)


def test_reconstruction():
    mine = {n: int(v) for n, v in ours.RecStage.__members__.items() if n != "UNKNOWN"}
    mine["RECSTAGE_UNKNOWN"] = int(ours.RecStage.UNKNOWN)
    mine["RECTYPE_UNKNOWN"] = int(ours.RecType.UNKNOWN)
    mine |= {f"{n}_RECONSTRUCTION_TYPE": int(ours.RecType[n]) for n in ("JPP", "AANET", "DUSJ")}
    assert mine == dict(theirs.reconstruction)


def test_track_status():
    mine = {f"TRK_ST_{n}": int(v) for n, v in ours.TrackStatus.__members__.items()}
    assert mine == {n: v for n, v in theirs.trkmembers.items() if n.startswith("TRK_ST_")}


def test_a_generator_by_any_capitals():
    assert ours.w2list_of("gSeaGen") is ours.W2ListGseagen
    assert issubclass(ours.w2list_of("GENHEN"), IntEnum)
    with pytest.raises(UnknownNameError, match="no generator 'genie'; there is: genhen"):
        ours.w2list_of("genie")


def test_bits():
    masks = np.array([0, 2, 22, 1 << 31], np.uint64)
    assert ours.is_bit_set(masks, ours.Trigger.JTRIGGER3DMUON).tolist() == [False, False, True, False]
    assert ours.is_bit_set(22, ours.Trigger.JTRIGGER3DSHOWER)
