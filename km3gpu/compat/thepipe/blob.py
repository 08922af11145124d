"""What goes through a pipeline: an ordered dictionary with a name."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from km3gpu.compat.thepipe.logger import get_logger

__all__ = ["Blob"]


class Blob(OrderedDict[str, Any]):
    """An ordered dictionary that says what it holds where a key is missing."""

    log = get_logger("Blob")

    def __str__(self) -> str:
        if not self:
            return "Empty blob"
        width = max(len(str(k)) for k in self) + 3
        lines = [f" {f'{k!r}':<{width - 1}} => {v!r}" for k, v in self.items()]
        return "\n".join([f"Blob ({len(self)} entries):", *lines])

    def __getitem__(self, key: str) -> Any:
        try:
            return super().__getitem__(key)
        except KeyError:
            self.log.error(
                f"No key named {key!r} found in Blob.\nAvailable keys: {', '.join(map(str, self))}"
            )
            raise
