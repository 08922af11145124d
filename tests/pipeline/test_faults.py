"""Chunks that fail: what is tried again, what is put aside, what stops the run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from km3gpu import errors
from km3gpu.chunk import Chunk
from km3gpu.errors import DiskFullError, FormatError, GeometryError, OutputExistsError, RunFailedError
from km3gpu.pipeline import provenance, resume, run
from km3gpu.pipeline.faults import KINDS, classify, fault_of
from km3gpu.pipeline.journal import Journal
from km3gpu.pipeline.replay import replay

PlanMaker = Callable[..., Path]
Order = Callable[[str], None]
Seen = Callable[[], list[tuple[int, int]]]


class OutOfMemoryError(Exception):
    """As cupy has it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "full"), "disk"),
        (OSError(errno.EDQUOT, "quota"), "disk"),
        (DiskFullError("full"), "disk"),
        (MemoryError(), "memory"),
        (OutOfMemoryError(), "memory"),
        (OSError(errno.EIO, "io"), "io"),
        (PermissionError(errno.EACCES, "no"), "setup"),
        (OSError(errno.EROFS, "read-only"), "setup"),
        (TimeoutError(), "io"),
        (ConnectionResetError(), "io"),
        (errors.ConfigError("x"), "setup"),
        (errors.InputNotFoundError("x"), "setup"),
        (errors.SourceChangedError("x"), "setup"),
        (ModuleNotFoundError("x"), "setup"),
        (errors.TruncatedFileError("x"), "data"),
        (FormatError("x"), "data"),
        (GeometryError("x"), "data"),
        (ZeroDivisionError(), "data"),
    ],
)
def test_kinds(error: Exception, kind: str) -> None:
    assert classify(error) == kind
    assert kind in KINDS
    fault = fault_of(error)
    assert fault.type == type(error).__name__
    assert isinstance(fault.raised(), errors.Km3GpuError)


def test_io_is_tried_once_more(tmp_path: Path, odd: PlanMaker, order: Order, seen: Seen) -> None:
    order("io-60-once")
    result = run(odd(), out=tmp_path / "out")
    assert [r.attempt for r in result.receipts].count(2) == 1
    assert seen().count((50, 75)) == 2
    record = json.loads(result.provenance.read_text())
    assert [f["attempt"] for f in record["failures"]] == [1]
    assert record["complete"]


def test_io_that_goes_on_fails_the_chunk(tmp_path: Path, odd: PlanMaker, order: Order, seen: Seen) -> None:
    order("io-60-always")
    with pytest.raises(RunFailedError, match=r"1 of 10 chunks failed, the first: OSError.*hiccupped"):
        run(odd(), out=tmp_path / "out")
    assert seen().count((50, 75)) == 2


def test_what_does_not_decode_is_put_aside_and_tried_again_by_resume(
    tmp_path: Path, odd: PlanMaker, order: Order
) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    order("bad-60-always")
    order("bug-100-always")
    with pytest.raises(RunFailedError) as error:
        run(odd(), out=tmp_path / "out")
    assert error.value.exit_code == 3
    assert str(error.value).startswith("2 of 10 chunks failed, the first: bytes that make no sense")
    result = error.value.result  # type: ignore[attr-defined]
    assert result.total.n_out == 200
    assert [r.fault.type for r in result.failures] == ["FormatError", "ZeroDivisionError"]
    assert "ZeroDivisionError" in result.failures[1].fault.traceback
    with pytest.raises(RunFailedError):  # still so
        resume(tmp_path / "out")
    for path in (tmp_path / "orders").glob("do-*"):
        path.unlink()
    failed = result.failures[0].id  # repaired, it can be made alone, as `km3gpu failures` says
    assert [c.state for c in replay(tmp_path / "out", chunk=failed)] == ["made"]
    again = resume(tmp_path / "out")
    assert again.resumed == 8
    assert not again.failures
    assert again.outputs[0].read_bytes() == whole.outputs[0].read_bytes()


