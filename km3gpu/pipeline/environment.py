"""What a run ran in: packages, Python, machine, GPU; stored once by its digest.

Nothing here depends on time, load or host name, so all workers of one kind of
node share one environment.
"""

from __future__ import annotations

import functools
import getpass
import hashlib
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import km3gpu
from km3gpu import backend

__all__ = ["describe", "device_name", "digest", "git_state", "store", "user_name", "variables", "worker_name"]


@functools.cache
def describe() -> dict[str, Any]:
    """Describe the environment of this process as plain values.

    Returns
    -------
    dict
        ``python``, ``system``, ``cpu``, ``gpu`` (or ``"none"`` and why),
        ``packages`` by name.
    """
    gpu = backend.cuda_device()
    found = {}
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        if name:  # a broken installation leaves folders without a name
            found[name.lower().replace("_", "-")] = dist.version
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "gpu": {
            "name": gpu.name,
            "uuid": gpu.uuid,
            "compute_capability": list(gpu.compute_capability),
            "memory_bytes": gpu.memory_bytes,
            "driver": gpu.driver,
        }
        if gpu is not None
        else f"none: {backend.why_no_gpu()}",
        "packages": dict(sorted(found.items())),
    }


@functools.cache
def digest() -> str:
    """Give the digest of `describe`: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(describe(), sort_keys=True).encode()).hexdigest()[:16]


def store(folder: Path) -> str:
    """Write the environment of this process into a folder, where it is not yet, and give its digest."""
    path = folder / f"{digest()}.json"
    if not path.exists():
        folder.mkdir(exist_ok=True)  # not the run's directory itself: it may have been removed
        temporary = path.with_suffix(f".{uuid.uuid4().hex[:12]}.tmp")  # threads may come here at once
        temporary.write_text(json.dumps(describe(), indent=1) + "\n")
        temporary.replace(path)
    return digest()


def worker_name() -> str:
    """Give ``"host:pid"`` of this process."""
    return f"{_host()}:{os.getpid()}"


def user_name() -> str:
    """Give the login of the user, ``""`` where the system knows none (in some containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def variables() -> dict[str, str]:
    """Give the environment variables that may change how a run runs, and what job it was."""
    return {k: v for k, v in sorted(os.environ.items()) if k.startswith(_PREFIXES)}


# never the whole environment: it may hold secrets
_PREFIXES = (
    "CUDA_",
    "CUPY_",
    "KM3GPU_",
    "NUMBA_",
    "NVIDIA_VISIBLE",
    "OMP_",
    "SLURM_ARRAY_",
    "SLURM_JOB_ID",
    "_CONDOR_SLOT",
)


def device_name(name: str) -> str:
    """Give the device behind a backend: the GPU's name, or the backend's own."""
    gpu = backend.cuda_device() if name == "cuda" else None
    return name if gpu is None else gpu.name


def git_state() -> dict[str, Any] | None:
    """Give commit, and digest of the changes, of the checkout that the package runs from.

    Returns
    -------
    dict or None
        ``commit``, ``dirty``, ``diff`` (digest of the uncommitted changes to
        the package); None where it was not run from a git checkout.
    """
    package = Path(km3gpu.__file__).parent

    def git(*words: str) -> bytes | None:
        try:
            command = ["git", "-C", str(package), *words]
            return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout
        except (OSError, subprocess.SubprocessError):
            return None

    # an installed package may lie in the checkout of something else
    tracked = git("ls-files", "--error-unmatch", "__init__.py")
    commit = git("rev-parse", "HEAD") if tracked else None
    if commit is None:
        return None
    diff = git("diff", "HEAD", "--", str(package)) or b""
    state: dict[str, Any] = {"commit": commit.decode().strip(), "dirty": bool(diff)}
    if diff:
        state["diff"] = "sha256:" + hashlib.sha256(diff).hexdigest()
    return state


@functools.cache
def _host() -> str:
    return socket.gethostname()


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
