"""Runs whose workers are jobs: the batch systems are played by small programs that start the job here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from km3gpu.errors import BackendError, ConfigError
from km3gpu.pipeline import resume, run
from km3gpu.pipeline.batch import job_script
from km3gpu.pipeline.settings import RunSettings

PlanMaker = Callable[..., Path]
DOCS = Path(__file__).parents[2] / "docs" / "batch.md"

# takes a script, or with an array a script for each number, and starts it as a batch system would
SBATCH = """
    import os, re, subprocess, sys
    folder = {folder!r}
    script = sys.argv[-1]
    text = open(script).read()
    open(os.path.join(folder, "submitted"), "a").write(text + "\\n=====\\n")
    if os.path.exists(os.path.join(folder, "refuse")):
        sys.exit("sbatch: error: invalid account or partition")
    try:
        os.unlink(os.path.join(folder, "refuse-once"))
        sys.exit("sbatch: error: the controller does not answer")
    except FileNotFoundError:
        pass
    array = re.search(r"^#SBATCH --array=(\\d+)-(\\d+)", text, re.M)
    numbers = range(int(array[1]), int(array[2]) + 1) if array else [0]
    for n in numbers:
        copy = os.path.join(folder, f"job-{{os.getpid()}}-{{n}}.sh")
        open(copy, "w").write(text)
        env = dict(os.environ, SLURM_ARRAY_TASK_ID=str(n), SLURM_JOB_ID="77")
        log = open(copy + ".log", "w")
        job = subprocess.Popen(["bash", copy], env=env, stdout=log, stderr=log, start_new_session=True)
        open(os.path.join(folder, f"pid-{{os.getpid()}}-{{n}}"), "w").write(str(job.pid))
        if array:
            job.wait()
    print("Submitted batch job", os.getpid())
    """

CONDOR_SUBMIT = """
    import os, re, shlex, subprocess, sys
    folder = {folder!r}
    text = open(sys.argv[-1]).read()
    open(os.path.join(folder, "submitted"), "a").write(text + "\\n=====\\n")
    program = re.search(r"^Executable = (.*)$", text, re.M)[1]
    # the format: the whole in double quotes, arguments with blanks in single ones
    arguments = shlex.split(re.search(r'^Arguments = "(.*)"$', text, re.M)[1].replace('""', '"'))
    log = open(os.path.join(folder, f"log-{{os.getpid()}}"), "w")
    job = subprocess.Popen([program, *arguments], stdout=log, stderr=log, start_new_session=True)
    open(os.path.join(folder, f"pid-{{os.getpid()}}-0"), "w").write(str(job.pid))
    print(f"1 job(s) submitted to cluster {{os.getpid()}}.")
    """

CANCEL = """
    import glob, os, signal, sys
    for path in glob.glob(os.path.join({folder!r}, f"pid-{{sys.argv[-1].partition('.')[0]}}-*")):
        try:
            os.killpg(int(open(path).read()), signal.SIGTERM)
        except ProcessLookupError:
            pass
    """


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the programs of both systems into PATH, and give the folder where they leave notes."""
    folder = tmp_path / "batch"
    (folder / "bin").mkdir(parents=True)
    programs = {"sbatch": SBATCH, "scancel": CANCEL, "condor_submit": CONDOR_SUBMIT, "condor_rm": CANCEL}
    for name, text in programs.items():
        path = folder / "bin" / name
        path.write_text(f"#!{sys.executable}\n" + textwrap.dedent(text).format(folder=str(folder)))
        path.chmod(0o755)
    own = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{own}:{os.environ['PATH']}")
    yield folder
    for path in folder.glob("pid-*"):
        if Path(f"/proc/{path.read_text()}").exists():
            os.killpg(int(path.read_text()), signal.SIGKILL)


def running(batch: Path) -> list[str]:
    pids = [p.read_text() for p in batch.glob("pid-*")]
    states = {p: Path(f"/proc/{p}/stat") for p in pids}
    return [p for p, s in states.items() if s.exists() and s.read_text().split()[2] != "Z"]