def test_a_plan_that_fits_no_chunk_stops_early(
    tmp_path: Path, odd: PlanMaker, order: Order, seen: Seen
) -> None:
    for entry in range(0, 250, 25):
        order(f"bad-{entry}-always")
    with pytest.raises(FormatError, match="bytes that make no sense"):
        run(odd(), out=tmp_path / "out")
    assert len(seen()) == 4


def test_a_detector_of_other_data_is_one_clear_line(tmp_path: Path, odd: PlanMaker) -> None:
    plan = odd()
    plan.write_text(plan.read_text().replace("datx/KM3NeT_00000133_20221025.datx", "detx/detx_v3.detx"))
    with pytest.raises(GeometryError, match="detx_v3") as error:
        run(plan, out=tmp_path / "out")
    assert error.value.exit_code == 1
    assert "\n" not in str(error.value)


def test_a_full_disk_stops_the_run(tmp_path: Path, odd: PlanMaker, order: Order, seen: Seen) -> None:
    order("full-60-once")
    with pytest.raises(DiskFullError, match="no space left where the output goes"):
        run(odd(), out=tmp_path / "out")
    assert len(seen()) == 3  # nothing was begun after it
    assert resume(tmp_path / "out").resumed == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        pytest.fail("mounting a small tmpfs needs root: run this test as root, or deselect it")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("sinks", ["parquet", "hdf5"])
def test_a_disk_that_is_really_full(tmp_path: Path, small_disk: Path, odd: PlanMaker, sinks: str) -> None:
    with pytest.raises(DiskFullError):
        run(odd(sinks=sinks), out=small_disk / "out")
    parts = list((small_disk / "out" / "parts").iterdir())
    assert parts
    assert not [p for p in parts if p.name.endswith(".tmp")]
    whole = run(odd(sinks=sinks), out=tmp_path / "whole")
    shutil.copytree(small_disk / "out", tmp_path / "moved")
    again = resume(tmp_path / "moved")
    assert again.resumed == len(parts)
    assert again.outputs[0].read_bytes() == whole.outputs[0].read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full_when_the_parts_are_merged(tmp_path: Path, odd: PlanMaker) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    parts = sum(p.stat().st_size for p in (tmp_path / "whole" / "parts").iterdir())
    folder = tmp_path / "small"
    folder.mkdir()
    size = f"size={int(parts * 1.6)}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        with pytest.raises(DiskFullError, match="no space left"):
            run(odd(), out=folder / "out")
        assert not list((folder / "out").glob("events.*"))
        assert not list((folder / "out").glob("*.tmp"))
        assert provenance.read(folder / "out")["status"] == "failed"
        subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
        again = resume(folder / "out")
        assert again.resumed == 10
        assert again.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
        assert [s["ended"]["status"] for s in provenance.read(folder / "out")["sessions"]] == [
            "failed",
            "complete",
        ]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_nothing_unfinished_is_left(tmp_path: Path, odd: PlanMaker) -> None:
    """What workers leave that are killed while they write, and a merge that is killed."""
    run(odd(), out=tmp_path / "out", part="1/5")
    scratch = tmp_path / "out" / ".duplicates.0123456789ab.tmp"
    scratch.mkdir()
    (scratch / "0.parquet").write_bytes(b"PAR1")
    part = tmp_path / "out" / "parts" / "762a78232dd5b199.events.parquet.0576390b55a2.tmp"

    def leave() -> None:  # in the middle of the run, which sweeps before it begins
        end = time.monotonic() + 60
        while len(list((tmp_path / "orders").glob("seen-*"))) < 5 and time.monotonic() < end:
            time.sleep(0.01)
        part.touch()

    thread = threading.Thread(target=leave)
    thread.start()
    run(odd(seconds=0.1), out=tmp_path / "out")
    thread.join()
    assert not list((tmp_path / "out").rglob("*.tmp"))


