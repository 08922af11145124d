"""Inputs that change, are cut or go bad while a run reads them."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from km3gpu.errors import FormatError, Km3GpuError, RunFailedError, SourceChangedError
from km3gpu.pipeline import provenance, resume, run

PlanMaker = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path, data: Path) -> Path:
    path = tmp_path / "run.root"
    path.write_bytes((data / "online/muon_cc_daqevents.root").read_bytes())
    return path


def quietly(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file so that its size and time of writing do not show it."""
    stat = path.stat()
    content = change(path.read_bytes())
    assert len(content) == stat.st_size
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def after(n: int, tmp_path: Path, act: Callable[[], None]) -> threading.Thread:
    """Act when the stage has seen `n` chunks."""

    def watch() -> None:
        end = time.monotonic() + 60
        while len(list((tmp_path / "orders").glob("seen-*"))) < n and time.monotonic() < end:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda b: b[:position] + bytes([b[position] ^ 4]) + b[position + 1 :]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_source_that_changes_between_plan_and_read_stops_the_run(
    tmp_path: Path, odd: PlanMaker, source: Path, workers: int
) -> None:
    whole = run(odd(), [source], out=tmp_path / "whole")
    good = source.read_bytes()
    n = len(list((tmp_path / "orders").glob("seen-*")))
    thread = after(n + 2, tmp_path, lambda: source.write_bytes(flip(len(good) // 2)(good)) and None)
    with pytest.raises(SourceChangedError, match=r"run\.root' has changed since the plan was made"):
        run(odd(seconds=0.1), [source], out=tmp_path / "out", workers=workers)
    thread.join()
    assert not (tmp_path / "out" / "events.parquet").exists()
    assert provenance.read(tmp_path / "out")["status"] == "failed"
    with pytest.raises(SourceChangedError):
        resume(tmp_path / "out")
    source.write_bytes(good)  # another time of writing, the same bytes
    again = resume(tmp_path / "out")
    assert again.resumed >= 1
    assert again.outputs[0].read_bytes() == whole.outputs[0].read_bytes()


def test_a_source_that_is_removed(tmp_path: Path, odd: PlanMaker, source: Path) -> None:
    thread = after(2, tmp_path, source.unlink)
    with pytest.raises(Km3GpuError, match=r"run\.root' is gone"):
        run(odd(seconds=0.2), [source], out=tmp_path / "out")
    thread.join()


def test_a_bit_that_flips_before_the_run_goes_on(tmp_path: Path, odd: PlanMaker, source: Path) -> None:
    good = source.read_bytes()
    run(odd(), [source], out=tmp_path / "whole", part="1/1")
    position = good.index(b"KM3NET_EVENT") + len(good) // 2
    blind, plan = odd(), tmp_path / "verifying.toml"
    plan.write_text(blind.read_text() + "[run]\nverify = true\n")
    run(plan, [source], out=tmp_path / "out", part="1/2")
    quietly(source, flip(position))
    # by size and time it is the same file
    run(blind, [source], out=tmp_path / "blind", part="1/2")
    with pytest.raises(SourceChangedError, match="has changed"):
        resume(tmp_path / "out")
    quietly(source, lambda _: good)
    again = run(plan, [source], out=tmp_path / "out")
    assert again.resumed == 0  # what the first slice made is not trusted any more
    resumed = resume(tmp_path / "whole")
    assert again.outputs[0].read_bytes() == resumed.outputs[0].read_bytes()


def test_a_bit_that_flips_while_it_is_read(tmp_path: Path, odd: PlanMaker, source: Path) -> None:
    good = source.read_bytes()
    plan = odd(seconds=0.1)
    plan.write_text(plan.read_text() + "[run]\nverify = true\n")
    thread = after(5, tmp_path, lambda: quietly(source, flip(len(good) * 3 // 4)))
    with pytest.raises(SourceChangedError, match="has changed"):
        run(plan, [source], out=tmp_path / "out")
    thread.join()
    assert not list((tmp_path / "out" / "parts").glob("*.parquet"))
    with pytest.raises(SourceChangedError, match="has changed"):
        resume(tmp_path / "out")  # which remembers to look
    quietly(source, lambda _: good)
    assert resume(tmp_path / "out").total.n_out == 250


@pytest.mark.soak
def test_nothing_is_undetected(tmp_path: Path, odd: PlanMaker, source: Path) -> None:
    """Flip a bit, or cut and fill with zeros, at random places, at random moments of a run."""
    good = source.read_bytes()
    whole = run(odd(bare=True), [source], out=tmp_path / "whole")
    expected = whole.outputs[0].read_bytes()
    rng = random.Random(1)
    stopped = 0
    for i in range(60):
        out = tmp_path / f"out{i}"
        for order in (tmp_path / "orders").glob("seen-*"):
            order.unlink()
        at = rng.randrange(len(good))
        cut = rng.random() < 0.3
        spoil: Callable[[bytes], bytes] = (lambda b, at=at: b[:at] + bytes(len(b) - at)) if cut else flip(at)
        assert spoil(good) != good
        plan = odd(bare=True)
        plan.write_text(plan.read_text() + "[run]\nverify = true\n")
        thread = after(rng.randrange(1, 10), tmp_path, lambda spoil=spoil: quietly(source, spoil))
        try:
            run(plan, [source], out=out)
        except (SourceChangedError, FormatError, RunFailedError):
            stopped += 1
        thread.join()
        quietly(source, lambda _: good)
        result = run(plan, [source], out=out)
        assert result.outputs[0].read_bytes() == expected, (i, at, cut)
    assert stopped >= 30
