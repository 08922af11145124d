"""Ground truth of KM3io.jl's tests that belongs to several rooms, and where the rest of it is checked.

Numbers of files are in the tests of their readers: DAQ events in
``test_events``, summary slices in ``test_summaryslices``, timeslices in
``test_timeslices``, dumps in ``test_daqdump``, offline events in
``test_offline``, META in ``test_meta``, summaries, oscillations, acoustics and
orientations in ``test_flattree``; detector descriptions, their calibration,
attitudes and light in ``tests/detector``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import km3gpu
from km3gpu.astro import utm
from km3gpu.astro.sites import site
from km3gpu.detector import Detector
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.matching import simulated_events

MUPAGE = "mupage/mcv8.1.mupage_tuned_100G.sirene.jterbr00013288.10.root"
DETX = "detx/KM3NeT_00000133_20221025.detx"
DATX = "datx/KM3NeT_00000133_20221025.datx"


def test_daq_events_and_their_simulated_events(data):
    daq = km3gpu.open(data / MUPAGE, tree="KM3NET_EVENT").read(backend="cpu")
    made_of = simulated_events(daq)
    sizes = [daq.hits.counts, daq.triggered_hits.counts, made_of.mc_hits.counts, made_of.mc_tracks.counts]
    assert [int(s[0]) for s in sizes] == [756, 28, 94, 2]
    assert [int(s[-1]) for s in sizes] == [707, 27, 111, 4]
    part = km3gpu.open(data / MUPAGE, tree="KM3NET_EVENT").read(entries=(4, 7), backend="cpu")
    assert simulated_events(part, columns=["mc_hits/t"]).mc_hits.counts.tolist() == [110, 51, 98]


def test_simulated_events_in_any_order_and_of_another_file(data, tmp_path):
    (tmp_path / "other.root").write_bytes((data / MUPAGE).read_bytes())
    daq = km3gpu.open(data / MUPAGE, tree="KM3NET_EVENT").read(backend="cpu")
    order = np.array([8, 2, 2])
    turned = km3gpu.Chunk(daq.source, {n: t.take_events(order) for n, t in daq.tables.items()})
    made_of = simulated_events(turned, str(tmp_path / "other.root"))
    assert made_of.mc_hits.counts.tolist() == [394, 51, 51]
    none = km3gpu.Chunk(daq.source, {n: t.take_events(order[:0]) for n, t in daq.tables.items()})
    assert simulated_events(none).n_events == 0


def test_events_of_no_simulation(data):
    daq = km3gpu.open(data / MUPAGE, tree="KM3NET_EVENT").read("events", backend="cpu")
    with pytest.raises(FormatError, match=r"but there are 3 .*usr-sample\.root"):
        simulated_events(daq, str(data / "offline/usr-sample.root"))
    real = km3gpu.open(data / "online/km3net_online.root", tree="KM3NET_EVENT").read("events", backend="cpu")
    with pytest.raises(FormatError, match=r"but there are 0 .*km3net_online\.root"):
        simulated_events(real)
    with pytest.raises(UnknownNameError, match="no tree 'E'"):
        simulated_events(real, str(data / "gseagen/gseagen.root"))


def test_detector_133(data):
    text, binary = Detector.open(data / DETX), Detector.open(data / DATX)
    for detector in (text, binary):
        assert (detector.n_modules, detector.n_pmts) == (399, 11718)
        assert (detector.modules.floor == 0).sum() == 21
        assert len(detector.dus) == 21
        u = detector.utm
        assert (u.easting, u.northing, u.z, u.zone) == (587600, 4016800, -3450, "33N")
    assert np.allclose(text.pmts.pos, binary.pmts.pos, rtol=0, atol=1e-5)
    assert np.allclose(text.pmts.dir, binary.pmts.dir, rtol=0, atol=1e-5)
    assert np.allclose(text.pmts.t0, binary.pmts.t0, rtol=0, atol=1e-5)
    assert np.allclose(text.modules.pos, binary.modules.pos, rtol=0, atol=1e-5)


def test_where_detector_133_is():
    latitude, longitude = utm.to_geodetic(587600.0, 4016800.0, "33N")
    assert longitude == pytest.approx(0.2788259891652955, abs=1e-10)
    assert latitude == pytest.approx(0.6334183919376817, abs=1e-10)
    # KM3io.jl leaves out terms of the convergence of the order of 1e-8
    assert utm.from_geodetic(latitude, longitude, 33)[2] == pytest.approx(0.010078736515781934, abs=1e-8)


def test_from_arca_to_orca():
    a, b = site("arca"), site("orca")
    h = math.sin((b.latitude - a.latitude) / 2) ** 2
    h += math.cos(a.latitude) * math.cos(b.latitude) * math.sin((b.longitude - a.longitude) / 2) ** 2
    assert 2 * 6_371_000 * math.asin(math.sqrt(h)) == pytest.approx(1.1175809517026003e6, abs=1e-3)


@pytest.mark.parametrize("name", ["detx/detx_v4.detx", "detx/detx_v5.detx", DETX])
def test_older_versions_have_the_modules_where_the_newer_ones_say(data, tmp_path, name):
    """Files before version 4 hold no positions of modules: they are where the axes of the PMTs cross.

    KM3io.jl checks that on samples that are not shipped; here a description is
    written in the older versions, without its base modules, which have no PMTs.
    """
    detector = Detector.open(data / name)
    detector = detector.cut(where=detector.modules.n_pmts > 0)
    for version in (1, 2, 3):
        path = tmp_path / f"v{version}.detx"
        detector.write(path, version)
        again = Detector.open(path)
        assert again.n_modules == detector.n_modules
        assert (
            np.abs(again.modules.pos - detector.modules.pos).max() < 1e-3
        )  # rounded axes; a wrong formula gives 7 mm
        assert np.allclose(again.pmts.t0, detector.pmts.t0, rtol=0, atol=1e-3)
