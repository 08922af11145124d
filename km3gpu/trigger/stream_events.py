"""Events that a stream gives out, as flat columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels import segments

__all__ = ["StreamEvents", "joined"]


@dataclass(frozen=True)
class StreamEvents:
    """Events that a stream gave out.

    Attributes
    ----------
    columns : dict of str to (n_events,) array
        ``frame_index`` (int64, the first frame that has a hit of the event),
        ``trigger_counter`` (uint64, from 0), ``trigger_mask`` (uint64),
        ``overlays`` (uint32), ``t_first, t_last`` (float64, ns since the start
        of that frame), ``n_triggered`` (int32), ``root_frame`` (int64, the frame
        of its first root), ``continued`` (bool, it goes on with an event that had
        become too long).
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    hits : dict of str to (n_hits,) array
        All columns that the stream was given, ``t`` and ``tdc`` since the start
        of the event's frame, and ``trigger_mask`` (uint64).
    """

    columns: dict[str, Any]
    offsets: Any
    hits: dict[str, Any]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def joined(parts: list[StreamEvents], like: Mapping[str, Any] | None) -> StreamEvents:
    """Put events together.

    Parameters
    ----------
    parts : list of StreamEvents
        Those that were given out, in order.
    like : mapping of str to array, optional
        Columns of hits whose types to take where there are no parts.
    """
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _nothing(like)
    xp = _backend.namespace(parts[0].offsets)
    counts = xp.concatenate([p.offsets[1:] - p.offsets[:-1] for p in parts])
    return StreamEvents(
        {c: xp.concatenate([p.columns[c] for p in parts]) for c in parts[0].columns},
        segments.counts_to_offsets(counts),
        {c: xp.concatenate([p.hits[c] for p in parts]) for c in parts[0].hits},
    )


def _nothing(like: Mapping[str, Any] | None) -> StreamEvents:
    some = next(iter(like.values())) if like else np.zeros(0)
    xp = _backend.namespace(some)
    dtypes = {
        "frame_index": "i8", "trigger_counter": "u8", "trigger_mask": "u8", "overlays": "u4",
        "t_first": "f8", "t_last": "f8", "n_triggered": "i4", "root_frame": "i8", "continued": "?",
    }  # fmt: skip
    hits = {name: column[:0] for name, column in (like or {}).items() if name != "fit"}
    hits["t"], hits["trigger_mask"] = xp.zeros(0), xp.zeros(0, xp.uint64)
    return StreamEvents({c: xp.zeros(0, d) for c, d in dtypes.items()}, xp.zeros(1, xp.int64), hits)
