"""What a run would make, and why, as tables: for ``--dry-run``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from km3gpu.pipeline.outlook import Outlook

__all__ = ["foreseen"]

_SHOWN = 20


def foreseen(name: str, found: Outlook, as_json: bool) -> None:
    """Print what a run would make, and why.

    Parameters
    ----------
    name : str
        Directory of the run.
    found : Outlook
    as_json : bool
        Print JSON instead of tables, with every chunk.
    """
    from km3gpu.cli.printing import facts, grid, print_json, show

    if as_json:
        print_json(_plain(name, found))
        return
    events = sum(c.origin.n_entries for c in found.left)
    shown: list[Any] = [
        facts(
            name,
            [
                ("chunks", f"{len(found.plan.chunks):,}"),
                ("done", f"{len(found.done):,}"),
                ("to make", f"{len(found.left):,}, {events:,} events" if found.left else "none"),
            ],
        )
    ]
    if found.causes:
        rows = [
            (len(c.chunks), c.change.section, c.change.key, *c.change.short()) for c in found.causes[:_SHOWN]
        ]
        shown += ["", grid("why", (">chunks", "", "what", "was", "is"), rows)]
        if len(found.causes) > _SHOWN:
            shown.append(f"and {len(found.causes) - _SHOWN} more; --json tells them all")
    if found.refusal:
        shown += ["", f"as it is, the run would not start: {found.refusal}"]
    show(*shown)


def _plain(name: str, found: Outlook) -> dict[str, Any]:
    return {
        "out": name,
        "plan": found.plan.id,
        "chunks": len(found.plan.chunks),
        "done": [c.id for c in found.done],
        "left": [
            {"id": c.id, "path": c.origin.path, "entries": [c.origin.start, c.origin.stop]}
            for c in found.left
        ],
        "causes": [
            {**dataclasses.asdict(c.change), "chunks": [chunk.id for chunk in c.chunks]} for c in found.causes
        ],
        "refusal": found.refusal,
    }
