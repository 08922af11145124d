"""A continuous stream: timeslices in, triggered events out, borders of slices without effect.

Each coincidence, each root of a trigger and each event is decided once, when all
that bears on it has come, and by rules that do not know how the stream was cut
into chunks (see `docs/decisions/0062`):

* a coincidence belongs to the frame of its first hit, and is settled when the
  next frame is there;
* a root belongs to the frame of its coincidence; it is looked at with that frame
  as the origin of times, and with all hits of the frames beside it that light
  can reach;
* an event is given out when nothing to come can be within its gap.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import ConfigError, FormatError
from km3gpu.kernels import overlaps, segments
from km3gpu.trigger.buffer import FRAME_NS, SLACK_NS, HitBuffer
from km3gpu.trigger.clusters import HIT_COLUMNS
from km3gpu.trigger.finding import any_bit
from km3gpu.trigger.parameters import TriggerParameters
from km3gpu.trigger.roots import SubEvents, reach
from km3gpu.trigger.snapshots import cut_out
from km3gpu.trigger.stream_events import StreamEvents, joined

__all__ = ["StreamEvents", "TriggerStream"]


class TriggerStream:
    """Run the triggers over timeslices as they come.

    Parameters
    ----------
    parameters : TriggerParameters
        What to look for.
    before, after : float, optional
        Snapshot before the first and after the last triggered hit [ns]; by
        default ``t_max_event_ns``.
    longest : float
        No sub-event joins an event that began longer ago than this [ns]; it
        begins the next one.  Keeps memory bounded in a burst; counted as ``cut``.
    late : int
        Slices that a slice may come too late by: so many are held back, and
        put in order.

    Attributes
    ----------
    counters : dict of str to float
        What was counted so far.

    Raises
    ------
    ConfigError
        A time is negative, or too long for frames of 100 ms.

    Examples
    --------
    >>> stream = TriggerStream(sets.named("orca4"), late=16)
    >>> for slices in chunks:
    ...     events = stream.push(slices.frame_index, slices.offsets, slices.hits)
    >>> events = stream.close()
    """

    def __init__(
        self,
        parameters: TriggerParameters,
        *,
        before: float | None = None,
        after: float | None = None,
        longest: float = 1e6,
        late: int = 0,
    ) -> None:
        self.parameters = parameters
        self.before = parameters.t_max_event_ns if before is None else float(before)
        self.after = parameters.t_max_event_ns if after is None else float(after)
        self.longest = float(longest)
        self.late = int(late)
        self._reach = reach(parameters) + parameters.t_max_local_ns
        span = self._reach + parameters.t_max_event_ns + max(self.before, self.after)
        if min(self.before, self.after, self.longest, self.late) < 0:
            raise ConfigError("before, after, longest and late must not be negative")
        if not span + SLACK_NS < FRAME_NS / 4:
            raise ConfigError(
                f"triggers and snapshots span {span:.0f} ns, too long for frames of {FRAME_NS:.0f} ns",
                remedy="take shorter distances or snapshots",
            )
        self.counters: dict[str, float] = {}
        self._waiting: list[tuple[int, int, dict[str, Any]]] = []
        self._last: int | None = None
        self._buffer: HitBuffer | None = None
        self._found: SubEvents | None = None
        self._n_events = 0
        self._cut = False

    # -- in and out ----------------------------------------------------------
    def push(self, frame_index: Any, offsets: Any, hits: Mapping[str, Any]) -> StreamEvents:
        """Take slices, and give the events that are complete.

        Parameters
        ----------
        frame_index : (n_slices,) int array
            Index of each slice in its run.
        offsets : (n_slices + 1,) int64 array
            Hits of each slice.
        hits : mapping of str to (n_hits,) array
            `HIT_COLUMNS`, with ``t`` since the start of the slice; a bool column
            ``fit`` says which may take part in a trigger (the others are in
            snapshots only); any other column is given out again.  The same
            columns every time.

        Returns
        -------
        StreamEvents

        Raises
        ------
        FormatError
            A column is lacking, or a slice comes twice, or later than `late`
            slices after one of a higher frame index.
        """
        if lacking := [c for c in HIT_COLUMNS if c not in hits]:
            raise FormatError(f"hits have no {', '.join(lacking)}", remedy="calibrate them first")
        frames = _backend.Backend.to_host(frame_index).astype(np.int64).tolist()
        edges = _backend.Backend.to_host(offsets).tolist()
        ready = []
        for frame, low, high in zip(frames, edges[:-1], edges[1:], strict=True):
            own = {name: column[low:high] for name, column in hits.items()}
            heapq.heappush(self._waiting, (frame, self._count("slices"), own))
            if len(self._waiting) > self.late:
                ready.append(self._next())
        # what is held back must not hold the memory of all the chunk
        for _, _, own in self._waiting:
            own.update({n: c.copy() for n, c in own.items() if c.base is not None})
        return joined(self._take(ready), hits)

    def close(self) -> StreamEvents:
        """Give the events that are left; the stream may then begin anew with any slice.

        Returns
        -------
        StreamEvents
        """
        ready = []
        like = self._waiting[0][2] if self._waiting else None
        while self._waiting:
            ready.append(self._next())
        made = self._take(ready)
        if self._buffer is not None:
            like = self._buffer.columns
            made.append(self._search(final=True))
        self._last = None
        return joined(made, like)

    def _count(self, name: str, n: float = 1) -> int:
        before = self.counters.get(name, 0.0)
        self.counters[name] = before + n
        return int(before)

    def _next(self) -> tuple[int, dict[str, Any]]:
        frame, _, own = heapq.heappop(self._waiting)
        if self._last is not None and frame <= self._last:
            told = "comes twice" if frame == self._last else f"comes after slice {self._last}"
            raise FormatError(
                f"slice {frame} {told}",
                remedy="give the slices of a run in order, or a larger 'late'; close the stream between runs",
            )
        self._last = frame
        return frame, own

    def _take(self, ready: list[tuple[int, dict[str, Any]]]) -> list[StreamEvents]:
        """Add slices that follow each other at once; a gap ends all that was before."""
        made = []
        while ready:
            n = 1
            while n < len(ready) and ready[n][0] == ready[n - 1][0] + 1:
                n += 1
            run, ready = ready[:n], ready[n:]
            if self._buffer is not None and run[0][0] != self._buffer.frames[-1] + 1:
                self._count("gaps")
                made.append(self._search(final=True))
            if self._buffer is None:
                self._buffer = HitBuffer(run[0][0], self.parameters)
            counts = self._buffer.add([f for f, _ in run], [own for _, own in run])
            for name, value in counts.items():
                self._count(name, value)
            made.append(self._search(final=False))
        return made

    # -- search --------------------------------------------------------------
    def _search(self, final: bool) -> StreamEvents:
        buffer = self._buffer
        assert buffer is not None
        found, counters = buffer.search(final, self._reach)
        for name, value in counters.items():
            self._count(name, value)
        self._found = found if self._found is None else _merged(self._found, found)
        horizon = np.inf if final else buffer.start(buffer.frames[-1]) - SLACK_NS - self._reach
        events, begin = self._complete(buffer, horizon)
        if final:
            self._buffer = self._found = None
            self._cut = False
        else:
            moved = buffer.forget(min(begin, horizon) - self.before - self.after - self._reach)
            f = self._found
            self._found = SubEvents(f.event, f.first - moved, f.last - moved, f.bit, f.factory)
        return events

    def _complete(self, buffer: HitBuffer, horizon: float) -> tuple[StreamEvents, float]:
        """Give the events that nothing to come can join, and when the next one begins."""
        found, gap = self._found, self.parameters.t_max_event_ns
        assert found is not None
        xp = _backend.namespace(found.first)
        n = len(found.first)
        one = xp.asarray(np.array([0, n]))
        starts = xp.flatnonzero(overlaps.merge(one, found.first, found.last, gap, self.longest))
        group = xp.concatenate((starts, xp.full(1, n, starts.dtype))).astype(xp.int64)
        begin, end = found.first[starts], segments.maximum(group, found.last, empty=0.0)
        over = (end + gap < horizon) | (begin + self.longest < horizon)
        done = len(over) if bool(over.all()) else int(xp.argmin(over))
        following = xp.concatenate((begin[1:], xp.full(min(1, len(begin)), xp.inf)))
        cut = following <= end + gap
        self._count("cut", float(cut[:done].sum()))
        continued = xp.concatenate((xp.full(min(1, len(begin)), self._cut), cut[:-1]))
        if done:
            self._cut = bool(cut[done - 1])
        # hits of the last coincidence may be later than the end of the sub-event
        beyond = min(self.parameters.t_max_local_ns, gap)
        latest = xp.minimum(end + beyond, xp.nextafter(following, -xp.inf))
        events = self._events(buffer, begin[:done], latest[:done], group[: done + 1], continued[:done])
        rest = slice(int(group[done]), n)
        self._found = SubEvents(
            *(getattr(found, c)[rest] for c in ("event", "first", "last", "bit", "factory"))
        )
        return events, float(begin[done]) if done < len(begin) else np.inf

    def _events(self, buffer: HitBuffer, begin: Any, latest: Any, group: Any, continued: Any) -> StreamEvents:
        xp = _backend.namespace(begin)
        found = self._found
        assert found is not None
        t = buffer.t
        flagged = t[buffer.mask != 0]
        one = xp.asarray(np.array([0, len(flagged)]))
        flagged = flagged[segments.order(one, xp.zeros(len(flagged), xp.int32), flagged)]
        event = xp.zeros(len(begin), xp.int32)
        low, high = overlaps.within(event, begin, latest, one, flagged)
        t_first, t_last = flagged[low], flagged[high - 1]
        offsets, rows, mask = cut_out(t, buffer.mask, t_first, t_last, self.before, self.after)
        frame = buffer.frame[rows]
        first_frame = segments.minimum(offsets, frame)
        own_frame = first_frame[segments.expand(offsets)]
        hits = {name: column[rows] for name, column in buffer.columns.items()}
        hits["t"] = t[rows] - (own_frame - buffer.base) * FRAME_NS
        if "tdc" in hits:
            later = (frame - own_frame) * int(FRAME_NS)
            hits["tdc"] = (hits["tdc"].astype(xp.int64) + later).astype(hits["tdc"].dtype)
        hits["trigger_mask"] = mask
        start = (first_frame - buffer.base) * FRAME_NS
        n = len(begin)
        some = SubEvents(
            *(getattr(found, c)[: int(group[-1])] for c in ("event", "first", "last", "bit", "factory"))
        )
        columns = {
            "frame_index": first_frame,
            "trigger_counter": xp.arange(self._n_events, self._n_events + n).astype(xp.uint64),
            "trigger_mask": any_bit(group, some),
            "overlays": (group[1:] - group[:-1] - 1).astype(xp.uint32),
            "t_first": t_first - start,
            "t_last": t_last - start,
            "n_triggered": (high - low).astype(xp.int32),
            "root_frame": found.event[group[:-1]],
            "continued": continued,
        }
        self._n_events += n
        self._count("events", n)
        self._count("sub_events", len(some.first))
        return StreamEvents(columns, offsets, hits)


def _merged(a: SubEvents, b: SubEvents) -> SubEvents:
    """Put sub-events in order of time, those of equal times by trigger."""
    xp = _backend.namespace(a.first)
    event, first, last, bit, factory = (
        xp.concatenate((getattr(a, c), getattr(b, c))) for c in ("event", "first", "last", "bit", "factory")
    )
    order = xp.lexsort(xp.stack((event.astype(xp.float64), bit.astype(xp.float64), last, first)))
    return SubEvents(event[order], first[order], last[order], bit[order], factory[order])
