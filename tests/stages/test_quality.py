"""What happens to hits that do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.detector import Detector
from km3gpu.errors import CalibrationError, ConfigError, GeometryError
from km3gpu.stages import Quality
from km3gpu.stages.calibrate import Calibrate
from km3gpu.table import Table


@pytest.fixture(scope="module")
def tiny(daq: k3.Chunk) -> k3.Chunk:
    return k3.Chunk(daq.source, {n: t.take_events(np.arange(5)) for n, t in daq.tables.items()})


@pytest.fixture(scope="module")
def strange(tiny: k3.Chunk) -> k3.Chunk:
    """Five events with two unknown modules and a channel that is not there."""
    hits = tiny.hits
    dom, channel = hits.flat("dom_id").copy(), hits.flat("channel_id").copy()
    dom[[3, 700]] = 17, 18
    channel[[10, 11, 900]] = 31, 32, 255
    return k3.Chunk(tiny.source, {**tiny.tables, "hits": hits.with_columns(dom_id=dom, channel_id=channel)})


STRANGE = [3, 10, 11, 700, 900]


def test_unknown_pmts_are_an_error_unless_asked_otherwise(strange: k3.Chunk, daq_detector: Detector) -> None:
    with pytest.raises(GeometryError, match=r"2 of \d+ modules of the data \(2 of \d+ hits\)"):
        k3.calibrate(strange, daq_detector)


def test_unknown_pmts_marked(strange: k3.Chunk, daq_detector: Detector) -> None:
    made = k3.calibrate(strange, daq_detector, unknown="mark").hits
    quality = made.flat("quality")
    assert np.flatnonzero(quality).tolist() == STRANGE
    assert quality[[3, 700]].tolist() == [Quality.NO_MODULE] * 2
    assert quality[[10, 11, 900]].tolist() == [Quality.NO_CHANNEL] * 3
    for column in ("t", "pos_x", "dir_z"):
        assert np.flatnonzero(np.isnan(made.flat(column))).tolist() == STRANGE
    for column in ("du", "floor", "pmt_id"):
        assert np.flatnonzero(made.flat(column) == -1).tolist() == STRANGE


def test_unknown_pmts_dropped(strange: k3.Chunk, tiny: k3.Chunk, daq_detector: Detector) -> None:
    made = k3.calibrate(strange, daq_detector, unknown="drop")
    assert made.counters["calibrate/hits_unknown"] == 5
    assert made.counters["calibrate/hits"] == len(strange.hits)
    keep = np.delete(np.arange(len(strange.hits)), STRANGE)
    whole = k3.calibrate(tiny, daq_detector)
    for column in ("t", "pos_y", "dom_id", "tot", "pmt_id"):
        np.testing.assert_array_equal(made.hits.flat(column), whole.hits.flat(column)[keep])
    event = np.repeat(np.arange(5), strange.hits.counts)
    np.testing.assert_array_equal(made.hits.counts, np.bincount(event[keep], minlength=5))


def off(det: Detector, pmt_bits: int, module_bits: int) -> tuple[Detector, np.ndarray]:
    """Give bits to every hundredth PMT, and to the fifth module; and which PMTs are off then."""
    pmt, module = det.pmts.status * 0, det.modules.status * 0
    pmt[::100], module[5] = pmt_bits, module_bits
    changed = det.replace(pmts=replace(det.pmts, status=pmt), modules=replace(det.modules, status=module))
    bad = np.zeros(det.n_pmts, dtype=bool)
    bad[::100] = bool(pmt_bits & 33)
    first = det.modules.first_row[5]
    bad[first : first + det.modules.n_pmts[5]] |= bool(module_bits & 17)
    return changed, bad


@pytest.mark.parametrize(
    ("pmt_bits", "module_bits"), [(1, 0), (32, 16), (0, 1), (2 | 4 | 8 | 16, 2 | 4 | 8), (33, 17)]
)
def test_pmts_that_are_off(tiny: k3.Chunk, daq_detector: Detector, pmt_bits: int, module_bits: int) -> None:
    det, bad = off(daq_detector, pmt_bits, module_bits)
    hits = tiny.hits
    rows = {int(d): int(f) for d, f in zip(det.modules.dom_id, det.modules.first_row, strict=True)}
    row = np.array([rows[int(d)] for d in hits.flat("dom_id")]) + hits.flat("channel_id")
    made = k3.calibrate(tiny, det)
    np.testing.assert_array_equal(made.hits.flat("quality") != 0, bad[row])
    assert np.isfinite(made.hits.flat("t")).all()
    assert made.counters["calibrate/hits_status"] == bad[row].sum()
    dropped = k3.calibrate(tiny, det, status="drop")
    assert len(dropped.hits) == (~bad[row]).sum()
    assert not dropped.hits.flat("quality").any()
    if bad[row].any():
        with pytest.raises(
            CalibrationError, match=r"hits are of PMTs or modules .* off \(in hits of .*status = 'drop'"
        ):
            k3.calibrate(tiny, det, status="error")
    else:
        k3.calibrate(tiny, det, status="error")


def test_bits_tell_pmt_from_module(tiny: k3.Chunk, daq_detector: Detector) -> None:
    det, _ = off(daq_detector, 1, 1)
    found = set(np.unique(k3.calibrate(tiny, det).hits.flat("quality")).tolist())
    assert found <= {0, 8, 16, 24}
    assert found >= {0, 8}


def test_long_times_over_threshold(offline: k3.Chunk, offline_detector: Detector) -> None:
    hits = offline.hits
    tot = hits.flat("tot").copy()
    tot[[5, 6]] = 256, 100_000
    chunk = k3.Chunk(offline.source, {"hits": hits.with_columns(tot=tot)})
    made = k3.calibrate(chunk, offline_detector)
    assert np.flatnonzero(made.hits.flat("quality")).tolist() == [5, 6]
    assert made.hits.flat("quality")[5] == Quality.LONG_TOT
    assert made.counters["calibrate/hits_long_tot"] == 2
    # as in Jpp, they get the last entry of the table
    np.testing.assert_allclose(made.hits.flat("t")[5:7], hits.flat("tdc")[5:7] + 9.04, rtol=0, atol=1e-7)
    assert len(k3.calibrate(chunk, offline_detector, long_tot="drop").hits) == len(hits) - 2
    with pytest.raises(CalibrationError, match="2 of 181484 hits have a time over threshold above 255 ns"):
        k3.calibrate(chunk, offline_detector, long_tot="error")


def test_without_marks_there_is_no_column(tiny: k3.Chunk, daq_detector: Detector) -> None:
    stage = Calibrate(detector=daq_detector, long_tot="drop", status="drop", also=())
    made = stage(tiny)
    assert "quality" not in made.hits
    for table in ("hits", "triggered_hits"):
        added = [c for c in made.tables[table].columns if c not in tiny.tables[table]]
        assert sorted(added) == sorted(stage.writes("daq")[table])
    stage = Calibrate(detector=daq_detector)
    added = [c for c in stage(tiny).hits.columns if c not in tiny.hits]
    assert sorted(added) == sorted(stage.writes("daq")["hits"])


def test_string_floor_and_pmt_of_every_hit(tiny: k3.Chunk, daq_detector: Detector) -> None:
    hits = k3.calibrate(tiny, daq_detector).hits
    m = daq_detector.modules
    for k in range(0, len(hits), 97):
        i = daq_detector.row_of(int(hits.flat("dom_id")[k]))
        assert (hits.flat("du")[k], hits.flat("floor")[k]) == (m.du[i], m.floor[i])
        assert hits.flat("pmt_id")[k] == daq_detector.pmts.pmt_id[m.first_row[i] + hits.flat("channel_id")[k]]


def test_simulated_hits_of_unknown_pmts(offline: k3.Chunk, offline_detector: Detector) -> None:
    pmt_id = offline.mc_hits.flat("pmt_id").copy()
    pmt_id[[2, 9]] = 10**8
    chunk = k3.Chunk(
        offline.source, {"hits": offline.hits, "mc_hits": offline.mc_hits.with_columns(pmt_id=pmt_id)}
    )
    with pytest.raises(GeometryError, match=r"PMT 100000000 is not in .*\(in mc_hits of"):
        k3.calibrate(chunk, offline_detector, mc_hits=True)
    made = k3.calibrate(chunk, offline_detector, mc_hits=True, unknown="mark").mc_hits
    assert np.flatnonzero(made.flat("quality")).tolist() == [2, 9]
    assert np.isnan(made.flat("pos_x")[[2, 9]]).all()
    assert (made.flat("channel_id")[[2, 9]] == -1).all()
    assert len(k3.calibrate(chunk, offline_detector, mc_hits=True, unknown="drop").mc_hits) == 51_511


def test_a_detector_without_pmts(daq_detector: Detector, tiny: k3.Chunk) -> None:
    bases = daq_detector.cut(floors=[0])
    with pytest.raises(GeometryError):
        k3.calibrate(tiny, bases)
    made = k3.calibrate(tiny, bases, unknown="mark").hits
    assert (made.flat("quality") != 0).all()
    assert (made.flat("du") == -1).all()
    assert len(k3.calibrate(tiny, bases, unknown="drop").hits) == 0


def test_no_hits_at_all(daq_detector: Detector, tiny: k3.Chunk) -> None:
    none = Table("hits", {c: tiny.hits.flat(c)[:0] for c in tiny.hits.columns}, np.zeros(3, np.int64))
    for policy in ("drop", "mark"):
        made = k3.calibrate(
            k3.Chunk(tiny.source, {"hits": none}), daq_detector, unknown=policy, status=policy
        )
        assert made.hits.n_events == 2
        assert len(made.hits) == 0


def test_options_that_do_not_exist(daq_detector: Detector) -> None:
    with pytest.raises(ConfigError, match="unknown = 'ignore'; take 'error', 'drop' or 'mark'"):
        Calibrate(detector=daq_detector, unknown="ignore")
    with pytest.raises(ConfigError, match="no property of a PMT 'flor'; there is: floor"):
        Calibrate(detector=daq_detector, also=("flor",))
    with pytest.raises(ConfigError, match="no slewing 'tabel'; there is: table"):
        Calibrate(detector=daq_detector, slewing="tabel")
    with pytest.raises(ConfigError, match=r"update = 0\.0"):
        Calibrate(detector=daq_detector, update=0.0)
    with pytest.raises(ConfigError, match="outside = 'never'"):
        Calibrate(detector=daq_detector, outside="never")
    with pytest.raises(ConfigError, match="uncovered = 'skip'"):
        Calibrate(detector=daq_detector, uncovered="skip")
