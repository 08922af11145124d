"""Stand in for thepipe where other packages import it."""

from __future__ import annotations

import importlib
import sys

from km3gpu.errors import ConfigError

__all__ = ["take_over"]

_PACKAGE = "km3gpu.compat.thepipe"


def take_over() -> None:
    """Let every later ``import thepipe`` of this process give this package.

    Call it before km3pipe, or another package built on thepipe, is imported:
    its modules are then modules of this package, and its pumps and sinks write
    into the same record.

    Raises
    ------
    ConfigError
        thepipe itself was imported before.
    """
    there = sys.modules.get("thepipe")
    if there is not None and there is not sys.modules[_PACKAGE]:
        raise ConfigError(
            "thepipe was imported before", remedy="call take_over() in the first lines of the script"
        )
    sys.modules["thepipe"] = sys.modules[_PACKAGE]
    for name in ("core", "logger", "provenance", "tools"):
        sys.modules[f"thepipe.{name}"] = importlib.import_module(f"{_PACKAGE}.{name}")
