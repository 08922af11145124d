"""Headers, against km3io."""

from __future__ import annotations

import warnings

import km3io
import pytest

import km3gpu
from km3gpu.errors import UnknownNameError
from km3gpu.io.header import Entry, Header, read_header
from km3gpu.io.rootfile import RootFile
from tests.io.trees import ROOT_FILES

OFFLINE = [
    n for n in ROOT_FILES if n.startswith(("offline/", "gseagen/", "mupage/")) and n != "gseagen/gseagen.root"
]


@pytest.mark.parametrize("name", OFFLINE)
def test_every_entry_is_what_km3io_reads(data, name):
    ours = read_header(RootFile(str(data / name)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = km3io.OfflineReader(str(data / name)).header
    if theirs is None:
        if name == "offline/km3net_offline.root":
            # km3io does not find a header object that is called Header
            assert ours.DAQ.livetime == 21584.6
        else:
            assert name in ("offline/muon_cc_events.root", "offline/usr-sample.root")
            assert not ours
        return
    assert set(theirs.keys()) <= set(ours)
    for key, value in theirs.items():
        mine = ours[key]
        if isinstance(value, tuple):
            assert list(vars(mine)) == list(value._fields)[: len(mine)]
            assert list(mine) == list(value)[: len(mine)]
        else:
            assert mine == value
    # km3io drops entries without values
    assert all(ours.raw[k].split() == [] for k in set(ours) - set(theirs.keys()))


def test_known_fields_have_names_and_surplus_values_numbers():
    header = Header(
        {"DAQ": " 394", "can": " 0 1027 888.4", "spectrum": "-1.4 7", "x-y": "a", "start_run": ""}
    )
    assert header.DAQ.livetime == 394
    assert header["can"] == Entry(zmin=0, zmax=1027, r=888.4)
    assert header.spectrum == Entry(alpha=-1.4, field_1=7)
    assert header["x-y"] == "a"
    assert header.start_run == Entry(run_id=None)
    assert len(header.can) == 3
    assert list(header) == ["DAQ", "can", "spectrum", "x-y", "start_run"]


def test_an_unknown_entry_names_the_closest():
    with pytest.raises(UnknownNameError, match="no header entry 'cam'; there is: can"):
        Header({"can": "0 1 2"}).cam  # noqa: B018
    with pytest.raises(AttributeError):
        Header({}).nothing  # noqa: B018


def test_files_without_header_have_none(data):
    assert km3gpu.open(data / "online/muon_cc_daqevents.root", tree="KM3NET_EVENT").header is None


def test_an_empty_header(data):
    assert len(read_header(RootFile(str(data / "offline/usr-sample.root")))) == 0


def test_text_form():
    assert str(Header({"DAQ": " 394", "can": " 0 1 2"})) == "DAQ: 394\ncan: 0 1 2"