# -- the output directory ------------------------------------------------------
def test_parts_that_may_not_be_written_stop_the_run(tmp_path: Path, odd: PlanMaker) -> None:
    run(odd(), out=tmp_path / "out", part="1/5")
    parts = tmp_path / "out" / "parts"
    parts.chmod(0o555)
    code = f"from km3gpu.pipeline import run; run({str(odd())!r}, out={str(tmp_path / 'out')!r})"
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:  # who may do all, unless he gives that up
        drop = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", *command]
    done = subprocess.run(command, capture_output=True, text=True)
    parts.chmod(0o755)
    assert "Km3GpuError: PermissionError: [Errno 13] Permission denied" in done.stderr
    assert "put it right, then run the same again" in done.stderr
    record = provenance.read(tmp_path / "out")
    assert (record["status"], len(record["failures"])) == ("failed", 1)  # the others were not tried
    assert resume(tmp_path / "out").resumed == 2


def test_inputs_that_were_moved(tmp_path: Path, odd: PlanMaker, data: Path) -> None:
    here = tmp_path / "run.root"
    shutil.copy(data / "online/muon_cc_daqevents.root", here)
    run(odd(), [here], out=tmp_path / "out", part="1/2")
    there = here.rename(tmp_path / "moved.root")
    with pytest.raises(
        errors.InputNotFoundError, match="is gone; bring it back, or give `km3gpu run` its new"
    ):
        resume(tmp_path / "out")
    assert run(odd(), [there], out=tmp_path / "out").resumed == 5


def test_two_runs_into_one_directory(tmp_path: Path, odd: PlanMaker) -> None:
    run(odd(), out=tmp_path / "out", merge=False)
    before = sorted(p.name for p in (tmp_path / "out").rglob("*"))
    with (
        Journal(tmp_path / "out" / "journal.jsonl"),
        pytest.raises(OutputExistsError, match="another run is writing into"),
    ):
        run(odd(), out=tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == before


def test_two_processes_into_one_directory(tmp_path: Path, odd: PlanMaker) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    code = f"from km3gpu.pipeline import run; run({str(odd(seconds=0.1))!r}, out={str(tmp_path / 'out')!r})"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [p.communicate(timeout=120)[1] for p in processes]
    assert sorted(p.returncode for p in processes) == [0, 1]
    assert "another run is writing into" in "".join(errors)
    assert (tmp_path / "out" / "events.parquet").read_bytes() == whole.outputs[0].read_bytes()
    assert len(provenance.read(tmp_path / "out")["sessions"]) == 1


@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
def test_a_spoilt_part_is_made_again(tmp_path: Path, odd: PlanMaker, how: str) -> None:
    result = run(odd(), out=tmp_path / "out")
    good = result.outputs[0].read_bytes()
    part = tmp_path / "out" / "parts" / result.receipts[3].outputs[0].name
    content = part.read_bytes()
    (tmp_path / "out" / "manifest.json").unlink()
    if how == "gone":
        part.unlink()
    elif how == "cut":
        part.write_bytes(content[:-1])
    else:
        part.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    again = run(odd(), out=tmp_path / "out")
    assert again.outputs[0].read_bytes() == good
    assert part.read_bytes() == content


def test_an_output_directory_removed_meanwhile(
    tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from km3gpu.stages import Coincidences

    def apply(self: Coincidences, chunk: Chunk) -> object:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return {}, {}

    monkeypatch.setattr(Coincidences, "apply", apply)
    with pytest.raises(errors.Km3GpuError, match="was removed while the run wrote into it"):
        run(odd(), out=tmp_path / "out")


def test_an_output_directory_removed_under_processes(tmp_path: Path, odd: PlanMaker) -> None:
    plan, parts = odd(seconds=0.2), tmp_path / "out" / "parts"

    def remove() -> None:
        end = time.monotonic() + 60
        while not list(parts.glob("*.parquet")) and time.monotonic() < end:
            time.sleep(0.01)
        while (tmp_path / "out").exists() and time.monotonic() < end:  # somebody writes into it meanwhile
            shutil.rmtree(tmp_path / "out", ignore_errors=True)

    thread = threading.Thread(target=remove)
    thread.start()
    with pytest.raises(errors.Km3GpuError, match="was removed while the run wrote into it"):
        run(plan, out=tmp_path / "out", workers=2)
    thread.join()
    result = run(odd(), out=tmp_path / "out")
    assert result.total.n_out == 250
    assert provenance.read(result.out)["environments"]
