"""The directory of a run: what lies in it, and what of it is done.

::

    out/
      plan.json            what to do
      journal.jsonl        what happened, line by line
      parts/               a file per chunk and sink
      environments/        what it ran in, by digest
      events.parquet ...   the parts, put together in the order of the plan
      manifest.json        what the run made; written last
      provenance.json      where every row came from
"""

from __future__ import annotations

import fcntl
import fnmatch
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from km3gpu.errors import InputNotFoundError, OutputExistsError
from km3gpu.pipeline import journal
from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.receipt import Output
from km3gpu.pipeline.sinks import SINKS
from km3gpu.pipeline.state import State, halves, read_state
from km3gpu.pipeline.tags import tagged
from km3gpu.pipeline.task import publish

__all__ = ["RunDirectory", "State", "halves", "write_atomically"]

# what slices that begin at the same time may see of each other before there is a plan
_FRESH = ("journal*.jsonl", ".plan.json.*", "plan.json", "parts")
_OWN = ("plan.json", "manifest.json", "provenance.json", "parts", "environments", "plans")


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write a text, or its pieces, so that the file is there as a whole, or as it was before."""
    # slices on several machines may write the same file, and have the same process id
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class RunDirectory:
    """The directory of one run.

    Parameters
    ----------
    path : Path
        Need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def parts(self) -> Path:
        """Folder of the parts."""
        return self.path / "parts"

    def journals(self) -> list[Path]:
        """Give the journals: of the run, and of its slices."""
        return sorted(self.path.glob("journal*.jsonl"))

    # -- whose is it ---------------------------------------------------------
    def plan(self) -> Plan | None:
        """Give the plan that the directory was made for, or None where there is none."""
        path = self.path / "plan.json"
        try:
            return Plan.loads(path.read_text(encoding="utf-8", errors="replace"), str(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def existing_plan(self) -> Plan:
        """Give the plan, which must be there.

        Raises
        ------
        InputNotFoundError
            It is no directory of a run.
        """
        plan = self.plan()
        if plan is None:
            raise InputNotFoundError(
                f"no run in {str(self.path)!r}", remedy="name a directory that `km3gpu run` wrote"
            )
        return plan

    def check(self, plan: Plan, *, update: bool = False) -> None:
        """Check that this plan may run here; nothing is touched.

        Raises
        ------
        OutputExistsError
            The directory holds another plan's results, or something else.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise OutputExistsError(f"{str(self.path)!r} is a file", remedy="choose another output directory")
        # in this order: another slice may make the directory that of its plan meanwhile
        names = sorted(p.name for p in self.path.iterdir())
        there = self.plan()
        if there is None:
            if not all(any(fnmatch.fnmatch(n, known) for known in _FRESH) for n in names):
                raise OutputExistsError(
                    f"{str(self.path)!r} holds other files", remedy="choose another output directory"
                )
        elif there.id != plan.id and not update:
            raise OutputExistsError(
                f"{str(self.path)!r} holds the results of another plan ({_difference(there, plan)})",
                remedy="choose another output directory, or update this one (--existing update), which keeps"
                " what did not change; --dry-run lists what did",
            )

    def alone(self, name: str, *, among_slices: bool) -> None:
        """Check that no other run writes here; slices only mind a run of the whole.

        Raises
        ------
        OutputExistsError
            One does.
        """
        for path in self.journals():
            if path.name != name and not (among_slices and path.name != "journal.jsonl"):
                journal.Journal(path).close()

    def running(self) -> bool:
        """Tell whether a run is writing here now."""
        for path in self.journals():
            with open(path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def adopt(self, plan: Plan) -> None:
        """Make the directory that of this plan; an earlier plan is kept under ``plans/``."""
        there = self.plan()
        if there is not None and there.id != plan.id:
            (self.path / "plans").mkdir(exist_ok=True)
            (self.path / "plan.json").replace(self.path / "plans" / f"{there.id}.json")
        self.parts.mkdir(parents=True, exist_ok=True)
        # the same chunks may be planned from other words: a table of calibrations with a new line
        text = plan.dumps()
        if there is None or there.dumps() != text:
            write_atomically(self.path / "plan.json", text)

    def clear(self, plan: Plan) -> None:
        """Remove what the run of `plan` wrote here, and only that; its open journal stays."""
        sources = [(i.path, i.label) for i in plan.inputs if i.role == "data"]
        outputs = [
            name + SINKS[s["format"]].suffix
            for s in plan.recipe["sinks"]
            for name in tagged(s["name"], sources)
        ]
        others = [j.name for j in self.journals() if j.name != "journal.jsonl"]
        for name in (*_OWN, *outputs, *others):
            target = self.path / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def manifest(self) -> dict[str, Any] | None:
        """Give the manifest of the last run that ended, or None."""
        try:
            found = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None  # none yet, or one that cannot be trusted: merging again is always right
        return found if isinstance(found, dict) and found.get("format") == "km3gpu manifest" else None

    def outputs(self) -> list[Output]:
        """Give the merged files of the last run that ended."""
        manifest = self.manifest()
        return [] if manifest is None else [Output(**o) for o in manifest["outputs"]]

    # -- what is done --------------------------------------------------------
    def state(self, sinks: tuple[str, ...] | None = None) -> State:
        """Read the journals, and look whether the parts they name are there.

        Parameters
        ----------
        sinks : tuple of str, optional
            A chunk is done only where it has a part of each of these sinks.

        Returns
        -------
        State
        """
        return read_state(self.journals(), self.parts, sinks)

    def sweep(self) -> None:
        """Remove the unfinished files of workers that were killed."""
        folders = (self.parts, self.path / "environments")
        for path in [*self.path.glob(".*.tmp"), *(p for f in folders for p in f.glob("*.tmp"))]:
            if path.is_dir():  # where a merge wrote parts without duplicates
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _difference(there: Plan, new: Plan) -> str:
    """Say in a few words in what two plans differ."""
    if there.code != new.code:
        return f"made by code {there.code}, this is {new.code}"
    words = []
    if [i.digest for i in there.inputs] != [i.digest for i in new.inputs]:
        words.append("inputs")
    if there.history != new.history:
        words.append("stages")
    # one of the two comes from a file, where tuples have become lists
    if json.dumps(there.recipe["sinks"], sort_keys=True) != json.dumps(new.recipe["sinks"], sort_keys=True):
        words.append("sinks")
    return f"other {' and '.join(words)}" if words else "other chunks"
