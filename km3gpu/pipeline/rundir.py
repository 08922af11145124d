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
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from km3gpu.chunk import Origin, chunk_id
from km3gpu.errors import FormatError, InputNotFoundError, OutputExistsError
from km3gpu.pipeline import journal
from km3gpu.pipeline.plan import Plan, PlannedChunk
from km3gpu.pipeline.receipt import Output, Receipt
from km3gpu.pipeline.sinks import SINKS
from km3gpu.pipeline.tags import tagged
from km3gpu.pipeline.task import publish

__all__ = ["RunDirectory", "State", "halves", "write_atomically"]

_OWN = ("plan.json", "manifest.json", "provenance.json", "parts", "environments", "plans")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole, or as it was before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass
class State:
    """What the journals of a run say.

    Attributes
    ----------
    done : dict of str to Receipt
        The last receipt of each chunk whose parts are all there.
    failed : dict of str to Receipt
        The last receipt of each chunk that failed and was not done since.
    splits : dict of str to tuple of PlannedChunk
        The halves of each chunk that was split.
    sessions : list of dict
        What each session said when it began, and how it ended.
    """

    done: dict[str, Receipt] = field(default_factory=dict)
    failed: dict[str, Receipt] = field(default_factory=dict)
    splits: dict[str, tuple[PlannedChunk, ...]] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def leaves(self, chunk: PlannedChunk) -> Iterator[PlannedChunk]:
        """Give the chunk itself where it is done or whole, else its halves, and so on."""
        if chunk.id in self.done or chunk.id not in self.splits:
            yield chunk
            return
        for half in self.splits[chunk.id]:
            yield from self.leaves(half)


def halves(chunk: PlannedChunk, history: tuple[str, ...]) -> tuple[PlannedChunk, ...]:
    """Cut a chunk in two; none where it has one entry only."""
    o = chunk.origin
    middle = (o.start + o.stop) // 2
    if middle == o.start:
        return ()
    cut: list[Origin] = [replace(o, stop=middle), replace(o, start=middle)]
    return tuple(PlannedChunk(chunk_id(c, history), c) for c in cut)


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
            return Plan.loads(path.read_text(encoding="utf-8"), str(path))
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
        there = self.plan()
        if there is None:
            known = [*self.journals(), *self.path.glob(".plan.json*"), self.parts]
            if any(p not in known for p in self.path.iterdir()):
                raise OutputExistsError(
                    f"{str(self.path)!r} holds other files", remedy="choose another output directory"
                )
        elif there.id != plan.id and not update:
            raise OutputExistsError(
                f"{str(self.path)!r} holds the results of another plan ({_difference(there, plan)})",
                remedy="choose another output directory, or update this one: what did not change is kept",
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
        state = State()
        sizes = self._sizes()
        for event in self._events(state):
            kind = event.get("event")
            try:
                if kind == "receipt":
                    self._take(state, Receipt.from_json(event), sizes, sinks)
                elif kind == "split":
                    state.splits[event["id"]] = tuple(
                        PlannedChunk(
                            c["id"], Origin(**{**c["origin"], "columns": tuple(c["origin"]["columns"])})
                        )
                        for c in event["into"]
                    )
                elif kind == "ended" and state.sessions:
                    session = next(
                        (s for s in state.sessions if s.get("session") == event.get("session")), None
                    )
                    if session is not None:
                        session["ended"] = dict(event)
            except (KeyError, TypeError) as error:
                raise FormatError(
                    f"a journal line of another version ({error})",
                    where=str(self.path),
                    remedy="run into another directory",
                ) from error
        return state

    def _events(self, state: State) -> Iterator[dict[str, Any]]:
        """Give the events of all journals, and put the sessions in the order in which they began.

        Within a journal that is the order of its lines, whatever the clock said;
        between journals of slices only the clock tells.
        """
        order: list[tuple[float, dict[str, Any]]] = []
        for path in self.journals():
            latest = 0.0
            for event in journal.read([path]):
                if event.get("event") == "started":
                    latest = max(latest, float(event.get("time", 0.0)))
                    order.append((latest, dict(event)))
                    state.sessions.append(order[-1][1])
                yield event
        state.sessions[:] = [session for _, session in sorted(order, key=lambda s: s[0])]

    def _take(
        self, state: State, receipt: Receipt, sizes: Mapping[str, int], sinks: tuple[str, ...] | None
    ) -> None:
        if receipt.state != "done":
            if receipt.id not in state.done:
                state.failed[receipt.id] = receipt
            return
        state.failed.pop(receipt.id, None)
        whole = all(sizes.get(o.name) == o.bytes for o in receipt.outputs)
        if whole and (sinks is None or set(sinks) <= {o.sink for o in receipt.outputs}):
            state.done[receipt.id] = receipt
        else:
            state.done.pop(receipt.id, None)

    def _sizes(self) -> dict[str, int]:
        if not self.parts.is_dir():
            return {}
        with os.scandir(self.parts) as entries:
            return {e.name: e.stat().st_size for e in entries if not e.name.endswith(".tmp")}

    def sweep(self) -> None:
        """Remove the unfinished files of workers that were killed."""
        for path in [*self.parts.glob("*.tmp"), *self.path.glob(".*.tmp")]:
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
