"""The record of a session: its activities, what they used and made, and how they ended.

There is one record per process.  It is written to ``outfile`` whenever an
activity begins or ends, so that a session that is killed leaves one too, with
what was going on as ``"unfinished"``.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from km3gpu.compat.thepipe.activity import Activity, system_provenance, system_state
from km3gpu.compat.thepipe.logger import get_logger

__all__ = ["Provenance", "system_provenance", "system_state"]

log = get_logger("Provenance")

# the activity that this thread is in, where it is not simply the last that was started
_here: ContextVar[str | None] = ContextVar("km3gpu_thepipe_activity", default=None)


class _Single(type):
    """Every call gives the same object."""

    def __init__(cls, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cls.instance: Any = None
        cls.lock = threading.Lock()

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        with cls.lock:
            if cls.instance is None:
                cls.instance = super().__call__(*args, **kwargs)
            return cls.instance


class Provenance(metaclass=_Single):
    """The record of this process; ``Provenance()`` is always the same one."""

    def __init__(self) -> None:
        self._activities: list[Activity] = []
        self._backlog: list[Activity] = []
        self._outfile: str | None = None
        self._lock = threading.RLock()
        self._main = self.start_activity("main session")
        atexit.register(self._export)

    # -- where it is written -------------------------------------------------
    @property
    def outfile(self) -> str | None:
        """The file that the record is written to; None for none."""
        return self._outfile

    @outfile.setter
    def outfile(self, outfile: str | os.PathLike[str] | None) -> None:
        if outfile is not None and Path(outfile).exists():
            log.warning(f"Provenance output file {os.fspath(outfile)!r} is there already and is overwritten")
        self._outfile = None if outfile is None else os.fspath(outfile)
        self._save()

    @property
    def provenance(self) -> list[dict[str, Any]]:
        """What is known of the activities that have ended, as plain values."""
        return [a.provenance for a in self._backlog]

    @property
    def backlog(self) -> list[Activity]:
        """The activities that have ended."""
        return self._backlog

    def as_json(self, **kwargs: Any) -> str:
        """Give `provenance` as JSON; `kwargs` go to ``json.dumps``."""
        return _json(self.provenance, **kwargs)

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._activities, self._backlog, self._outfile = [], [], None
            _here.set(None)

    def _save(self) -> None:
        """Write the record as it is now, with what is still going on."""
        if self._outfile is None:
            return
        path = Path(self._outfile)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = _json([a.provenance for a in (*self._backlog, *reversed(self._activities))], indent=2)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)

    def _export(self) -> None:
        """End what is still going on, and write the record; called at the end of the process."""
        if self._outfile is None:
            return
        failed = getattr(sys, "last_value", None)  # what ended the script
        with self._lock:
            for activity in reversed(self._activities):
                main = activity.uuid == self._main
                if main and failed is not None:
                    activity.record_error(failed)
                if main:
                    activity.finish("completed" if failed is None else "error")
                else:  # a pipeline that a module could not be attached to, say
                    activity.finish("error" if "errors" in activity.provenance else "unfinished")
                self._backlog.append(activity)
            self._activities.clear()
            self._save()
        sys.stdout.write(f"Provenance information has been written to {self._outfile!r}\n")

    # -- activities ----------------------------------------------------------
    @property
    def current_activity(self) -> Activity:
        """What is going on: in this thread, else what was started last."""
        with self._lock:
            here = self._find(_here.get())
            if here is not None:
                return here
            if not self._activities:
                self.start_activity(sys.executable)
            return self._activities[-1]

    def start_activity(self, name: str) -> str:
        """Begin an activity as a part of the current one, and give its UUID."""
        with self._lock:
            parent = self._parent(name)
            activity = Activity(name, None if parent is None else parent.uuid)
            if parent is not None:
                parent.provenance["child_activities"].append(activity.uuid)
            self._activities.append(activity)
            if _here.get() is not None:
                _here.set(activity.uuid)
            self._save()
            return activity.uuid

    def finish_activity(self, uuid: str, status: str = "completed") -> None:
        """End an activity.

        Raises
        ------
        ValueError
            No activity of this UUID is going on.
        """
        with self._lock:
            activity = self._find(uuid)
            if activity is None:
                raise ValueError(f"no activity {uuid!r} is going on")
            self._activities.remove(activity)
            activity.finish(status)
            self._backlog.append(activity)
            if _here.get() == uuid:
                _here.set(activity.provenance["parent_activity"])
            self._save()

    @contextlib.contextmanager
    def activity(self, name: str) -> Iterator[None]:
        """Do the block as an activity; where it raises, that is recorded."""
        uuid = self.start_activity(name)
        try:
            yield
        except BaseException as error:
            if (activity := self._find(uuid)) is not None:
                activity.record_error(error)
                self.finish_activity(uuid, "error")
            raise
        self.finish_activity(uuid)

    @contextlib.contextmanager
    def inside(self, uuid: str) -> Iterator[None]:
        """In this thread, take the activity `uuid` for the current one while the block runs."""
        token = _here.set(uuid)
        try:
            yield
        finally:
            _here.reset(token)

    def find(self, uuid: str) -> Activity | None:
        """Give the activity of this UUID that is going on, or None."""
        with self._lock:
            return self._find(uuid)

    def _find(self, uuid: str | None) -> Activity | None:
        return next((a for a in self._activities if a.uuid == uuid), None)

    def _parent(self, name: str) -> Activity | None:
        here = self._find(_here.get())
        if here is not None:
            return here
        # a pipeline that waits to be drained is no part of another one
        able = [a for a in self._activities if name != "pipeline" or a.name != "pipeline"]
        return able[-1] if able else None

    # -- what they used and made ---------------------------------------------
    def record_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Add to the configuration of the current activity, or change it."""
        self.current_activity.record_configuration(configuration)

    def record_input(self, url: str, uuid: str | None = None, comment: str = "") -> None:
        """Record something that the current activity uses."""
        self.current_activity.record_input(url, uuid, comment)

    def record_output(self, url: str, uuid: str | None = None, comment: str = "") -> None:
        """Record something that the current activity makes."""
        self.current_activity.record_output(url, uuid, comment)


def _json(activities: list[dict[str, Any]], **kwargs: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, set | frozenset):
            return sorted(value, key=str)
        return f"{type(value).__name__} instance"

    return json.dumps(activities, default=plain, **kwargs)
