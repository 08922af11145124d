"""One activity of a record, and what is written down of the machine it ran on."""

from __future__ import annotations

import functools
import os
import platform
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from typing import Any
from uuid import uuid4

import psutil

from km3gpu._version import __version__
from km3gpu.compat.thepipe.tools import peak_memory_usage

__all__ = ["Activity", "python_packages", "system_provenance", "system_state"]

_VARIABLES = (
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "USER",
    "HOME",
    "SHELL",
    "VIRTUAL_ENV",
    "CONDA_DEFAULT_ENV",
    "CONDA_PREFIX",
    "CONDA_EXE",
    "CONDA_PROMPT_MODIFIER",
    "CONDA_SHLVL",
)
# of these only whether they are set is of interest
_FLAGS = (
    "APPVEYOR",
    "CI",
    "CIRCLECI",
    "CONTINUOUS_INTEGRATION",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "TF_BUILD",
    "TRAVIS",
)


class Activity:
    """Something that was done: when, with what, and how it ended.

    Parameters
    ----------
    name : str
    parent : str, optional
        UUID of the activity that this is a part of.
    """

    def __init__(self, name: str, parent: str | None = None) -> None:
        self.name = name
        self._clock = time.monotonic()
        self._data: dict[str, Any] = {
            "uuid": str(uuid4()),
            "name": name,
            "parent_activity": parent,
            "child_activities": [],
            "start": system_state(),
            "stop": {},
            "system": system_provenance(),
            "input": [],
            "output": [],
            "samples": [],
            "status": "unfinished",
            "configuration": {},
        }

    @property
    def uuid(self) -> str:
        """Its identity."""
        return str(self._data["uuid"])

    @property
    def status(self) -> str:
        """``"unfinished"``, ``"completed"``, ``"error"`` or ``"interrupted"``."""
        return str(self._data["status"])

    @property
    def provenance(self) -> dict[str, Any]:
        """All that is known of it, as plain values."""
        return self._data

    def record_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Add to the configuration, or change it."""
        self._data["configuration"].update(configuration)

    def record_input(self, url: str, uuid: str | None = None, comment: str = "") -> None:
        """Add something that was used."""
        self._data["input"].append({"url": url, "uuid": uuid, "comment": comment})

    def record_output(self, url: str, uuid: str | None = None, comment: str = "") -> None:
        """Add something that was made; it gets an identity where it has none."""
        self._data["output"].append({"url": url, "uuid": uuid or str(uuid4()), "comment": comment})

    def record_error(self, error: BaseException, **where: Any) -> None:
        """Add an exception, and where it was raised."""
        words = " ".join(str(error).split())
        self._data.setdefault("errors", []).append({"type": type(error).__name__, "message": words, **where})

    def finish(self, status: str) -> None:
        """Write down that it ended, and how."""
        self._data["stop"] = system_state()
        self._data["status"] = status
        # a wall clock may be set back meanwhile
        self._data["duration"] = time.monotonic() - self._clock


def system_state() -> dict[str, Any]:
    """Give the time (UTC, ISO 8601) and the peak memory so far (MiB)."""
    return {"time_utc": datetime.now(UTC).isoformat(), "peak_memory": peak_memory_usage()}


@functools.cache
def python_packages() -> tuple[dict[str, str], ...]:
    """Give names and versions of all installed packages, once per process."""
    found = [
        {"name": d.metadata["Name"].lower(), "version": d.version}
        for d in distributions()
        if d.metadata["Name"]
    ]
    return tuple(sorted(found, key=lambda p: (p["name"], p["version"])))


def system_provenance() -> dict[str, Any]:
    """Describe interpreter, packages, machine and environment as plain values."""
    bits, linkage = platform.architecture()
    return {
        "thepipe_version": f"km3gpu {__version__}",
        "executable": sys.executable,
        "arguments": list(sys.argv),
        "environment": {v: os.environ.get(v) for v in _VARIABLES} | {v: _flag(v) for v in _FLAGS},
        "platform": {
            "architecture_bits": bits,
            "architecture_linkage": linkage,
            "machine": platform.machine(),
            "processor": platform.processor(),
            "node": platform.node(),
            "version": platform.version(),
            "system": platform.system(),
            "release": platform.release(),
            "libcver": list(platform.libc_ver()),
            "num_cpus": psutil.cpu_count(),
            "boot_time": datetime.fromtimestamp(psutil.boot_time(), UTC).isoformat(),
        },
        "python": {
            "version_string": sys.version,
            "version": list(platform.python_version_tuple()),
            "compiler": platform.python_compiler(),
            "implementation": platform.python_implementation(),
            "packages": list(python_packages()),
        },
        "start_time_utc": datetime.now(UTC).isoformat(),
    }


def _flag(name: str) -> str | None:
    value = os.environ.get(name, "").lower()
    if value in ("true", "t", "yes", "y", "1"):
        return "true"
    if value in ("false", "f", "no", "n", "0"):
        return "false"
    return "other" if value else None
