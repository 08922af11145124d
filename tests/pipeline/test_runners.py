"""The same bytes from every runner, and workers that die."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import distributed
import pytest

from km3gpu.errors import BackendError, ConfigError, Km3GpuError, RunFailedError
from km3gpu.pipeline import Task, make_plan, read_recipe, resume, run
from km3gpu.pipeline.connecting import same_dask
from km3gpu.pipeline.sealed import run_sealed, seal

PlanMaker = Callable[..., Path]


def merged(out: Path) -> list[bytes]:
    return [(out / n).read_bytes() for n in ("events.parquet", "events.h5")]


_REFERENCE: list[bytes] = []


@pytest.fixture
def reference(tmp_path: Path, odd: PlanMaker) -> list[bytes]:
    if not _REFERENCE:  # where a run lies, and where its user's stage lies, are no part of its output
        run(odd(sinks="parquet hdf5"), out=tmp_path / "serial")
        _REFERENCE.extend(merged(tmp_path / "serial"))
    return _REFERENCE


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[distributed.Client]:
    folder = tmp_path_factory.mktemp("dask")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=str(folder)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "how",
    [
        {"workers": 2, "runner": "threads"},
        {"workers": 2, "runner": "processes"},
        pytest.param({"workers": 3, "runner": "processes", "window": 1}, marks=pytest.mark.soak),
        {"threads": 1},
    ],
    ids=str,
)
def test_the_same_bytes(
    tmp_path: Path, odd: PlanMaker, reference: list[bytes], how: dict[str, object]
) -> None:
    result = run(odd(sinks="parquet hdf5"), out=tmp_path / "out", **how)  # type: ignore[arg-type]
    assert len(result.receipts) == 10
    assert merged(tmp_path / "out") == reference


def test_the_same_bytes_from_dask(
    tmp_path: Path, odd: PlanMaker, reference: list[bytes], client: distributed.Client
) -> None:
    by_client = run(odd(sinks="parquet hdf5"), out=tmp_path / "client", scheduler=client)
    address = client.scheduler.address
    run(odd(sinks="parquet hdf5"), out=tmp_path / "address", scheduler=address)
    assert merged(tmp_path / "client") == merged(tmp_path / "address") == reference
    assert len({r.worker for r in by_client.receipts}) == 2
    assert client.status == "running"


def test_no_scheduler_there(tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("km3gpu.pipeline.connecting.PATIENCE", "1s")
    with pytest.raises(BackendError, match=r"no dask scheduler at 'tcp://127\.0\.0\.1:9'"):
        run(odd(), out=tmp_path / "out", scheduler="tcp://127.0.0.1:9")


def test_clients_that_cannot_be_used(tmp_path: Path, odd: PlanMaker, client: distributed.Client) -> None:
    closed = distributed.Client(client.scheduler.address)
    closed.close()
    for wrong, words in ((closed, "the dask client is closed"), (42, "scheduler = 42")):
        with pytest.raises((BackendError, ConfigError), match=words):
            run(odd(), out=tmp_path / "out", scheduler=wrong)


def test_a_scheduler_of_another_version() -> None:
    there = SimpleNamespace(
        versions=lambda: {"packages": {"distributed": "1999.1.0"}}, address="tcp://there:1"
    )
    client = SimpleNamespace(scheduler=there, sync=lambda ask: ask())
    with pytest.raises(BackendError, match=r"the dask scheduler runs distributed 1999\.1\.0, this is 20"):
        same_dask(client)


def test_a_worker_without_km3gpu_is_told_of_and_lives_on(
    tmp_path: Path, odd: PlanMaker, client: distributed.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object) -> bytes:
        return pickle.dumps(Nowhere())

    monkeypatch.setattr("km3gpu.pipeline.cluster.call", absent)
    before = client.run(os.getpid)
    with pytest.raises(Km3GpuError, match="a worker cannot import km3gpu: No module named 'nowhere'"):
        run(odd(), out=tmp_path / "out", scheduler=client)
    assert client.run(os.getpid) == before


class Nowhere:
    """Pickles as a call of a module that is not there."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return importlib.import_module, ("nowhere",)


