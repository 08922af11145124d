"""A run enters itself into the catalogue, when it begins and when it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from km3gpu.pipeline import environment
from km3gpu.pipeline.catalogue import PATIENCE, Catalogue, Entry, Use, located, place
from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.receipt import Output

__all__ = ["enter", "entry"]

_SHORT = 1.0  # seconds to wait for another run that writes, where there will be another time


def entry(
    directory: Path,
    plan: Plan,
    status: str,
    started: float,
    ended: float | None,
    outputs: Sequence[Output] | None,
) -> Entry:
    """Make the entry of a run; without `outputs` those of an earlier session stay."""
    folder = Path(located(str(directory)))
    made = None if outputs is None else tuple(Use("output", str(folder / o.name), o.digest) for o in outputs)
    return Entry(
        str(folder),
        plan.id,
        plan.code,
        status,
        environment.worker_name(),
        started,
        ended,
        tuple(Use(i.role, located(i.path), i.digest) for i in plan.inputs),
        made,
    )


def enter(setting: str | None, make: Callable[[], Entry], *, once: bool = False, again: bool = False) -> None:
    """Enter a run into the catalogue; where that cannot be done, say so in one line and go on.

    Parameters
    ----------
    setting : str, optional
        As for `place`.
    make : callable
        Gives the entry.
    once : bool
        Leave a run that the catalogue knows as it is.
    again : bool
        The run will be entered once more, when it ends: no need to wait long, nor to say what is wrong.
    """
    try:
        path = place(setting)
        if path is None:
            return
        entry = make()
        with Catalogue(path, make=True, patience=_SHORT if again else PATIENCE) as catalogue:
            if not (once and catalogue.knows(entry)):
                catalogue.add(entry)
    except Exception as error:  # whatever it is, the run is worth more than its entry
        if again:
            return
        words = " ".join(str(error).split())
        logging.getLogger("km3gpu").warning("km3gpu: the run is not in the catalogue: %s", words)
