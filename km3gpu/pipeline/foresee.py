"""What a run would make, and why, before it is started."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from km3gpu.errors import OutputExistsError, SourceChangedError
from km3gpu.pipeline.outlook import Outlook, outlook, refusal, today
from km3gpu.pipeline.recipe import Recipe
from km3gpu.pipeline.rundir import RunDirectory
from km3gpu.pipeline.start import planned, recipe_of

__all__ = ["foresee"]


def foresee(
    out: str | os.PathLike[str],
    plan: str | os.PathLike[str] | Recipe | None = None,
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    chunk: int | str | None = None,
    existing: Literal["resume", "update", "replace"] = "resume",
) -> Outlook:
    """Say what a run would make, and why, without running it; nothing is written.

    Parameters
    ----------
    out : path
        Directory of the run.
    plan, files, chunk, existing
        As for `run`; without a plan: what `resume` would make.

    Returns
    -------
    Outlook

    Raises
    ------
    ConfigError, InputNotFoundError, FormatError
        The plan or an input is not valid, or there is no run to go on with.
    """
    directory = RunDirectory(Path(out))
    if plan is None:
        there = directory.existing_plan()
        recipe = Recipe.from_json(there.recipe, str(directory.path / "plan.json"))
        found = outlook(today(there, recipe), directory)
        if found.plan.id != there.id or found.plan.code != there.code:
            return dataclasses.replace(found, refusal=str(refusal(directory, found)))
        try:
            there.check_sources()  # a table of calibrations with a new line changes no chunk
        except SourceChangedError as error:
            found = dataclasses.replace(found, refusal=str(error))
        return found
    made, _ = planned(recipe_of(plan, {}, chunk), files, directory, fresh=existing == "replace")
    if existing == "replace":
        return outlook(made, None)
    found = outlook(made, directory)
    try:
        directory.check(made, update=existing == "update")
    except OutputExistsError as error:
        found = dataclasses.replace(found, refusal=str(error))
    return found
