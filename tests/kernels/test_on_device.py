"""Plans on a GPU, with two stand-ins: arrays that behave as cupy's, and kernels that the simulator runs.

The arrays refuse to become arrays of the host by themselves and the launches
refuse arrays of the host, so a run that passes here has done all its work on the
device, with the code that a GPU runs.  The results are those of the CPU, bit for
bit where no sine or cosine is in them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pyarrow.parquet as pq
import pytest

import km3gpu
from km3gpu import backend, stages
from km3gpu.errors import GeometryError
from km3gpu.kernels import launch
from km3gpu.table import Ragged
from tests import fake_cupy
from tests.stages.test_calibrate_truth import DET_49, PAIRS, PLACE, RAW_ONLY, rebuilt

pytestmark = pytest.mark.cudasim

DAQ = "testdata:online/muon_cc_daqevents.root"
SLICES = "testdata:online/km3net_online.root"
SIMULATED = "testdata:offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
RECORDED = "testdata:offline/km3net_offline.root"
DETECTOR = "testdata:datx/KM3NeT_00000133_20221025.datx"
COMPASS = "testdata:calib/KM3NeT_00000133_D_1.0.0_00017397_00017496_1.orientations.root"
ARCA = "testdata:detx/KM3NeT_-00000001_20171212.detx"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a GPU of stand-ins; ``launches`` are the kernels that ran and their streams."""
    monkeypatch.delenv("KM3GPU_BACKEND", raising=False)
    monkeypatch.setattr(launch, "_simulated", False)  # the host's arrays go to the CPU's drivers
    cupy = fake_cupy.make(free=8 * 10**9)
    monkeypatch.setattr(backend, "_cupy", lambda: cupy)
    monkeypatch.setattr(backend, "why_no_gpu", lambda: None)
    backend.cuda_device.cache_clear()
    cupy.launches, cupy.workers = [], set()

    def simulate(kernel: launch.Kernel, where: str, n: int, args: tuple[Any, ...]) -> int:
        assert where == "cuda"
        assert not any(isinstance(a, np.ndarray) for a in args), f"{kernel.name} got an array of the host"
        with contextlib.suppress(ValueError):  # not on a worker of dask
            cupy.workers.add(distributed.get_worker().name)
        cupy.launches.append((kernel.name, cupy.cuda.get_current_stream()))
        host = [a.host if isinstance(a, fake_cupy.DeviceArray) else a for a in args]
        slot = np.full(1, launch.NONE)
        with launch._one_simulation:
            kernel.driver("cuda")[launch.grid_of(kernel, n, simulated=True)](n, *host, slot)  # type: ignore[index]
        return int(slot[0]) if kernel.checks else launch.NONE

    monkeypatch.setattr(launch, "_run_cuda", simulate)
    yield cupy
    backend.cuda_device.cache_clear()


def first_hits(chunk: km3gpu.Chunk, n: int) -> km3gpu.Chunk:
    few = {k: t.filter(np.arange(len(t)) < n) if k.endswith("hits") else t for k, t in chunk.tables.items()}
    return km3gpu.Chunk(chunk.source, few)