@pytest.mark.parametrize("runner", ["slurm", "htcondor"])
def test_workers_are_jobs(tmp_path: Path, odd: PlanMaker, batch: Path, runner: str) -> None:
    plan = odd()
    whole = run(plan, out=tmp_path / "whole")
    text = plan.read_text() + textwrap.dedent(f"""
        [run]
        runner = "{runner}"
        workers = 2
        memory = "1 GB"
        walltime = "1:00:00"
        prologue = ["export KM3GPU_JOB=yes"]
        """)
    plan.write_text(text)
    result = run(plan, out=tmp_path / "out")
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    workers = {int(r.worker.rpartition(":")[2]) for r in result.receipts}
    assert os.getpid() not in workers
    assert (batch / "submitted").read_text().count("=====") == 2
    end = time.monotonic() + 20
    while running(batch) and time.monotonic() < end:  # jobs end with the run
        time.sleep(0.1)
    assert not running(batch)


@pytest.mark.soak
def test_a_job_that_is_killed_is_followed_by_another(
    tmp_path: Path, odd: PlanMaker, batch: Path, order: Callable[[str], None]
) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    plan = odd(seconds=0.2)
    plan.write_text(plan.read_text() + '[run]\nrunner = "slurm"\nworkers = 1\ninterface = "lo"\n')
    killed = []

    def kill_first() -> None:
        end = time.monotonic() + 60
        while len(list((tmp_path / "orders").glob("seen-*"))) < 13 and time.monotonic() < end:
            time.sleep(0.05)
        for pid in running(batch):
            os.killpg(int(pid), signal.SIGKILL)
            killed.append(pid)

    thread = threading.Thread(target=kill_first)
    thread.start()
    result = run(plan, out=tmp_path / "out")
    thread.join()
    assert len(killed) == 1
    assert (batch / "submitted").read_text().count("=====") >= 2
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
    assert len({r.worker for r in result.receipts}) == 2


