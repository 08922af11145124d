"""The journal of a run: JSON lines, each on disk before the run goes on.

A run that is killed leaves at most one torn line at the end; it is cut off when
the journal is opened again.  The open journal is locked, so two runs cannot
write into one directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from km3gpu.errors import Km3GpuError, OutputExistsError

__all__ = ["Journal", "read"]


class Journal:
    """An open journal, locked for this process.

    Parameters
    ----------
    path : Path
        Made where there is none.

    Attributes
    ----------
    torn : int
        Bytes of a torn last line that were cut off.

    Raises
    ------
    OutputExistsError
        Another process has it open.
    Km3GpuError
        The file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), "r+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OutputExistsError(
                f"another run is writing into {str(path.parent)!r}",
                remedy="wait for it to end, or choose another directory",
            ) from None
        except OSError as error:  # some network file systems
            self._file.close()
            raise Km3GpuError(
                f"no file can be locked there: {error.strerror}",
                where=str(path.parent),
                remedy="choose a directory on another file system, or ask for locks (flock) on this one",
            ) from error
        self.torn = self._cut_torn_line()

    def _cut_torn_line(self) -> int:
        size = self._file.seek(0, os.SEEK_END)
        end, block = size, 1 << 16
        while end > 0:
            start = max(0, end - block)
            self._file.seek(start)
            found = self._file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)
        return size - end

    def append(self, *events: Mapping[str, Any], sync: bool = True) -> None:
        """Write events, one line each, and wait until they are on disk.

        Parameters
        ----------
        *events : mapping
            Plain values.
        sync : bool
            False for a line that may be lost with the machine.
        """
        text = "".join(json.dumps(e, separators=(",", ":")) + "\n" for e in events)
        data = memoryview(text.encode())
        before = self._file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:  # a full disk, say: half a line would spoil the next
            self._file.truncate(before)
            raise
        if sync:
            os.fsync(self._file.fileno())

    def clear(self) -> None:
        """Begin again with an empty journal."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close and unlock."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Read the events of journals, in order; torn or spoilt lines are passed over.

    A chunk whose line is spoilt counts as not done and is done again.
    """
    for path in paths:
        if not path.exists():
            continue
        with open(path, "rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        yield event
