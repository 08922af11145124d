"""Dask workers as jobs of a batch system: SLURM or HTCondor, through dask-jobqueue.

The run itself goes on where it was started, a login node say, and its workers are
jobs: each is one process that makes one chunk at a time.  A worker stops before
its wall time is over, when its chunk is done, and another job takes its place.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from typing import Any

import distributed

from km3gpu import extras
from km3gpu.errors import BackendError, ConfigError
from km3gpu.pipeline.settings import RunSettings

__all__ = ["SYSTEMS", "Jobs", "job_script"]

MEMORY = 2_000_000_000  # bytes of a job where the plan sets none
AGAIN = 60.0  # seconds after which a job that was refused is submitted again
_MARGIN = 300  # seconds before the end of its wall time in which a worker stops

# the cluster's class, its job's, and the program that submits
SYSTEMS = {
    "slurm": ("SLURMCluster", "dask_jobqueue.slurm:SLURMJob", "sbatch"),
    "htcondor": ("HTCondorCluster", "dask_jobqueue.htcondor:HTCondorJob", "condor_submit"),
}


@dataclass
class _Told:
    """What the batch system said of the jobs that were submitted."""

    accepted: int = 0
    refused: list[str] = field(default_factory=list)  # since the last that was accepted


class Jobs:
    """A dask cluster whose workers are jobs.

    Parameters
    ----------
    settings : RunSettings
        ``runner`` names the system.
    memory : int, optional
        Memory of a job in bytes.

    Attributes
    ----------
    cluster : dask_jobqueue.JobQueueCluster
        Its scheduler runs in this process.

    Raises
    ------
    MissingExtraError
        dask-jobqueue is not installed.
    BackendError
        This machine cannot submit jobs.
    ConfigError
        A setting is not valid.
    """

    def __init__(self, settings: RunSettings, memory: int | None = None) -> None:
        program = SYSTEMS[settings.runner][2]
        if shutil.which(program) is None:
            raise BackendError(
                f"no {program!r} on this machine",
                remedy=f"start the run where jobs are submitted, or run slices with --slice "
                f"(runner={settings.runner!r} submits one job for each worker)",
            )
        self._told = _Told()
        try:
            self.cluster = _cluster(settings, memory, self._told)
        except RuntimeError as error:  # as dask says it, with the reason behind a colon
            words = str(error).removeprefix("Cluster failed to start: ")
            raise ConfigError(f"no jobs for {settings.runner!r}: {words}") from error
        self._n = n = settings.workers
        # a fixed number, but a job that ends, or is killed, is followed by another
        self.cluster.adapt(minimum=n, maximum=n, interval="1s", wait_count=1_000_000)

    def check(self) -> None:
        """See whether jobs were accepted.

        Raises
        ------
        BackendError
            The batch system refused all of them.
        """
        if len(self.refused) >= self._n and not self._told.accepted:
            raise BackendError(f"the batch system refuses the job: {self.refused[0]}")

    @property
    def refused(self) -> list[str]:
        """What the batch system said of each job that it refused since it last accepted one."""
        return self._told.refused


def job_script(settings: RunSettings, memory: int | None = None) -> str:
    """Give the script of a worker's job, with the scheduler's address as this process has it.

    Parameters
    ----------
    settings : RunSettings
    memory : int, optional
        Memory of a job in bytes.

    Returns
    -------
    str
    """
    with _cluster(settings, memory, _Told()) as cluster:
        return str(cluster.job_script())


def _cluster(settings: RunSettings, memory: int | None, told: _Told) -> Any:
    jobqueue = extras.require("dask_jobqueue", "jobqueue")
    kind, job, _ = SYSTEMS[settings.runner]
    module, _, name = job.partition(":")
    base = getattr(extras.require(module, "jobqueue"), name)

    class Job(base):  # type: ignore[misc,valid-type]
        """Tells whether it was accepted: dask itself logs that it was not, and never submits it again."""

        async def start(self) -> None:
            try:
                await super().start()
                told.accepted += 1
                told.refused.clear()
            except (RuntimeError, OSError) as error:
                told.refused.append(_words(str(error)))
                self.status = distributed.core.Status.running  # of which dask wants to be sure
                asyncio.get_running_loop().call_later(AGAIN, self._forget)

        def _forget(self) -> None:
            """Let the cluster see that there is no such job, and submit another."""
            self.status = distributed.core.Status.failed
            for name in [n for n, job in cluster.workers.items() if job is self]:
                del cluster.workers[name]

        async def close(self) -> None:
            await super().close()
            self.status = distributed.core.Status.closed

    threads = max(settings.threads, 1)
    options: dict[str, Any] = {
        "job_cls": Job,
        "cores": threads,
        "processes": 1,
        "memory": f"{memory or MEMORY} B",
        "log_directory": settings.job_logs,
        "interface": settings.interface,
        "job_script_prologue": list(settings.prologue),
        # dask would make as many chunks at a time as a job has threads: they are the kernels'
        "worker_extra_args": ["--nthreads", "1", "--no-dashboard", *_lifetime(settings.walltime)],
        "scheduler_options": {"dashboard_address": ":0"},
        "job_name": "km3gpu",
    }
    if settings.runner == "slurm":
        directives: Any = list(settings.directives)
        options |= {"queue": settings.queue, "account": settings.account, "walltime": settings.walltime}
    else:
        directives = dict(_pair(d) for d in settings.directives)
        directives.setdefault("+MaxRuntime", _seconds(settings.walltime))
        options["disk"] = settings.disk
    cluster = getattr(jobqueue, kind)(**options, job_extra_directives=directives)
    return cluster


def _lifetime(walltime: str) -> list[str]:
    """Let a worker stop in time, and not all at once, so that it is not killed with a chunk in hand."""
    seconds = _seconds(walltime)
    margin = min(_MARGIN, seconds // 5)
    return ["--lifetime", f"{seconds - margin}s", "--lifetime-stagger", f"{margin // 2}s"]


def _seconds(walltime: str) -> int:
    """Read a time as SLURM writes it: ``"30"`` (minutes), ``"1:30:00"``, ``"2-12:00:00"``."""
    days, dash, rest = walltime.rpartition("-")
    try:
        numbers = [int(x) for x in rest.split(":")]
        if dash:  # D-H, D-H:M, D-H:M:S
            hours, minutes, seconds = (*numbers, 0, 0)[:3]
        else:  # M, M:S, H:M:S
            hours, minutes, seconds = {1: (0, *numbers, 0), 2: (0, *numbers), 3: numbers}[len(numbers)]
        total = (int(days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds
    except (ValueError, KeyError):
        total = 0
    if total <= 0:
        raise ConfigError(f"walltime = {walltime!r}", remedy="write '2:00:00', or '1-12:00:00' with days")
    return total


def _pair(directive: str) -> tuple[str, str]:
    key, equals, value = directive.partition("=")
    if not equals or key.startswith("-"):
        raise ConfigError(f"directives: {directive!r}", remedy="write 'key = value' for HTCondor")
    return key.strip(), value.strip()


def _words(error: str) -> str:
    """Take what the program said out of the report on how it ended."""
    _, found, said = error.partition("stderr:\n")
    return " ".join((said if found and said.strip() else error).split())
