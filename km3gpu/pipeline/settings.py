"""What a plan file may set: what to read, and how to run."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["BATCH", "OF_JOBS", "RUNNERS", "RunSettings", "SourceSettings"]

BATCH = ("slurm", "htcondor")
RUNNERS = ("auto", "serial", "threads", "processes", "distributed", *BATCH)
OF_JOBS = (  # without these the next jobs are not like the last
    *("workers", "memory", "queue", "account", "walltime", "disk"),
    *("directives", "prologue", "interface", "job_logs"),
)


@dataclass(frozen=True)
class SourceSettings:
    """What to read.

    Attributes
    ----------
    files : tuple of str
        Paths, patterns or ``testdata:`` names.
    tree : str, optional
        Tree to read; the first with entries by default.
    chunk : int or str
        Size of a chunk: events, or bytes when decompressed; ``"auto"``: what
        fits the memory of the backend that is free when the run is planned.
    columns : tuple of str
        Columns to read beside those that stages and sinks need, as
        ``table/column`` or ``table/*``; without stages all, unless these are named.
        ``!table/column`` is left out, where not all inputs have it, say.
    identity : str
        What makes a file the same: ``"content"``, its bytes, or ``"mark"``, its
        name, size and time of writing, where reading it twice is too much.
    """

    files: tuple[str, ...] = ()
    tree: str | None = None
    chunk: int | str = field(default="64 MB", metadata={"minimum": 1})
    columns: tuple[str, ...] = ("events/*",)
    identity: str = field(default="content", metadata={"choices": ("content", "mark")})


@dataclass(frozen=True)
class RunSettings:
    """How to run; nothing here changes a byte of the merged output.

    Attributes
    ----------
    workers : int
        Chunks in work at the same time.
    runner : str
        ``"serial"``, ``"threads"``, ``"processes"`` or ``"distributed"``;
        ``"auto"`` takes processes for more than one worker, and threads on a GPU,
        where three workers keep copies and work overlapping.  ``"slurm"`` and
        ``"htcondor"`` submit a job for each worker (see `km3gpu.pipeline.batch`).
    readers : int
        Workers that only read, for `workers` that only compute and write; 0:
        each worker reads its own chunks.  With dask only: on this machine, or at
        a `scheduler` whose workers with the resource ``READ`` then read, however
        many there are (see `km3gpu.pipeline.handover`).
    scheduler : str, optional
        Address of a dask scheduler, or ``"local"`` for a cluster on this machine.
    threads : int
        CPU threads for the kernels of one worker; 0: all for a single worker,
        else one.
    backend : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    window : int
        Chunks that are handed out at most at a time; 0: two for each worker.
    memory : str, optional
        Limit of resident memory of each worker process (``"2 GB"``): a worker
        above it is stopped and its chunk split.
    merge : bool
        Put the parts together at the end.
    verify : bool
        Read the bytes of all inputs again: before a worker first reads from one,
        and at the end, before anything is merged.  This finds bytes that were
        changed, or went bad, without a trace in size or time of writing.
    catalogue : str, optional
        Database of runs that this one is entered into: a path, ``"user"`` for
        the folder of the user's data, which is the default, or ``"none"``.
    queue, account, walltime : str
        Partition, account and longest time of jobs, as SLURM writes them.
    disk : str
        Disk of a job (HTCondor).
    directives : tuple of str
        More lines of the job's description, without ``#SBATCH``
        (``"--constraint=avx2"``); for HTCondor ``"key = value"``.
    prologue : tuple of str
        Commands before the worker starts (``"source env/bin/activate"``).
    interface : str, optional
        Network interface on which workers and scheduler meet (``"ib0"``).
    job_logs : str, optional
        Folder for what jobs print.
    """

    workers: int = field(default=1, metadata={"minimum": 1})
    runner: str = field(default="auto", metadata={"choices": RUNNERS})
    readers: int = field(default=0, metadata={"minimum": 0})
    scheduler: str | None = None
    threads: int = field(default=0, metadata={"minimum": 0})
    backend: str = field(default="auto", metadata={"choices": ("auto", "cpu", "cuda", "cudasim")})
    window: int = field(default=0, metadata={"minimum": 0})
    memory: str | None = None
    merge: bool = True
    verify: bool = False
    catalogue: str | None = None
    queue: str | None = None
    account: str | None = None
    walltime: str = "2:00:00"
    disk: str = "1 GB"
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    interface: str | None = None
    job_logs: str | None = None
