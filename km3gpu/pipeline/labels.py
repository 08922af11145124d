"""Labels of datasets, on the events that come from them."""

from __future__ import annotations

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError
from km3gpu.table import Ragged

__all__ = ["labelled"]


def labelled(chunk: Chunk, label: str) -> Chunk:
    """Give each event its label, in the column ``label`` of ``events``.

    Raises
    ------
    ConfigError
        The file has such a column already.
    """
    if not label or "events" not in chunk:
        return chunk
    if "label" in chunk.events:
        raise ConfigError(
            "the events have a column 'label' already",
            where=chunk.source.path,
            remedy="leave it out of columns, or name the files without labels",
        )
    events = chunk.events
    word = label.encode()
    xp = backend.namespace(events.flat("entry")) if "entry" in events else np
    offsets = xp.arange(len(events) + 1, dtype="int64") * len(word)
    content = xp.tile(xp.asarray(np.frombuffer(word, np.uint8)), len(events))
    texts = Ragged(offsets, content, text=True)
    return Chunk(chunk.source, {**chunk.tables, "events": events.with_columns(label=texts)}, chunk.history)
