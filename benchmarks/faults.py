"""Faults, done to a job from the command line as they happen to users: what is lost, and for how long.

``python -m benchmarks.faults`` does them one after the other and prints the table of
``docs/faults.md``; words of their names as arguments do only those.  The small disks need
root, and are left out without.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.faults_job import CHUNKS, Job, wait_for

__all__ = ["main"]


@dataclass
class Told:
    """What came of one fault, over its trials."""

    trials: int = 0
    same: int = 0  # trials after which the output was the same, byte for byte
    again: list[int] = field(default_factory=list)  # chunks that were begun more than once
    exits: list[str] = field(default_factory=list)  # exit code of the run that the fault struck
    seconds: list[float] = field(default_factory=list)  # from the remedy to the whole output
    words: str = ""  # what the run said


CASES: dict[str, tuple[str, int, Callable[[Job, Told], None]]] = {}


def case(name: str, how: str, trials: int = 1) -> Callable[[Callable[[Job, Told], None]], None]:
    def add(do: Callable[[Job, Told], None]) -> None:
        CASES[name] = (how, trials, do)

    return add


def ends(job: Job, told: Told, process: subprocess.Popen[str]) -> int:
    """Let the struck run end, and write down how."""
    code, words = job.end(process)
    told.exits.append(str(code) if code >= 0 else signal.Signals(-code).name)
    told.words = words or told.words
    return code


def goes_on(job: Job, told: Told, *how: str) -> None:
    """Resume, and see what came out."""
    began = time.perf_counter()
    code, words = job.end(job.start("resume", str(job.out), *how))
    told.seconds.append(time.perf_counter() - began)
    assert code == 0, words
    judged(job, told)


def judged(job: Job, told: Told) -> None:
    assert job.environments() == job.installed, "packages were installed meanwhile"
    told.same += job.result() == job.expected
    told.again.append(job.handed_out() - CHUNKS)


# -- processes that die ------------------------------------------------------------
@case("kill -9 of a worker", "one of two worker processes, at a random chunk; the run goes on", 5)
def _(job: Job, told: Told) -> None:
    process = job.run("--workers", "2")
    job.wait_for_receipts(random.randrange(2, 20))
    began = time.perf_counter()
    random.choice(psutil.Process(process.pid).children()).kill()
    ends(job, told, process)
    told.seconds.append(time.perf_counter() - began)
    judged(job, told)


@case("kill -9 of a dask worker", "one of two of a local cluster, at a random chunk; the run goes on", 3)
def _(job: Job, told: Told) -> None:
    process = job.run("--workers", "2", "--scheduler", "local")
    job.wait_for_receipts(random.randrange(2, 12))
    pids = {int(w.rpartition(":")[2]) for w in job.workers()}
    began = time.perf_counter()
    psutil.Process(random.choice(sorted(pids))).kill()
    ends(job, told, process)
    told.seconds.append(time.perf_counter() - began)
    judged(job, told)


@case("kill -9 of the run", "at a random chunk of two workers; `resume`", 5)
def _(job: Job, told: Told) -> None:
    process = job.run("--workers", "2")
    job.wait_for_receipts(random.randrange(2, 20))
    process.kill()
    ends(job, told, process)
    goes_on(job, told, "--workers", "2")


@case("kill -9 of the run while it merges", "at the first byte of the merged file; `resume`", 3)
def _(job: Job, told: Told) -> None:
    process = job.run()
    wait_for(lambda: list(job.out.glob(".events.parquet.*.tmp")), process, 0.0)
    process.kill()
    ends(job, told, process)
    assert not (job.out / "events.parquet").exists()
    goes_on(job, told)


@case("kill -9 of `resume`", "killed at a chunk, resumed, killed again twice; `resume`", 3)
def _(job: Job, told: Told) -> None:
    process = job.run()
    for n in (4, 9, 14):
        job.wait_for_receipts(n + random.randrange(4))
        process.kill()
        ends(job, told, process)
        if n < 14:
            process = job.start("resume", str(job.out))
    goes_on(job, told)


@case("kill -9 of the dask scheduler", "its own process, at a random chunk; `resume` with another")
def _(job: Job, told: Told) -> None:
    with job.dask() as first:
        process = job.run("--scheduler", first.address)
        job.wait_for_receipts(random.randrange(2, 12))
        first.processes[0].kill()
        ends(job, told, process)
    with job.dask() as second:
        goes_on(job, told, "--scheduler", second.address)


@case("SIGTERM", "to the run, as a batch system does; two workers finish their chunks; `resume`", 3)
def _(job: Job, told: Told) -> None:
    process = job.run("--workers", "2")
    job.wait_for_receipts(random.randrange(2, 15))
    process.terminate()
    ends(job, told, process)
    goes_on(job, told, "--workers", "2")


# -- chunks that do harm -----------------------------------------------------------
@case("a chunk that kills its worker", "a stage that sends SIGKILL at entry 60; repaired, `resume`")
def _(job: Job, told: Told) -> None:
    job.order("kill-60")
    ends(job, told, job.run("--workers", "2"))
    listed = json.loads(job.say("failures", str(job.out), "--json", code=3))
    assert [f["entries"] for f in listed] == [[60, 61]]
    command = listed[0]["command"].split()
    assert command[0] == "km3gpu"
    assert subprocess.run([*job.program, *command[1:]], capture_output=True).returncode == -signal.SIGKILL
    job.repair()
    goes_on(job, told)


@case("a chunk that does not decode", "a stage that raises at entries 60 and 100; repaired, `resume`")
def _(job: Job, told: Told) -> None:
    job.order("bad-60")
    job.order("bad-100")
    ends(job, told, job.run())
    listed = json.loads(job.say("failures", str(job.out), "--json", code=3))
    assert [f["entries"] for f in listed] == [[60, 70], [100, 110]]
    for f in listed:  # what is printed makes the chunk alone, and shows where it fails
        alone = subprocess.run([*job.program, *f["command"].split()[1:]], capture_output=True, text=True)
        assert alone.returncode == 3, alone.stderr
        assert "bytes that make no sense" in alone.stderr
    job.repair()
    job.say(*listed[0]["command"].split()[1:], code=0)
    goes_on(job, told)


@case("a worker over its memory", "a stage that takes 900 MB, `--memory '600 MB'`; halves fit")
def _(job: Job, told: Told) -> None:
    job.order("hog-60")
    began = time.perf_counter()
    ends(job, told, job.run("--runner", "processes", "--memory", "600 MB"))
    told.seconds.append(time.perf_counter() - began)
    judged(job, told)


# -- disks -------------------------------------------------------------------------
@case("a full disk, parts", "tmpfs of half the size of the parts; more room, `resume`")
def _(job: Job, told: Told) -> None:
    with job.small_disk(int(0.5 * job.size)) as disk:
        ends(job, told, job.run())
        assert not list(job.out.rglob("*.tmp"))
        disk.grow()
        goes_on(job, told)


@case("a full disk, the merge", "tmpfs of 1.6 times the parts; more room, `resume`")
def _(job: Job, told: Told) -> None:
    with job.small_disk(int(1.6 * job.size)) as disk:
        ends(job, told, job.run())
        assert not list(job.out.glob("events.*"))
        assert not list(job.out.rglob("*.tmp"))
        disk.grow()
        goes_on(job, told)


@case("parts that may not be written", "`chmod a-w out/parts` in the run; `chmod u+w`, `resume`")
def _(job: Job, told: Told) -> None:
    process = job.run()
    job.wait_for_receipts(5)
    (job.out / "parts").chmod(0o555)
    ends(job, told, process)
    (job.out / "parts").chmod(0o755)
    goes_on(job, told)


@case("the output directory removed", "`rm -r` under two workers; the same command again")
def _(job: Job, told: Told) -> None:
    process = job.run("--workers", "2")
    job.wait_for_receipts(4)
    while job.out.exists():
        shutil.rmtree(job.out, ignore_errors=True)
    ends(job, told, process)
    began = time.perf_counter()
    assert job.end(job.run("--workers", "2"))[0] == 0
    told.seconds.append(time.perf_counter() - began)
    judged(job, told)


@case("the run copied to another place", "killed, `cp -r`, the first one removed; `resume` of the copy")
def _(job: Job, told: Told) -> None:
    process = job.run()
    job.wait_for_receipts(8)
    process.kill()
    ends(job, told, process)
    job.move()
    goes_on(job, told)


# -- inputs ------------------------------------------------------------------------
@case("an input changed in the run", "a bit of the file, and its time of writing; put back, `resume`")
def _(job: Job, told: Told) -> None:
    good = job.source.read_bytes()
    process = job.run()
    job.wait_for_receipts(5)
    job.source.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    ends(job, told, process)
    job.source.write_bytes(good)
    goes_on(job, told)


@case("an input removed in the run", "`mv` while it is read; put back, `resume`")
def _(job: Job, told: Told) -> None:
    process = job.run()
    job.wait_for_receipts(5)
    away = job.source.rename(job.source.with_suffix(".away"))
    ends(job, told, process)
    away.rename(job.source)
    goes_on(job, told)


@case("an input cut short in the run", "`truncate` to a third while it is read; put back, `resume`")
def _(job: Job, told: Told) -> None:
    good = job.source.read_bytes()
    process = job.run()
    job.wait_for_receipts(5)
    os.truncate(job.source, len(good) // 3)
    ends(job, told, process)
    job.source.write_bytes(good)
    goes_on(job, told)


@case(
    "bytes that go bad without a trace",
    "a random bit, time of writing kept, `--verify`; put back, `resume`",
    5,
)
def _(job: Job, told: Told) -> None:
    good, stat = job.source.read_bytes(), job.source.stat()
    process = job.run("--verify")
    job.wait_for_receipts(random.randrange(2, 12))
    at = random.randrange(len(good))
    job.source.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
    os.utime(job.source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ends(job, told, process) == 1, "not detected"
    job.source.write_bytes(good)
    os.utime(job.source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    goes_on(job, told)


# -- people ------------------------------------------------------------------------
@case("two runs into one directory", "both started at once; one is refused, the other ends well")
def _(job: Job, told: Told) -> None:
    one, two = job.run(), job.run()
    codes = sorted(ends(job, told, p) for p in (one, two))
    assert codes == [0, 1], codes
    judged(job, told)


@case("two `resume` at once", "of a killed run; one is refused, the other ends well")
def _(job: Job, told: Told) -> None:
    process = job.run()
    job.wait_for_receipts(8)
    process.kill()
    job.end(process)
    one, two = (job.start("resume", str(job.out)) for _ in range(2))
    codes = sorted(ends(job, told, p) for p in (one, two))
    assert codes == [0, 1], codes
    judged(job, told)


@case(
    "a plan edited between run and resume", "another window of `coincidences`: refused; the old plan goes on"
)
def _(job: Job, told: Told) -> None:
    process = job.run()
    job.wait_for_receipts(8)
    process.kill()
    job.end(process)
    text = job.plan.read_text()
    job.plan.write_text(re.sub(r'("coincidences"\n)', r"\1window = 20.0\n", text))
    ends(job, told, job.run())
    job.plan.write_text(text)
    goes_on(job, told)


# -- the table ---------------------------------------------------------------------
def row(name: str, how: str, told: Told) -> str:
    exits = ", ".join(dict.fromkeys(told.exits))
    again = f"{min(told.again)}" if len(set(told.again)) == 1 else f"{min(told.again)} to {max(told.again)}"
    seconds = f"{sorted(told.seconds)[len(told.seconds) // 2]:.1f}" if told.seconds else ""
    return (
        f"| {name} | {how} | {told.trials} | {exits} | {again} | {seconds} | {told.same} of {told.trials} |"
    )


def main() -> int:
    wanted = sys.argv[1:]
    random.seed(1)
    print("| fault | how | trials | exit code | chunks begun again | s to the end | same bytes |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    words = []
    with tempfile.TemporaryDirectory(prefix="km3gpu-faults-") as folder:
        job = Job(Path(folder))
        for name, (how, trials, do) in CASES.items():
            if wanted and not any(w in name for w in wanted):
                continue
            if "tmpfs" in how and os.geteuid():
                print(f"left out, only root can mount a small disk: {name}", file=sys.stderr)
                continue
            told = Told()
            for _ in range(trials):
                told.trials += 1
                with job.fresh():
                    do(job, told)
            bad += told.same < told.trials
            words.append(f"* {name}: {told.words}")
            print(row(name, how, told), flush=True)
        whole = job.seconds
    print(f"\nundisturbed: {CHUNKS} chunks in {whole:.1f} s\n\n" + "\n".join(words))
    return bad


if __name__ == "__main__":
    sys.exit(main())
