"""Host memory that can still be had: of the machine, and of the job or container that this runs in.

A batch job or a container is stopped when it goes beyond its own limit, however
much memory the machine has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

__all__ = ["available"]


def available(root: Path = Path("/")) -> int:
    """Give the bytes that can still be allocated.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are.

    Returns
    -------
    int
        The least of what is available on the machine and below the limit of each
        control group that this process is in (cgroup v1 and v2); files that the
        system keeps in memory and can drop count as available.
    """
    return min(int(psutil.virtual_memory().available), *_below_limits(root), _NO_LIMIT)


_NO_LIMIT = 1 << 62


def _below_limits(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:
            top, files = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top, files = root / "sys/fs/cgroup/memory", names
        else:
            continue
        # a limit of a group above holds as well; within a container the name may be that outside
        group = top / name.strip("/")
        for folder in (group, *group.parents):
            left = _left(folder, *files)
            if left is not None:
                yield left
            if folder == top:
                break


def _left(folder: Path, limit: str, usage: str, droppable: str) -> int | None:
    try:
        most = (folder / limit).read_text().strip()
        used = int((folder / usage).read_text())
        known = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None  # not such a group, or one without limits
    return None if most == "max" else max(0, int(most) - used + int(known.get(droppable, 0)))