CHAINS: dict[str, tuple[str, str | None, list[tuple[str, dict[str, Any]]]]] = {
    "events": (
        DAQ,
        None,
        [
            ("calibrate", {"detector": DETECTOR}),
            ("coincidences", {"l2_window": 20.0, "min_cos": 0.2}),
            ("triggers", {}),
            ("summarise", {}),
            ("flag", {}),
        ],
    ),
    "timeslices": (
        SLICES,
        "KM3NET_TIMESLICE_L1",
        [("veto", {"high_rate_veto": "drop"}), ("build_events", {"detector": DETECTOR, "unknown": "mark"})],
    ),
    "simulated": (
        SIMULATED,
        None,
        [
            ("calibrate", {"detector": ARCA, "mc_hits": True}),
            ("coincidences", {"min_pmts": 2, "chain": True}),
            ("best_track", {}),
            ("truth", {}),
            ("clean", {"radius_m": 90.0}),
            ("causality", {}),
            ("light_select", {"residual_ns": (-300.0, 300.0)}),
            ("summarise", {}),
            ("select", {"hits": "tot > 10"}),
            ("map", {"columns": {"many": "n_hits > 5"}}),
            ("sort", {}),
            ("sample", {"fraction": 0.999}),
            ("concat", {"tables": ("hits", "mc_hits"), "into": "all_hits", "columns": ("pos_x",)}),
        ],
    ),
    "recorded": (
        RECORDED,
        None,
        [("best_track", {}), ("locate", {"site": "arca"}), ("healpix", {})],
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_stages_stay_on_the_device_and_give_what_the_cpu_gives(gpu: Any, name: str) -> None:
    path, tree, chain = CHAINS[name]
    source = km3gpu.open(path, tree=tree)
    last = source.n_events if name == "recorded" else 1
    here = first_hits(source.read(entries=(0, last), backend="cpu"), 1500 if name == "simulated" else 10**9)
    there = here.to(backend.Backend("cuda"))
    for use, parameters in chain:
        stage = stages.make(use, **parameters)
        here, there = stage(here), stage(there)
        assert here.counters == there.counters, use
        for table in here.tables.values():
            for column in table.columns:
                ours, theirs = table.flat(column), there.tables[table.name].flat(column)
                while isinstance(ours, Ragged):
                    ours, theirs = ours.content, theirs.content
                assert isinstance(theirs, fake_cupy.DeviceArray), (use, table.name, column)
                assert theirs.dtype == ours.dtype
                same = np.array_equal(ours, theirs.host, equal_nan=ours.dtype.kind == "f")
                assert same or (
                    use in ("locate", "healpix") and np.allclose(ours, theirs.host, rtol=0, atol=1e-12)
                ), (use, table.name, column)
    assert gpu.launches


# -- the ground truth of calibration, on the device -------------------------------
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", [n for n in PAIRS if "aanet.909" not in n])
def test_jpps_own_hits_come_out(name: str) -> None:
    detx, _, _ = PAIRS[name]
    source = km3gpu.open(f"testdata:offline/{name}.root")
    chunk = first_hits(source.read(tables=("hits", "mc_hits", "events"), backend="cpu"), 2000)
    made = km3gpu.calibrate(chunk.to(backend.Backend("cuda")), f"testdata:{detx}", mc_hits=True)
    for table in ("hits", "mc_hits"):
        for column in PLACE:
            got = made.tables[table].flat(column).host
            np.testing.assert_array_equal(got, chunk.tables[table].flat(column))
    if not name.startswith(RAW_ONLY):
        assert np.abs(made.hits.flat("t").host - chunk.hits.flat("t")).max() <= 1e-8


@pytest.mark.usefixtures("gpu")
def test_real_time_offsets_of_even_events_calibrate_the_odd_ones() -> None:
    source = km3gpu.open(f"testdata:offline/{DET_49}.root")
    chunk = source.read(tables=("hits", "events"), backend="cpu")
    events = np.arange(chunk.n_events)
    detector = rebuilt(chunk, events % 2 == 0)
    odd = km3gpu.Chunk(chunk.source, {n: t.take_events(events[1::2]) for n, t in chunk.tables.items()})
    made = km3gpu.calibrate(odd.to(backend.Backend("cuda")), detector, unknown="mark")
    good = made.hits.flat("quality").host == 0
    assert good.sum() == 8_259
    assert np.abs(made.hits.flat("t").host - odd.hits.flat("t"))[good].max() < 1e-6


@pytest.mark.usefixtures("gpu")
def test_the_online_value_that_the_julia_package_asserts() -> None:
    chunk = km3gpu.open(SLICES, tree="KM3NET_EVENT").read(backend="cuda")
    made = km3gpu.calibrate(chunk, "testdata:detx/km3net_offline.detx", slewing="none")
    assert made.hits.flat("t").host[0] == pytest.approx(30941664.391, abs=1e-6)


@pytest.mark.usefixtures("gpu")
def test_modules_turn_with_the_compass_and_unknown_ones_are_named() -> None:
    chunk = km3gpu.open(DAQ).read(entries=(0, 4), tables=("hits", "events"), backend="cpu")
    chunk = first_hits(chunk, 3000)
    start = int(1693407900e9)
    times = start + np.arange(4) * np.int64(400e9)
    chunk = km3gpu.Chunk(chunk.source, {**chunk.tables, "events": chunk.events.with_columns(time_ns=times)})
    options = {"orientations": COMPASS, "update": 300.0, "uncovered": "static", "outside": "nearest"}
    here = km3gpu.calibrate(chunk, DETECTOR, **options)
    there = km3gpu.calibrate(chunk.to(backend.Backend("cuda")), DETECTOR, **options)
    for column in ("t", *PLACE):
        np.testing.assert_array_equal(there.hits.flat(column).host, here.hits.flat(column))
    with pytest.raises(GeometryError, match="344 of 344 modules of the data"):
        km3gpu.calibrate(chunk.to(backend.Backend("cuda")), ARCA)


PLAN = f"""
[source]
files = ["{SLICES}"]
tree = "KM3NET_EVENT"
chunk = 1
[[stage]]
use = "calibrate"
detector = "{DETECTOR}"
unknown = "mark"
[[stage]]
use = "coincidences"
[[sink]]
format = "parquet"
"""


def test_a_run_gives_the_same_parts_from_streams_of_its_threads(gpu: Any, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)

    def parts(name: str, **options: Any) -> tuple[list[str], set[str]]:
        result = km3gpu.run(tmp_path / "plan.toml", out=tmp_path / name, show=False, **options)
        assert pq.read_table(result.outputs[0]).num_rows == 3
        peak = result.total.counters.get("device/max_pool_bytes")
        assert peak == (None if name == "cpu" else 9.0)  # what the stand-in's pool says
        return [r.outputs[0].digest for r in result.receipts], {r.device for r in result.receipts}

    expected, device = parts("cpu", backend="cpu")
    assert device == {"cpu"}
    assert not gpu.launches
    assert parts("one", backend="cuda") == (expected, {"Stand-in"})
    assert len({id(stream) for _, stream in gpu.launches}) == 1
    gpu.launches.clear()
    # more workers are threads, each with a stream of its own; and a GPU that is there is taken
    assert parts("two", workers=2) == (expected, {"Stand-in"})
    used = {id(stream): stream for _, stream in gpu.launches}
    assert 1 <= len(used) <= 2
    assert all(stream.non_blocking for stream in used.values())
    assert {name for name, _ in gpu.launches} >= {
        "decode.snapshot_hits",
        "calibrate.hits",
        "coincidence.mark",
    }


def test_chunks_go_to_the_dask_worker_that_has_a_gpu(gpu: Any, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}}
    workers = {
        name: {"cls": distributed.Worker, "options": {"nthreads": 1, "resources": resources}}
        for name, resources in {"with": {"GPU": 1}, "without": {}}.items()
    }
    with (
        distributed.SpecCluster(workers=workers, scheduler=scheduler) as cluster,
        distributed.Client(cluster) as client,
    ):
        result = km3gpu.run(
            tmp_path / "plan.toml", out=tmp_path / "out", show=False, backend="cuda", scheduler=client
        )
    assert {r.device for r in result.receipts} == {"Stand-in"}
    assert gpu.workers == {"with"}


def test_a_chunk_that_the_device_cannot_hold_is_split(gpu: Any, tmp_path: Path) -> None:
    class OutOfMemoryError(Exception):
        """As cupy.cuda.memory.OutOfMemoryError, by name."""

    simulated = launch._run_cuda
    most = int(km3gpu.open(SLICES, tree="KM3NET_EVENT").read(tables="hits", backend="cpu").hits.counts.max())

    refused: list[int] = []

    def scarce(kernel: launch.Kernel, where: str, n: int, args: tuple[Any, ...]) -> int:
        if kernel.name == "calibrate.hits" and n > most:
            refused.append(n)
            raise OutOfMemoryError("Out of memory allocating 1,000,000 bytes")
        return simulated(kernel, where, n, args)

    (tmp_path / "plan.toml").write_text(PLAN.replace("chunk = 1", "chunk = 3"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "_run_cuda", scarce)
        result = km3gpu.run(tmp_path / "plan.toml", out=tmp_path / "out", show=False, backend="cuda")
    assert sum(r.n_out for r in result.receipts) == 3
    assert refused
    assert not result.failures