def test_no_worker_left(tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("km3gpu.pipeline.cluster.NO_WORKERS", 0.5)
    monkeypatch.setattr("km3gpu.pipeline.cluster.LOOK", 0.1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(BackendError, match="no dask worker for"),
    ):
        run(odd(), out=tmp_path / "out", scheduler=client)


def test_a_stage_that_a_worker_cannot_import(odd: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(odd())
    plan = make_plan(recipe)
    origin = plan.chunks[0].origin
    task = Task(plan.chunks[0].id, origin, plan.inputs[0], recipe.stages, plan.history, (), "out", plan.code)
    data = seal(task)
    monkeypatch.delitem(sys.modules, "oddstage")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not (Path(p) / "oddstage.py").exists()])
    receipt = run_sealed(data)
    assert receipt.state == "failed"
    assert receipt.fault is not None
    assert receipt.fault.kind == "setup"
    assert "cannot import a stage: No module named 'oddstage'" in receipt.fault.message


def test_settings_that_do_not_go_together(tmp_path: Path, odd: PlanMaker) -> None:
    for how, words in (
        ({"workers": 2, "runner": "serial"}, "2 workers"),
        ({"scheduler": "local", "runner": "threads"}, "a scheduler, but"),
        ({"memory": "1 GB"}, "cannot limit memory"),
    ):
        with pytest.raises(ConfigError, match=words):
            run(odd(), out=tmp_path / "out", **how)  # type: ignore[arg-type]


def test_chunks_of_one_file_stay_with_one_worker(tmp_path: Path, odd: PlanMaker, data: Path) -> None:
    files = [tmp_path / f"{i}.root" for i in range(4)]
    for f in files:
        f.write_bytes((data / "online/muon_cc_daqevents.root").read_bytes() + f.name.encode())
    result = run(odd(chunk=50, seconds=0.05, bare=True), files, out=tmp_path / "out", workers=2)
    readers = {f: {r.worker for r in result.receipts if r.path == str(f)} for f in files}
    assert sum(len(w) for w in readers.values()) <= 5  # one file may be shared at the end


# -- workers that die ----------------------------------------------------------
@pytest.mark.parametrize("runner", ["processes", "distributed"])
def test_a_worker_killed_once_costs_nothing(
    tmp_path: Path,
    odd: PlanMaker,
    order: Callable[[str], None],
    reference: list[bytes],
    runner: str,
) -> None:
    order("kill-60-once")
    scheduler = "local" if runner == "distributed" else None
    result = run(
        odd(sinks="parquet hdf5"), out=tmp_path / "out", workers=2, runner=runner, scheduler=scheduler
    )
    assert not result.failures
    assert merged(tmp_path / "out") == reference


def test_a_chunk_that_kills_every_worker_is_cornered(
    tmp_path: Path, odd: PlanMaker, order: Callable[[str], None]
) -> None:
    order("kill-60-always")
    with pytest.raises(RunFailedError, match="the worker was killed by SIGKILL") as error:
        run(odd(bare=True), out=tmp_path / "out", workers=2)
    result = error.value.result  # type: ignore[attr-defined]
    assert [r.entries for r in result.failures] == [(60, 61)]
    assert result.total.n_out == 249
    record = json.loads(result.provenance.read_text())
    assert not record["complete"]
    assert record["status"] == "failed"


def test_a_chunk_that_does_not_fit_is_split_and_the_output_does_not_show_it(
    tmp_path: Path, odd: PlanMaker, order: Callable[[str], None]
) -> None:
    run(odd(chunk=100, sinks="parquet hdf5"), out=tmp_path / "whole")
    order("big-60-always")
    order("big-230-always")
    result = run(odd(chunk=100, sinks="parquet hdf5"), out=tmp_path / "split")
    assert merged(tmp_path / "split") == merged(tmp_path / "whole")
    assert [r.entries for r in result.receipts] == [(0, 100), (100, 200), (200, 250)]


def test_a_worker_over_its_memory(tmp_path: Path, odd: PlanMaker, order: Callable[[str], None]) -> None:
    run(odd(chunk=50, sinks="parquet hdf5", bare=True), out=tmp_path / "whole")
    order("hog-60-always")
    result = run(
        odd(chunk=50, sinks="parquet hdf5", bare=True),
        out=tmp_path / "out",
        workers=1,
        runner="processes",
        memory="900 MB",
    )
    assert merged(tmp_path / "out") == merged(tmp_path / "whole")
    record = json.loads(result.provenance.read_text())
    assert [f["fault"]["message"] for f in record["failures"]] == ["the worker held more than 900 MB"]


