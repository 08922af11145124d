from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import GeometryError
from km3gpu.stages import noise
from km3gpu.trigger.background import Background


def test_slices_of_a_detector_go_through_the_verbs(daq_detector: k3.Detector) -> None:
    chunk = noise(daq_detector, n_slices=2, modules=10, seed=1)
    assert (chunk.n_events, len(chunk.frames)) == (2, 20)
    assert chunk.frames.flat("n_hits").sum() == len(chunk.hits)
    assert set(chunk.hits.flat("dom_id")) <= set(daq_detector.modules.dom_id)
    # t0s as in the detector: coincidences come back where hits are calibrated
    found = k3.coincidences(k3.calibrate(chunk, daq_detector, slewing="none"))
    want = Background().expected_l1_hz() * 0.1 * 20
    assert abs(len(found.clusters) - want) < 4 * np.sqrt(want)
    assert chunk.events.flat("frame_index").tolist() == [1, 2]
    assert noise(daq_detector, modules=10, seed=1).id != noise(daq_detector, modules=10, seed=2).id


def test_slices_one_by_one_are_the_same(daq_detector: k3.Detector) -> None:
    both = noise(daq_detector, n_slices=2, modules=3)
    second = noise(daq_detector, n_slices=1, modules=3, first_slice=1)
    assert np.array_equal(both.hits.flat("tdc")[both.hits.offsets[1] :], second.hits.flat("tdc"))
    assert second.events.flat("time_ns").tolist() == [100_000_000]


def test_a_detector_without_pmts(data: Path) -> None:
    with pytest.raises(GeometryError, match="modules of no PMTs"):
        noise(k3.Detector.open(data / "datx/KM3NeT_00000133_20221025.datx"), modules=0)
