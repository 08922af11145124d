"""Calibration against hits that Jpp itself calibrated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.detector import Detector, Modules, Pmts, Utm
from km3gpu.kernels.slewing import SLEWING
from km3gpu.stages.calibrate import Calibrate

PLACE = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
V2 = "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx"
ARCA = "detx/KM3NeT_-00000001_20171212.detx"

# file: detector, hits, simulated hits (reference table of the project)
PAIRS = {
    "mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1": (ARCA, 181_484, 51_513),
    "mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca.909.evtsample": (V2, 11_183, 1_200),
    "mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca.aanet.909.evtsample": (V2, 11_183, 1_200),
    "mcv5.1.genhen_anumuNC.sirene.jte.jchain.aashower.sample": (ARCA, 38_174, 470),
}
RAW_ONLY = "mcv5.1.genhen"  # its t is the raw integer, and tdc is 0
DET_49 = "mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905"


@pytest.mark.parametrize("name", PAIRS)
def test_geometry_is_jpps_to_the_bit_and_time_to_its_rounding(data: Path, name: str) -> None:
    detx, n_hits, n_mc_hits = PAIRS[name]
    chunk = k3.open(data / f"offline/{name}.root").read(tables=("hits", "mc_hits", "events"))
    made = k3.calibrate(chunk, str(data / detx), mc_hits=True, also=["du", "floor", "pmt_id"])
    assert (len(made.hits), len(made.mc_hits)) == (n_hits, n_mc_hits)
    for table in ("hits", "mc_hits"):
        for column in PLACE:
            np.testing.assert_array_equal(made.tables[table].flat(column), chunk.tables[table].flat(column))
    if not name.startswith(RAW_ONLY):
        assert np.abs(made.hits.flat("t") - chunk.hits.flat("t")).max() <= 1e-8
    # simulated hits keep their true times
    np.testing.assert_array_equal(made.mc_hits.flat("t"), chunk.mc_hits.flat("t"))
    # identifiers, too, are those that Jpp filled in
    np.testing.assert_array_equal(made.hits.flat("pmt_id"), chunk.hits.flat("pmt_id"))
    np.testing.assert_array_equal(made.mc_hits.flat("dom_id"), chunk.mc_hits.flat("dom_id"))
    assert not made.hits.flat("quality").any()
    assert not made.mc_hits.flat("quality").any()


@pytest.mark.parametrize(
    ("slewing", "spread"),
    [("none", 1.592), ("parametric1", 0.702), ("parametric2", 0.388), ("table", 0.0)],
)
def test_of_the_slewings_only_the_table_is_jpps(
    offline: k3.Chunk, offline_detector: Detector, slewing: str, spread: float
) -> None:
    made = k3.calibrate(offline, offline_detector, slewing=slewing)
    assert (made.hits.flat("t") - offline.hits.flat("t")).std() == pytest.approx(spread, abs=5e-4)


@pytest.fixture(scope="module")
def of_49(data: Path) -> k3.Chunk:
    return k3.open(data / f"offline/{DET_49}.root").read(tables=("hits", "events"))


def rebuilt(chunk: k3.Chunk, events: np.ndarray) -> Detector:
    """Make a detector of what Jpp's own calibration of some events tells of its PMTs."""
    h = chunk.hits
    use = np.flatnonzero(events[np.repeat(np.arange(h.n_events), h.counts)])
    dom, channel, tot = (h.flat(c)[use].astype(np.int64) for c in ("dom_id", "channel_id", "tot"))
    t0 = h.flat("t")[use] - h.flat("tdc")[use] + SLEWING[np.minimum(tot, 255)]
    ids, module = np.unique(dom, return_inverse=True)
    row = 31 * module + channel
    columns = {"t0": np.zeros(31 * len(ids)), "pos": np.zeros((31 * len(ids), 3))}
    columns["dir"] = np.tile([0.0, 0.0, 1.0], (31 * len(ids), 1))
    columns["t0"][row] = t0
    for name in ("pos", "dir"):
        columns[name][row] = np.column_stack([h.flat(f"{name}_{c}")[use] for c in "xyz"])
    seen = np.zeros(31 * len(ids))
    seen[row] = 1
    zero, first = np.zeros(len(ids)), 31 * np.arange(len(ids))
    modules = Modules(
        dom_id=ids,
        du=np.arange(len(ids)),
        floor=zero + 1,
        pos=np.zeros((len(ids), 3)),
        quaternion=np.tile([1.0, 0, 0, 0], (len(ids), 1)),
        t0=zero,
        status=zero,
        first_row=first,
        n_pmts=zero + 31,
    )
    # PMTs that were not seen are off
    pmts = Pmts(np.arange(31 * len(ids)), columns["pos"], columns["dir"], columns["t0"], 1 - seen)
    utm = Utm(256500.0, 4743000.0, -2440.0, "32N", "WGS84")
    return Detector(49, 5, (), (0.0, 1e12), utm, modules, pmts)


