"""Start a run, or go on with one."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from km3gpu import config
from km3gpu.chunk import code_version
from km3gpu.errors import ConfigError
from km3gpu.io.dataset import parse_size
from km3gpu.pipeline.journal import Journal
from km3gpu.pipeline.memory import settled
from km3gpu.pipeline.outlook import outlook, refusal, today
from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.planning import make_plan
from km3gpu.pipeline.recipe import Recipe, read_recipe
from km3gpu.pipeline.result import RunResult
from km3gpu.pipeline.rundir import RunDirectory
from km3gpu.pipeline.session import Session
from km3gpu.pipeline.settings import BATCH, OF_JOBS, RunSettings

__all__ = ["planned", "recipe_of", "resume", "run"]


@settled()
def run(
    plan: str | os.PathLike[str] | Recipe,
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    out: str | os.PathLike[str],
    workers: int | None = None,
    runner: str | None = None,
    readers: int | None = None,
    scheduler: Any = None,
    threads: int | None = None,
    backend: str | None = None,
    memory: str | None = None,
    window: int | None = None,
    chunk: int | str | None = None,
    merge: bool | None = None,
    catalogue: str | None = None,
    part: str | None = None,
    verify: bool | None = None,
    existing: Literal["resume", "update", "replace"] = "resume",
    show: bool | str | None = None,
) -> RunResult:
    """Run a plan over files.

    Running the same again goes on where the last run ended, and does nothing
    where that was the end.

    Parameters
    ----------
    plan : path or Recipe
        Plan file (TOML), or a recipe made in Python.
    files : path, pattern or iterable of them, optional
        Inputs, instead of those that the plan names.
    out : path
        Directory of the run; made where there is none.
    workers : int, optional
        Chunks in work at the same time.
    runner : str, optional
        ``"serial"``, ``"threads"``, ``"processes"`` or ``"distributed"``.
    readers : int, optional
        Workers that only read, for `workers` that only compute and write.
    scheduler : str or distributed.Client, optional
        Address of a dask scheduler, ``"local"``, or a client.
    threads : int, optional
        CPU threads for the kernels of one worker.
    backend : str, optional
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    memory : str, optional
        Limit of resident memory of each worker process (``"2 GB"``).
    window : int, optional
        Chunks that are handed out at most at a time.
    chunk : int or str, optional
        Size of a chunk, in events or as ``"64 MB"``.
    merge : bool, optional
        Put the parts together at the end (the default).
    catalogue : str, optional
        Database of runs to enter this one into: a path, ``"user"`` or ``"none"``.
    part : str, optional
        ``"3/100"``: make only the third of a hundred slices of the plan, and do
        not merge.  Slices may run at the same time, into one directory, without
        knowing of each other; `resume` then puts the parts together.
    verify : bool, optional
        Read the bytes of all inputs again, before and after they are used.
    existing : {"resume", "update", "replace"}
        What to do in a directory with results: go on with the same plan;
        ``"update"`` also takes another plan, and keeps the chunks that it
        shares with the last; ``"replace"`` removes what the last run wrote.
    show : bool or str, optional
        Show progress; by default where stderr is a terminal; ``"json"``: as
        JSON lines on stderr.

    Returns
    -------
    RunResult

    Raises
    ------
    ConfigError, InputNotFoundError, FormatError
        The plan or an input is not valid; nothing was written.
    OutputExistsError
        The directory holds something else; nothing was touched.
    DiskFullError
        No space left; the run stopped, and goes on when there is.
    InterruptedRunError
        A signal stopped the run; running the same again goes on.
    RunFailedError
        Some chunks failed; its ``result`` is the `RunResult` of the others.
    """
    began = time.perf_counter()
    if existing not in ("resume", "update", "replace"):
        raise ConfigError(f"existing = {existing!r}", remedy="take 'resume', 'update' or 'replace'")
    share = None if part is None else _share(part)
    if share is not None and existing != "resume":
        raise ConfigError(f"a slice cannot {existing} a directory that others share", remedy="take 'resume'")
    recipe = recipe_of(plan, _settings(locals()), chunk)
    directory = RunDirectory(Path(out))
    made, recipe = planned(recipe, files, directory, fresh=existing == "replace")
    return _run(made, recipe, directory, existing, scheduler, show, began, share)


@settled()
def resume(
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    runner: str | None = None,
    readers: int | None = None,
    scheduler: Any = None,
    threads: int | None = None,
    backend: str | None = None,
    memory: str | None = None,
    window: int | None = None,
    catalogue: str | None = None,
    verify: bool | None = None,
    show: bool | str | None = None,
) -> RunResult:
    """Go on with the run in a directory, from what lies in it alone.

    Chunks that failed are tried again.

    Parameters
    ----------
    out : path
        Directory of the run.
    workers, runner, readers, scheduler, threads, backend, memory, window, catalogue, show
        As for `run`.
    verify : bool, optional
        As for `run`; by default as the run had it.

    Returns
    -------
    RunResult

    Raises
    ------
    InputNotFoundError
        No run there, or an input is gone.
    SourceChangedError
        An input is not the file any more that the plan was made for.
    OutputExistsError
        The run was made by other code, which would make other chunks.
    """
    began = time.perf_counter()
    directory = RunDirectory(Path(out))
    plan = directory.existing_plan()
    sessions = directory.state().sessions
    verify = _verified_before(sessions) if verify is None else verify
    call = _settings(locals())
    made = Recipe.from_json(plan.recipe, str(directory.path / "plan.json"))
    running = _as_before(config.resolve(RunSettings, environment=os.environ, call=call), sessions)
    origins = {f"run.{k}": v for k, v in running.origins.items()}
    recipe = dataclasses.replace(made, run=running.value, origins=origins)
    if plan.code != code_version() or _histories(plan, recipe):
        raise refusal(directory, outlook(today(plan, recipe), directory))
    plan.check_sources()
    return _run(plan, recipe, directory, "resume", scheduler, show, began)


def planned(
    recipe: Recipe,
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None,
    directory: RunDirectory,
    *,
    fresh: bool,
) -> tuple[Plan, Recipe]:
    """Plan a run into a directory; also give the recipe, with the size of chunks that was chosen."""
    if recipe.source.chunk == "auto" and not fresh and (before := directory.plan()) is not None:
        # going on means the same chunks, whatever memory is free today
        size = before.recipe["source"]["chunk"]
        recipe = dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, chunk=size))
    several = [files] if isinstance(files, str | os.PathLike) else files
    return make_plan(recipe, None if several is None else [os.fspath(f) for f in several]), recipe


def _run(
    plan: Plan,
    recipe: Recipe,
    directory: RunDirectory,
    existing: str,
    scheduler: Any,
    show: bool | str | None,
    began: float,
    share: tuple[int, int] | None = None,
) -> RunResult:
    memory = None if recipe.run.memory is None else parse_size(recipe.run.memory)
    update = existing in ("update", "replace")
    directory.check(plan, update=update)
    try:
        directory.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{str(directory.path)!r} cannot be made: {error.strerror}", remedy="choose another directory"
        ) from error
    name = "journal.jsonl" if share is None else f"journal-{share[0]:05}-of-{share[1]:05}.jsonl"
    with Journal(directory.path / name) as log:
        directory.alone(name, among_slices=share is not None)
        directory.check(plan, update=update)  # again, now that nobody else can write
        if existing == "replace" and (old := directory.plan()) is not None:
            directory.clear(old)
            log.clear()
        directory.adopt(plan)
        if share is None:
            directory.sweep()
        client = None if isinstance(scheduler, str) else scheduler
        return Session(plan, recipe, directory, log, began, share).run(memory, client, show)


def _histories(plan: Plan, recipe: Recipe) -> bool:
    """Tell whether the steps are others now than they were: a file of the calibration, say."""
    own = (recipe.history_of(i.label, i.files) != i.history for i in plan.inputs if i.role == "data")
    return plan.history != recipe.history or any(own)


def _verified_before(sessions: Sequence[Mapping[str, Any]]) -> bool | None:
    """Tell whether an earlier session read its inputs again; None: as the settings say."""
    asked = any(s.get("settings", {}).get("verify") for s in sessions)
    return True if asked else None


def _as_before(
    running: config.Resolved[RunSettings], sessions: Sequence[Mapping[str, Any]]
) -> config.Resolved[RunSettings]:
    """Submit jobs like those of the last session on the same batch system, where nothing else is asked."""
    name = running.value.runner
    if name not in BATCH:
        return running
    settings: list[dict[str, Any]] = [s.get("settings", {}) for s in reversed(sessions)]
    used = next((s for s in settings if s.get("runner") == name), {})
    same = {k: used[k] for k in OF_JOBS if k in used and running.origins[k] == "default"}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in same.items()}
    origins = {**running.origins, **dict.fromkeys(same, "an earlier session")}
    return config.Resolved(dataclasses.replace(running.value, **values), origins)


def _share(part: str) -> tuple[int, int]:
    """Read ``"3/100"``."""
    try:
        i, n = (int(x) for x in part.split("/"))
    except ValueError:
        i, n = 0, 0
    if not 1 <= i <= n:
        raise ConfigError(f"{part!r} is no slice", remedy="write '3/100' for the third of a hundred")
    return i, n


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what is set in ``[run]`` out of the arguments of a call; a client is not."""
    found = {f.name: given[f.name] for f in dataclasses.fields(RunSettings) if f.name in given}
    if not isinstance(found.get("scheduler"), str):
        found.pop("scheduler", None)
    return found


def recipe_of(
    plan: str | os.PathLike[str] | Recipe, call: Mapping[str, Any], chunk: int | str | None
) -> Recipe:
    """Give the recipe of a plan file, or one made in Python, with what the caller sets."""
    if not isinstance(plan, Recipe):
        return read_recipe(plan, source={"chunk": chunk}, run=call)
    changed = {k: v for k, v in call.items() if v is not None}
    source = plan.source if chunk is None else dataclasses.replace(plan.source, chunk=chunk)
    origins = {**plan.origins, **{f"run.{k}": "call" for k in changed}}
    return dataclasses.replace(
        plan, source=source, run=dataclasses.replace(plan.run, **changed), origins=origins
    )
