"""Rates and distributions: real files against plain counting, made-up slices against what is in them."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import ConfigError, FormatError, GeometryError, UnknownNameError
from km3gpu.stages import noise
from km3gpu.stages.rates import N_PMTS, coincidence_rates, pmt_rates, tot_distributions
from km3gpu.trigger.background import Background

SUMMARY = "online/KM3NeT_00000267_00025291_JDAQEvent_JDAQSummaryslice.root"
STREAM = "online/events_sample.root"
ORCA = "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"


def by_pmt(table: k3.Table, name: str = "rate") -> dict[tuple[int, int], float]:
    keys = zip(table.flat("dom_id").tolist(), table.flat("channel_id").tolist(), strict=True)
    return dict(zip(keys, table.flat(name).tolist(), strict=True))


def test_rates_of_summary_slices(data: Path) -> None:
    source = k3.open(data / SUMMARY, tree="KM3NET_SUMMARYSLICE")
    found = pmt_rates(source.chunks("100 kB"))
    frames = source.read().frames
    want = collections.defaultdict(list)
    for dom, rates, hrv in zip(*(frames.flat(c).tolist() for c in ("dom_id", "rates", "hrv")), strict=True):
        for channel, rate in enumerate(rates):
            want[dom, channel].append((rate, hrv >> channel & 1))
    rate, hrv, n = (by_pmt(found, c) for c in ("rate", "hrv", "n_frames"))
    assert rate.keys() == want.keys()
    for key, values in want.items():
        assert rate[key] == pytest.approx(np.mean([v[0] for v in values]))
        assert hrv[key] == pytest.approx(np.mean([v[1] for v in values]))
        assert n[key] == len(values)
    assert found.attrs["from"] == "rates"
    assert 5e3 < np.median(found.flat("rate")) < 9e3


def test_rates_of_timeslices_are_counts(data: Path) -> None:
    source = k3.open(data / STREAM, tree="KM3NET_TIMESLICE_L1")
    found = pmt_rates(source.chunks("1 MB"), str(data / ORCA))
    hits = source.read().hits
    want = collections.Counter(
        zip(hits.flat("dom_id").tolist(), hits.flat("channel_id").tolist(), strict=True)
    )
    assert len(found) == 69 * N_PMTS
    for key, rate in by_pmt(found).items():
        assert rate == pytest.approx(want[key] / 1.0)  # ten slices of 0.1 s
    # 6,615 L1 hits a second and module were counted in an earlier study
    assert found.flat("rate").sum() / 69 == pytest.approx(6615, rel=1e-3)
    du, floor = found.flat("du"), found.flat("floor")
    assert (np.diff(du * 100 + floor) >= 0).all()


def test_coincidences_of_a_real_stream(data: Path) -> None:
    source = k3.open(data / STREAM, tree="KM3NET_TIMESLICE_L1")
    found = coincidence_rates(source.chunks("1 MB"), str(data / ORCA))
    whole = k3.coincidences(k3.calibrate(source.read(), str(data / ORCA), slewing="none")).clusters
    assert found.flat("count").sum() == len(whole)
    for m in range(1, 8):
        mine = found.flat("multiplicity") == m
        assert found.flat("count")[mine].sum() == (whole.flat("n_pmts") == m).sum()
    assert found.flat("rate").sum() == pytest.approx(len(whole))
    assert (found.flat("n_frames") == 10).all()


def test_what_was_put_in_comes_out(daq_detector: k3.Detector) -> None:
    background = Background(6000.0, (600.0, 60.0))
    slices = [noise(daq_detector, background, modules=8, first_slice=i) for i in range(3)]
    singles = pmt_rates(slices).flat("rate")
    assert singles.mean() == pytest.approx(background.module_hz() / N_PMTS, rel=0.01)
    found = coincidence_rates(slices, daq_detector, most=4)
    total = found.flat("rate").sum() / 8
    assert total == pytest.approx(background.expected_l1_hz(), rel=0.05)
    some = found.flat("count") > 0
    error, live = found.flat("error"), 0.3
    np.testing.assert_allclose(error[some], np.sqrt(found.flat("count")[some]) / live)


def test_times_over_threshold(daq: k3.Chunk) -> None:
    halves = [
        k3.Chunk(daq.source, {n: t.take_events(index) for n, t in daq.tables.items()})
        for index in (np.arange(100), np.arange(100, 250))
    ]
    for table in ("hits", "triggered_hits"):
        found = tot_distributions(halves, table=table)
        hits = daq.tables[table]
        assert found.flat("counts").sum() == len(hits)
        np.testing.assert_array_equal(
            found.flat("counts").sum(axis=0), np.bincount(hits.flat("tot"), minlength=256)
        )
        one = found.flat("dom_id")[5]
        mine = hits.flat("tot")[hits.flat("dom_id") == one]
        np.testing.assert_array_equal(found.flat("counts")[5], np.bincount(mine, minlength=256))


def test_nothing_gives_nothing(daq_detector: k3.Detector) -> None:
    empty = noise(daq_detector, n_slices=0)
    for chunks in ([], [empty]):
        assert len(pmt_rates(chunks)) == 0
        assert len(coincidence_rates(chunks, daq_detector)) == 0
        assert len(tot_distributions(chunks)) == 0


def test_what_has_no_rates_says_so(data: Path, daq: k3.Chunk, daq_detector: k3.Detector) -> None:
    with pytest.raises(FormatError, match="read summary slices or timeslices"):
        pmt_rates([daq])
    with pytest.raises(FormatError, match="no frames"):
        coincidence_rates([daq], daq_detector)
    with pytest.raises(UnknownNameError, match="no table 'hist'"):
        tot_distributions([daq], table="hist")
    slices = noise(daq_detector, modules=2)
    wrong = slices.hits.with_columns(channel_id=np.full(len(slices.hits), 31, np.uint8))
    with pytest.raises(FormatError, match="a hit of channel 31"):
        pmt_rates([k3.Chunk(slices.source, {**slices.tables, "hits": wrong})])
    with pytest.raises(ConfigError, match="most = 1"):
        coincidence_rates([], daq_detector, most=1)
    with pytest.raises(ConfigError, match="unknown = 'mark'"):
        coincidence_rates([], daq_detector, unknown="mark")
    other = k3.open(data / "online/KM3NeT_00000267_00025291_L1.root", tree="KM3NET_TIMESLICE_L1").read()
    with pytest.raises(GeometryError):
        coincidence_rates([other], daq_detector)
    known = coincidence_rates([other], daq_detector, unknown="drop")
    # 300 of the 454 modules of that detector are in this one
    assert len(known) == 300 * 8
    assert (known.flat("du") > 0).all()
    assert known.flat("count").sum() > 100_000
