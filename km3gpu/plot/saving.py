"""Figures to files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from km3gpu.errors import ConfigError, InputNotFoundError

__all__ = ["save"]


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the file's name; the same picture is the same bytes.

    Raises
    ------
    ConfigError
        No picture has such a name, or the file cannot be written.
    InputNotFoundError
        There is no such directory.
    """
    known = sorted(figure.canvas.get_supported_filetypes())
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in known:
        raise ConfigError(
            f"{str(path)!r} is no name of a picture",
            remedy=f"let it end with .svg or .png, of {', '.join(known)}",
        )
    if not Path(path).absolute().parent.is_dir():
        raise InputNotFoundError(f"no directory for {str(path)!r}", remedy="make it first")
    # a clock and random identifiers would make each copy another
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    try:
        with mpl.rc_context({"svg.hashsalt": "km3gpu"}):
            figure.savefig(path, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"cannot write {str(path)!r}: {error.strerror}", remedy="choose another") from None
