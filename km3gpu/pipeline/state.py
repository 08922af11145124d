"""What the journals of a run say: which chunks are done, which failed, which were split, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from km3gpu.chunk import Origin, chunk_id
from km3gpu.errors import FormatError
from km3gpu.pipeline import journal
from km3gpu.pipeline.plan import PlannedChunk
from km3gpu.pipeline.receipt import Receipt

__all__ = ["State", "halves", "read_state"]


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


def read_state(journals: Sequence[Path], parts: Path, sinks: tuple[str, ...] | None = None) -> State:
    """Read the journals of a run, and look whether the parts they name are there.

    Parameters
    ----------
    journals : sequence of Path
        Of the run, and of its slices.
    parts : Path
        Folder of the parts.
    sinks : tuple of str, optional
        A chunk is done only where it has a part of each of these sinks.

    Returns
    -------
    State

    Raises
    ------
    FormatError
        A line was written by another version.
    """
    state = State()
    sizes = _sizes(parts)
    for event in _events(journals, state):
        kind = event.get("event")
        try:
            if kind == "receipt":
                _take(state, Receipt.from_json(event), sizes, sinks)
            elif kind == "split":
                state.splits[event["id"]] = tuple(
                    PlannedChunk(c["id"], Origin(**{**c["origin"], "columns": tuple(c["origin"]["columns"])}))
                    for c in event["into"]
                )
            elif kind == "ended":
                for session in state.sessions:
                    if session.get("session") == event.get("session"):
                        session["ended"] = dict(event)
                        break
        except (KeyError, TypeError) as error:
            raise FormatError(
                f"a journal line of another version ({error})",
                where=str(parts.parent),
                remedy="run into another directory",
            ) from error
    return state


def _events(journals: Sequence[Path], state: State) -> Iterator[dict[str, Any]]:
    """Give the events of all journals, and put the sessions in the order in which they began.

    Within a journal that is the order of its lines, whatever the clock said;
    between journals of slices only the clock tells.
    """
    order: list[tuple[float, dict[str, Any]]] = []
    for path in journals:
        latest = 0.0
        for event in journal.read([path]):
            if event.get("event") == "started":
                latest = max(latest, float(event.get("time", 0.0)))
                order.append((latest, dict(event)))
                state.sessions.append(order[-1][1])
            yield event
    state.sessions[:] = [session for _, session in sorted(order, key=lambda s: s[0])]


def _take(state: State, receipt: Receipt, sizes: Mapping[str, int], sinks: tuple[str, ...] | None) -> None:
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


def _sizes(parts: Path) -> dict[str, int]:
    if not parts.is_dir():
        return {}
    with os.scandir(parts) as entries:
        return {e.name: e.stat().st_size for e in entries if not e.name.endswith(".tmp")}
