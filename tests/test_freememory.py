"""Memory that can still be had, in jobs and containers with limits of their own."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from km3gpu import backend
from km3gpu.freememory import available


def group(folder: Path, limit: str, used: int, dropped: int, *, v1: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if v1 else ("memory.max", "memory.current")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    stat = "total_inactive_file" if v1 else "inactive_file"
    (folder / "memory.stat").write_text(f"anon 1\n{stat} {dropped}\n")


def described(root: Path, text: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text)


@pytest.mark.parametrize("v1", [True, False])
def test_the_limit_of_a_job_counts(tmp_path: Path, *, v1: bool) -> None:
    described(tmp_path, "3:cpu:/\n4:memory:/slurm/job_1/step_0\n" if v1 else "0::/slurm/job_1/step_0\n")
    top = tmp_path / "sys/fs/cgroup" / ("memory" if v1 else "")
    none = str(2**63 - 4096) if v1 else "max"
    group(top / "slurm/job_1/step_0", none, 5 * 10**6, 0, v1=v1)
    group(top / "slurm/job_1", "30000000", 8 * 10**6, 10**6, v1=v1)  # of the job, above the step
    group(top, none, 10**9, 0, v1=v1)
    assert available(tmp_path) == 23 * 10**6
    group(top / "slurm/job_1", "30000000", 31 * 10**6, 0, v1=v1)
    assert available(tmp_path) == 0


def test_a_name_from_outside_the_container(tmp_path: Path) -> None:
    described(tmp_path, "0::/kubepods/pod7\n")  # not there: the container sees its group as the top
    group(tmp_path / "sys/fs/cgroup", "50000000", 10**7, 0, v1=False)
    assert available(tmp_path) == 4 * 10**7


@pytest.mark.parametrize("text", [None, "", "0::/\n", "1:name=systemd:/\n"])
def test_no_limit(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        described(tmp_path, text)
    assert 0.5 < available(tmp_path) / psutil.virtual_memory().available < 2


def test_the_backend_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("km3gpu.freememory.available", lambda: 17)
    assert backend.select("cpu").free_memory() == 17