# -- the run itself dies, or is asked to stop ----------------------------------
def start(plan: Path, out: Path, **how: object) -> subprocess.Popen[str]:
    code = f"from km3gpu.pipeline import run; run({str(plan)!r}, out={str(out)!r}, **{how!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=plan.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_killed_run_goes_on(
    tmp_path: Path,
    odd: PlanMaker,
    reference: list[bytes],
    workers: int,
    seen: Callable[[], list[tuple[int, int]]],
) -> None:
    before = len(seen())
    plan = odd(sinks="parquet hdf5", seconds=0.2)
    process = start(plan, tmp_path / "out", workers=workers)
    journal = tmp_path / "out" / "journal.jsonl"
    wait_for(lambda: journal.exists() and journal.read_text().count('"receipt"') >= 3)
    process.kill()
    process.communicate()
    result = resume(tmp_path / "out")
    assert result.resumed >= 3
    assert merged(tmp_path / "out") == reference
    # what was in the hands of the workers is done again, no more
    assert len(seen()) - before <= 10 + 2 * workers
    record = json.loads(result.provenance.read_text())
    assert [s["ended"]["status"] for s in record["sessions"]] == ["killed", "complete"]


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_a_run_that_is_asked_to_stop(
    tmp_path: Path, odd: PlanMaker, reference: list[bytes], number: signal.Signals, workers: int
) -> None:
    plan = odd(sinks="parquet hdf5", seconds=0.2)
    process = start(plan, tmp_path / "out", workers=workers)
    journal = tmp_path / "out" / "journal.jsonl"
    wait_for(lambda: journal.exists() and journal.read_text().count('"receipt"') >= 2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert "InterruptedRunError: stopped by " + number.name in err
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["status"] == "interrupted"
    handed = journal.read_text().count('"handed out"')
    assert journal.read_text().count('"receipt"') == handed < 10  # each chunk in work was let end
    resume(tmp_path / "out")
    assert merged(tmp_path / "out") == reference


def test_two_signals_stop_at_once(tmp_path: Path, odd: PlanMaker) -> None:
    process = start(odd(seconds=20, bare=True), tmp_path / "out", workers=2)
    journal = tmp_path / "out" / "journal.jsonl"
    wait_for(lambda: journal.exists() and "handed out" in journal.read_text())
    began = time.monotonic()
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 15
    assert "InterruptedRunError" in err


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path, odd: PlanMaker) -> None:
    process = start(odd(seconds=0.2, bare=True), tmp_path / "out", workers=2)
    wait_for(lambda: len(list((tmp_path / "orders").glob("seen-*"))) >= 2)
    pids = {int(p.name.split("-")[3]) for p in (tmp_path / "orders").glob("seen-*")}
    process.kill()
    process.communicate()
    wait_for(lambda: not any(Path(f"/proc/{p}").exists() for p in pids), 20)


def test_a_script_needs_no_main_guard(tmp_path: Path, odd: PlanMaker) -> None:
    script = f"""
        import km3gpu as k3
        result = k3.run({str(odd(chunk=125))!r}, out={str(tmp_path / "out")!r}, workers=2)
        print(result.total.rows["hits"])
        """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("319713\n", "")


def test_a_stage_of_the_script_itself(tmp_path: Path, odd: PlanMaker) -> None:
    script = f"""
        import sys
        sys.path.append({str(tmp_path)!r})
        from dataclasses import dataclass
        from oddstage import Odd
        from km3gpu.pipeline import Recipe, run
        from km3gpu.pipeline.settings import SourceSettings
        @dataclass(frozen=True)
        class Mine(Odd):
            pass
        source = SourceSettings(files=("testdata:online/muon_cc_daqevents.root",), chunk=125)
        recipe = Recipe(source=source, stages=(Mine(folder={str(tmp_path / "orders")!r}),))
        run(recipe, out={str(tmp_path / "threads")!r}, workers=2, runner="threads")
        run(recipe, out={str(tmp_path / "out")!r}, workers=2)
        """
    odd()
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True)
    assert "ConfigError: Mine cannot be sent to another process; define it in a module" in done.stderr
    assert (tmp_path / "threads" / "events.parquet").exists()
    assert not (tmp_path / "out" / "events.parquet").exists()