@pytest.mark.parametrize("suffix", [".detx", ".datx"])
def test_real_time_offsets_of_even_events_calibrate_the_odd_ones(
    of_49: k3.Chunk, tmp_path: Path, suffix: str
) -> None:
    events = np.arange(of_49.n_events)
    rebuilt(of_49, events % 2 == 0).write(tmp_path / f"det49{suffix}")
    det = Detector.open(tmp_path / f"det49{suffix}")
    on = det.pmts.status == 0
    assert on.sum() > 2500
    assert 207_097 < det.pmts.t0[on].min() < det.pmts.t0[on].max() < 208_616

    odd = k3.Chunk(of_49.source, {n: t.take_events(events[1::2]) for n, t in of_49.tables.items()})
    assert len(odd.hits) == 8_848
    made = k3.calibrate(odd, det, unknown="mark")
    good = made.hits.flat("quality") == 0
    assert good.sum() == 8_259
    assert np.abs(made.hits.flat("t") - odd.hits.flat("t"))[good].max() < 1e-6
    for column in PLACE:
        np.testing.assert_array_equal(made.hits.flat(column)[good], odd.hits.flat(column)[good])
    dropped = k3.calibrate(odd, det, unknown="drop", status="drop")
    assert len(dropped.hits) == 8_259
    assert (
        sum(
            v for k, v in dropped.counters.items() if k in ("calibrate/hits_unknown", "calibrate/hits_status")
        )
        == 589
    )


def test_all_events_give_constant_offsets(of_49: k3.Chunk) -> None:
    det = rebuilt(of_49, np.ones(of_49.n_events, dtype=bool))
    made = Calibrate(detector=det, check=True)(of_49)
    assert made.counters["calibrate/hits_compared"] == 17_923
    assert made.counters["calibrate/hits_status"] == 0
    assert made.counters["calibrate/max_hits_t_ns"] < 1e-6
    assert made.counters["calibrate/max_hits_pos_m"] == 0
    assert made.counters["calibrate/max_hits_dir"] == 0
    assert (det.pmts.status == 0).sum() == 3_133


SIMULATED = """
import sys
import numpy as np
import km3gpu as k3
from km3gpu.backend import select

chunk = k3.open(sys.argv[1]).read(tables=("hits", "mc_hits", "events"), entries=(0, 1))
few = k3.Chunk(chunk.source, {n: t if n == "events" else t.filter(np.arange(len(t)) < 300)
                              for n, t in chunk.tables.items()})
made = k3.calibrate(few.to(select("cudasim")), sys.argv[2], mc_hits=True)
for table in ("hits", "mc_hits"):
    for c in ("t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z"):
        apart = np.abs(made.tables[table].flat(c) - few.tables[table].flat(c)).max()
        assert apart <= (1e-8 if c == "t" else 0.0), (table, c, apart)
print(len(made.hits), len(made.mc_hits), int(made.hits.flat("quality").max()))
"""


def test_the_simulated_gpu_gives_the_same(data: Path) -> None:
    name = next(iter(PAIRS))
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED, str(data / f"offline/{name}.root"), str(data / PAIRS[name][0])],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "KM3GPU_BACKEND": "cudasim"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["300", "300", "0"]
