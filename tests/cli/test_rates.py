"""``km3gpu rates``: what is said of real files, and of files without rates."""

from __future__ import annotations

import json

import numpy as np
import pytest

SUMMARY = "testdata:online/KM3NeT_00000267_00025291_JDAQEvent_JDAQSummaryslice.root"
STREAM = "testdata:online/events_sample.root"
ORCA = "testdata:detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
EVENTS = "testdata:online/muon_cc_daqevents.root"


def test_rates_of_pmts(km3gpu, tmp_path):
    said = km3gpu("rates", SUMMARY, "--plot", tmp_path / "rates.png")
    assert said.code == 0
    assert "KM3NET_SUMMARYSLICE" in said.out
    assert "13,943 with a rate, 131 without" in said.out
    assert (tmp_path / "rates.png").stat().st_size > 20_000
    found = json.loads(km3gpu("rates", SUMMARY, "--json").out)
    assert len(found["rate"]) == 454 * 31
    assert np.median(found["rate"]) == pytest.approx(5500, rel=0.01)
    stored = json.loads(km3gpu("rates", STREAM, "--tree", "KM3NET_TIMESLICE_L1", "-a", ORCA, "--json").out)
    assert sum(stored["rate"]) == pytest.approx(456_453)
    assert set(stored["du"]) == {1, 2, 9, 10}


def test_coincidences(km3gpu, tmp_path):
    said = km3gpu("rates", STREAM, "--of", "coincidences", "-a", ORCA, "--plot", tmp_path / "c.svg")
    assert said.code == 0
    assert "KM3NET_TIMESLICE_L1" in said.out
    assert "8 PMTs or more" in said.out
    assert "of two PMTs" in (tmp_path / "c.svg").read_text()


def test_times_over_threshold(km3gpu, tmp_path):
    said = km3gpu("rates", EVENTS, "--of", "tot", "--plot", tmp_path / "t.png")
    assert said.code == 0
    assert "319,713" in said.out
    assert "29.71 ns" in said.out
    found = json.loads(km3gpu("rates", EVENTS, "--of", "tot", "--json").out)
    assert sum(map(sum, found["counts"])) == 319_713


def test_what_is_not_right(km3gpu, tmp_path):
    assert "no kind of rates 'pmt'; there is: pmts" in km3gpu("rates", SUMMARY, "--of", "pmt").error()
    assert "give --detector FILE" in km3gpu("rates", STREAM, "--of", "coincidences").error()
    assert "KM3NET_SUMMARYSLICE" in km3gpu("rates", EVENTS).error()
    assert "no file" in km3gpu("rates", tmp_path / "none.root").error()
    assert "is no name of a picture" in km3gpu("rates", SUMMARY, "--plot", tmp_path / "x.gifff").error()