def test_a_job_that_is_refused_ends_the_run(
    tmp_path: Path,
    odd: PlanMaker,
    batch: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("km3gpu.pipeline.cluster.LOOK", 0.2)
    (batch / "refuse").touch()
    with pytest.raises(BackendError, match="refuses the job: sbatch: error: invalid account") as error:
        run(odd(), out=tmp_path / "out", runner="slurm", workers=2)
    assert "\n" not in str(error.value)
    assert "Traceback" not in capfd.readouterr().err  # dask is not left to say it its own way


def test_a_job_that_is_refused_is_submitted_again(
    tmp_path: Path, odd: PlanMaker, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller that is busy, or a limit on the jobs of a user: not the end of the run."""
    monkeypatch.setattr("km3gpu.pipeline.batch.AGAIN", 0.5)
    (batch / "refuse-once").touch()
    plan = odd(seconds=0.2)
    plan.write_text(plan.read_text() + '[run]\nrunner = "slurm"\nworkers = 2\ninterface = "lo"\n')
    result = run(plan, out=tmp_path / "out")
    assert len(result.receipts) == 10
    assert len(list(batch.glob("pid-*"))) == 2
    assert (batch / "submitted").read_text().count("=====") == 3


def test_an_interface_that_is_none(tmp_path: Path, odd: PlanMaker, batch: Path) -> None:
    plan = odd()
    plan.write_text(plan.read_text() + '[run]\nrunner = "slurm"\ninterface = "ib77"\n')
    with pytest.raises(ConfigError, match="'ib77' is not a valid network interface"):
        run(plan, out=tmp_path / "out")


def test_resume_submits_jobs_like_those_before(
    tmp_path: Path, odd: PlanMaker, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("km3gpu.pipeline.cluster.LOOK", 0.2)
    (batch / "refuse").touch()
    plan = odd()
    settings = 'runner = "slurm"\nqueue = "htc"\naccount = "km3net"\nwalltime = "0:30:00"\nmemory = "3 GB"'
    plan.write_text(f'{plan.read_text()}[run]\n{settings}\ndirectives = ["--licenses=sps"]\n')
    with pytest.raises(BackendError, match="refuses the job"):
        run(plan, out=tmp_path / "out")
    with pytest.raises(BackendError, match="refuses the job"):
        resume(tmp_path / "out", runner="slurm", memory="4 GB")
    first, *others = re.split("=====\n", (batch / "submitted").read_text())
    options = [re.findall(r"^#SBATCH (.*)$", text, re.M) for text in (first, others[-2])]
    assert "--mem=3G" in options[0]
    assert {"-p htc", "-A km3net", "-t 0:30:00", "--licenses=sps"} < set(options[0])
    assert options[1] == ["--mem=4G" if o == "--mem=3G" else o for o in options[0]]


def test_no_batch_system_here(tmp_path: Path, odd: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # also where there is one
    for runner, program in (("slurm", "sbatch"), ("htcondor", "condor_submit")):
        with pytest.raises(BackendError, match=f"no '{program}' on this machine"):
            run(odd(), out=tmp_path / "out", runner=runner)


def test_the_script_of_a_job(tmp_path: Path) -> None:
    settings = RunSettings(
        runner="slurm",
        workers=10,
        threads=2,
        queue="htc",
        account="km3net",
        walltime="1-12:00:00",
        directives=("--constraint=avx2", "--licenses=sps"),
        prologue=("source env/bin/activate",),
        interface="lo",
        job_logs=str(tmp_path / "logs"),
    )
    lines = job_script(settings, 4_000_000_000).splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    for line in (
        "#SBATCH -J km3gpu",
        "#SBATCH -p htc",
        "#SBATCH -A km3net",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --mem=4G",
        "#SBATCH -t 1-12:00:00",
        "#SBATCH --constraint=avx2",
        "#SBATCH --licenses=sps",
        "source env/bin/activate",
    ):
        assert line in lines
    command = lines[-1]
    assert command.startswith(f"{sys.executable} -m distributed.cli.dask_worker tcp://")
    for option in ("--memory-limit 3.73GiB", "--nanny", "--interface lo"):
        assert option in command
    # one chunk at a time, whose kernels have two threads: the last of an option counts
    assert re.findall(r"--nthreads (\d+)", command)[-1] == "1"
    assert "--lifetime 129300s --lifetime-stagger 150s" in command
    condor = RunSettings(runner="htcondor", walltime="30", directives=("+Project = km3net",), disk="5 GB")
    script = job_script(condor)
    assert "+Project = km3net" in script
    assert "+MaxRuntime = 1800" in script
    assert "MY.DaskWorkerDisk = 5000000000" in script


@pytest.mark.parametrize("walltime", ["", "tomorrow", "1:2:3:4", "0:00:00", "1-"])
def test_times_that_are_none(walltime: str) -> None:
    with pytest.raises(ConfigError, match="walltime"):
        job_script(RunSettings(runner="slurm", walltime=walltime))


def test_directives_of_htcondor_are_pairs() -> None:
    with pytest.raises(ConfigError, match="key = value"):
        job_script(RunSettings(runner="htcondor", directives=("--partition=x",)))


# -- slices: jobs without a scheduler of ours ----------------------------------
def template(name: str) -> str:
    [found] = re.findall(
        rf"```(?:bash|ini)\n(# {re.escape(name)}\n|#!/bin/bash\n# {re.escape(name)}\n)(.*?)```",
        DOCS.read_text(),
        re.S,
    )
    return "".join(found)


def test_the_template_of_an_array_of_jobs(tmp_path: Path, odd: PlanMaker, batch: Path) -> None:
    whole = run(odd(), out=tmp_path / "whole")
    script = template("slices.sh").replace("1-100", "1-3").replace("/100", "/3")
    (tmp_path / "slices.sh").write_text(script)
    subprocess.run(["sbatch", "slices.sh"], cwd=tmp_path, check=True, capture_output=True)
    for log in batch.glob("*.log"):
        assert "Traceback" not in log.read_text()
    assert not list((tmp_path / "out").glob("events.*"))
    journals = sorted(p.name for p in (tmp_path / "out").glob("journal*"))
    assert journals == [f"journal-0000{i}-of-00003.jsonl" for i in (1, 2, 3)]
    result = resume(tmp_path / "out")
    assert result.resumed == 10
    assert result.outputs[0].read_bytes() == whole.outputs[0].read_bytes()
