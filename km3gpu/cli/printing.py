"""How commands print: tables for people, JSON for machines."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["bytes_text", "facts", "grid", "print_json", "show"]


_NEVER_CUT = 10_000


def show(*parts: RenderableType) -> None:
    """Print tables, trees and text: in the terminal's width; in a pipe plain and never cut."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False).print(*parts, sep="\n")
        return
    text = _Text()
    plain = Console(width=_NEVER_CUT, highlight=False, color_system=None, file=text)
    plain.print(*parts, sep="\n")
    # cells are filled up with blanks, which nobody wants in a file
    sys.stdout.writelines(line.rstrip() + "\n" for line in text.getvalue().splitlines())


class _Text(io.StringIO):
    """A text that will go where standard output goes: rich draws lines that are known there."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stdout.encoding or "utf-8"


def grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table with a header.

    Parameters
    ----------
    title : str
        Above it; ``""`` for none.
    columns : sequence of str
        Names; one that begins with ``>`` is aligned to the right.
    rows : iterable of sequences
        Cells, shown by ``str``.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title, style="bold") if title else None,  # as it is: brackets are no markup
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name in columns:
        table.add_column(
            name.removeprefix(">"), justify="right" if name.startswith(">") else "left", header_style="dim"
        )
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> RenderableType:
    """Make a list of names and values; pairs whose value is None or ``""`` are left out."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, ""):
            table.add_row(name, Text(str(value)))
    # above the table, not as its title, which would be cut to the table's width
    return Group(Text(title, style="bold"), table) if title else table


def print_json(value: Any) -> None:
    """Print `value` as JSON; arrays as lists, what is no finite number as null."""
    ascii_only = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(_strict(value), indent=1, ensure_ascii=ascii_only, allow_nan=False))


def bytes_text(n: float) -> str:
    """Write a number of bytes as people do."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"


def _strict(value: Any) -> Any:
    """Give plain values that every reader of JSON takes: NaN and infinity are none."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
