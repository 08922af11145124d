"""The job that `benchmarks.faults` strikes: a real file in 25 chunks, and a stage that does harm."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from km3net_testdata import data_path

__all__ = ["CHUNKS", "Dask", "Job", "SmallDisk", "wait_for"]

CHUNKS = 25
_DROP = "-dac_override,-dac_read_search"
# root may do all, unless he gives that up
UNPRIVILEGED = () if os.geteuid() else ("setpriv", f"--bounding-set={_DROP}", f"--inh-caps={_DROP}")

PLAN = """\
[source]
files = ["{source}"]
chunk = 10
[[stage]]
use = "trouble:Trouble"
folder = "{folder}"
[[stage]]
use = "calibrate"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"
[[stage]]
use = "coincidences"
[[sink]]
format = "parquet"
[run]
catalogue = "none"
"""

TROUBLE = '''\
from __future__ import annotations
import os, signal, time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from km3gpu.errors import FormatError
from km3gpu.stages import Stage

@dataclass(frozen=True)
class Trouble(Stage):
    """Take a tenth of a second, and do what a folder says."""
    name: ClassVar[str] = "trouble"
    folder: str = field(metadata={"shapes": False})

    def reads(self, kind):
        return {}

    def writes(self, kind):
        return {}

    def apply(self, chunk):
        time.sleep(0.1)
        for path in Path(self.folder).glob("do-*"):
            _, what, entry = path.name.split("-")
            if not chunk.source.start <= int(entry) < chunk.source.stop:
                continue
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "bad":
                raise FormatError("bytes that make no sense", where=f"entry {entry}")
            if what == "hog" and chunk.source.n_entries > 5:
                rubbish = bytearray(os.urandom(1 << 20)) * 900
                time.sleep(60)
        return {}, {}
'''


def wait_for(
    condition: Callable[[], object], process: subprocess.Popen[str] | None = None, pause: float = 0.01
) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "this takes too long"
        assert process is None or process.poll() is None, "the run ended before"
        time.sleep(pause)


class Dask:
    """A scheduler and a worker as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self._log = folder / "dask.log"
        self._log.write_text("")
        self._start(folder, "dask_scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        wait_for(lambda: re.search(r"tcp://\S+:\d+", self._log.read_text()))
        found = re.search(r"tcp://\S+:\d+", self._log.read_text())
        assert found is not None
        self.address = found[0]
        self._start(folder, "dask_worker", self.address, "--no-dashboard", "--nthreads", "1")

    def _start(self, folder: Path, program: str, *options: str) -> None:
        with open(self._log, "a") as log:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *options]
            self.processes.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, text=True))

    def __enter__(self) -> Dask:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


class SmallDisk:
    """A tmpfs; only root can mount one."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)

    def grow(self) -> None:
        """Give it more room."""
        subprocess.run(["mount", "-o", "remount,size=500m", str(self.folder)], check=True)


class Job:
    """The job, run once undisturbed.

    Attributes
    ----------
    expected : str
        Digest of its output.
    installed : list of str
        Digests of what it ran in.
    size : int
        Bytes of its parts.
    seconds : float
        How long it takes from the command line.
    """

    program = (*UNPRIVILEGED, sys.executable, "-m", "km3gpu")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders = folder / "orders"
        self.orders.mkdir()
        self.source = folder / "run.root"
        shutil.copy(data_path("online/muon_cc_daqevents.root"), self.source)
        (folder / "trouble.py").write_text(TROUBLE)
        self.plan = folder / "plan.toml"
        self.plan.write_text(PLAN.format(source=self.source, folder=self.orders))
        self.out = folder / "warm"
        assert self.end(self.run())[0] == 0
        self.out = folder / "whole"
        began = time.perf_counter()
        assert self.end(self.run())[0] == 0
        self.seconds = time.perf_counter() - began
        self.expected = self.result()
        self.installed = self.environments()
        self.size = sum(p.stat().st_size for p in (self.out / "parts").iterdir())

    @contextlib.contextmanager
    def fresh(self) -> Iterator[None]:
        """Give the next run a directory of its own."""
        self.out = self.folder / "struck"
        try:
            yield
        finally:
            shutil.rmtree(self.out, ignore_errors=True)
            self.repair()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        command = [*self.program, *arguments]
        environment = {**os.environ, "KM3GPU_CATALOGUE": "none"}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the run."""
        return self.start("run", str(self.plan), "--out", str(self.out), *arguments)

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Give the exit code, and the last line that was said."""
        _, err = process.communicate(timeout=300)
        said = [line for line in err.splitlines() if line.startswith("km3gpu:")]
        words = said[-1] if said else ""
        return process.returncode, words.replace(str(self.folder) + "/", "")

    def say(self, *arguments: str, code: int) -> str:
        """Give what a command prints, which must end with this exit code."""
        done = subprocess.run([*self.program, *arguments], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout

    def _lines(self, kind: str) -> list[str]:
        path = self.out / "journal.jsonl"
        text = path.read_text() if path.exists() else ""
        return [line for line in text.split("\n")[:-1] if f'"event":"{kind}"' in line]

    def wait_for_receipts(self, n: int) -> None:
        """Wait until so many chunks have come back."""
        wait_for(lambda: len(self._lines("receipt")) >= n)

    def workers(self) -> set[str]:
        """Give the workers that have made a chunk."""
        return {json.loads(line)["worker"] for line in self._lines("receipt")}

    def handed_out(self) -> int:
        """Count the chunks that were begun."""
        return len(self._lines("handed out"))

    def result(self) -> str:
        """Give the digest of the output."""
        return hashlib.sha256((self.out / "events.parquet").read_bytes()).hexdigest()

    def environments(self) -> list[str]:
        """Give the digests of what the run ran in, which are part of its output."""
        return sorted(p.name for p in (self.out / "environments").glob("*.json"))

    def order(self, what: str) -> None:
        """Tell the stage to do harm."""
        (self.orders / f"do-{what}").touch()

    def repair(self) -> None:
        """Let the stage do no harm any more."""
        for path in self.orders.iterdir():
            path.unlink()

    def move(self) -> None:
        """Copy the directory of the run to another place, and remove it."""
        there = self.folder / "elsewhere"
        shutil.copytree(self.out, there)
        shutil.rmtree(self.out)
        self.out = there

    def dask(self) -> Dask:
        """Start a scheduler and a worker."""
        return Dask(self.folder)

    @contextlib.contextmanager
    def small_disk(self, size: int) -> Iterator[SmallDisk]:
        """Let the next run write to a disk of this size."""
        folder = self.folder / "small"
        folder.mkdir()
        disk = SmallDisk(folder, size)
        before, self.out = self.out, folder / "out"
        try:
            yield disk
        finally:
            self.out = before
            subprocess.run(["umount", str(folder)], check=True)
            folder.rmdir()
