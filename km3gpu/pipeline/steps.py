"""Stages and sinks of a recipe: from the tables of a plan file, and back to plain values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import importlib
import inspect
import json
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from km3gpu import config, extras, stages
from km3gpu.errors import ConfigError, Km3GpuError, closest
from km3gpu.io.sink import Sink
from km3gpu.pipeline.chosen import Chosen
from km3gpu.pipeline.sinks import SINKS
from km3gpu.stages.function import Function, imported
from km3gpu.stages.stage import Stage
from km3gpu.tomlfile import Section

__all__ = [
    "beside",
    "fingerprint",
    "make_sink",
    "make_stage",
    "sink_to_json",
    "stage_to_json",
    "tuples",
]

_THEPIPE = "thepipe:"


# -- stages --------------------------------------------------------------------
def make_stage(section: Section, folder: Path | None = None) -> Stage:
    """Make the stage that a ``[[stage]]`` table describes.

    Parameters
    ----------
    section : Section
        ``use`` names the stage, the rest are its parameters.
    folder : Path, optional
        Where relative paths, and modules of the user, start from.

    Returns
    -------
    Stage

    Raises
    ------
    ConfigError
        Unknown stage or parameter, or a value that is not valid.
    """
    parameters = {k: tuples(v) for k, v in section.values.items() if k != "use"}
    use = section.values.get("use")
    if not isinstance(use, str):
        raise ConfigError("a stage without 'use'", where=section.where(), remedy="write use = 'calibrate'")
    if use.startswith(_THEPIPE):
        return _module_of_thepipe(section, folder)
    kind = _stage_class(use, section, folder)
    if kind is Function:
        return _function(use, section, parameters)
    config.check_keys(
        Section(section.document, section.key, parameters), [f.name for f in dataclasses.fields(kind)]
    )
    _check_types(kind, parameters, section)
    lost = [k for k, v in parameters.items() if isinstance(v, dict) and set(v) == {"object"}]
    if lost:
        raise ConfigError(
            f"{lost[0]!r} of stage {use!r} was an object in memory, {parameters[lost[0]]['object']}",
            where=section.where(),
            remedy="run again from Python, or name a file in its place",
        )
    try:
        stage = _build(use, kind, parameters)
        # which parameters are paths is known from what the stage says it uses
        files = set(stage.inputs())
        located = {k: _located(v, files, folder) for k, v in parameters.items()}
        return stage if located == parameters else _build(use, kind, located)
    except Km3GpuError as error:
        if error.where is None:
            named = [k for k in parameters if repr(k) in error.what or error.what.startswith(k)]
            error.where = section.where(named[0] if named else "use")
        raise


def _check_types(kind: type[Stage], parameters: Mapping[str, Any], section: Section) -> None:
    try:
        hints = typing.get_type_hints(kind)
    except NameError:  # a user's class may name types that only a checker imports
        return
    for key, value in parameters.items():
        if value is not None:  # the recorded form of a plan has what a file leaves out
            config.check_type(key, value, hints[key], section.where(key))


def _build(use: str, kind: type[Stage], parameters: Mapping[str, Any]) -> Stage:
    if ":" not in use:
        return stages.make(use, **parameters)
    try:
        return kind(**parameters)
    except TypeError as error:
        raise ConfigError(f"stage {use!r}: {error}") from error


def _stage_class(use: str, section: Section, folder: Path | None) -> type[Stage]:
    where = section.where("use")
    if ":" not in use:
        known = stages.known()
        if use not in known:
            names = closest(use, known)
            raise ConfigError(f"unknown stage {use!r}", where=where, remedy=f"there is: {', '.join(names)}")
        return known[use]
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # a user's stage may lie beside the plan
    try:
        kind = imported(use)
    except ConfigError as error:
        error.where = where
        raise
    if not isinstance(kind, type) and callable(kind):
        return Function
    if not (isinstance(kind, type) and issubclass(kind, Stage) and dataclasses.is_dataclass(kind)):
        remedy = "name a function, or derive a frozen dataclass from km3gpu.stages.Stage"
        raise ConfigError(f"{use!r} is no stage", where=where, remedy=remedy)
    return kind


def _module_of_thepipe(section: Section, folder: Path | None) -> Stage:
    # above this room, so it is imported as a user's stage is
    maker = importlib.import_module("km3gpu.compat.thepipe.stage").from_plan
    try:
        stage: Stage = maker(section.values, folder, lambda p: p if folder is None else beside(folder, p))
    except ConfigError as error:
        error.where = error.where or section.where("use")
        raise
    return stage


def _function(use: str, section: Section, parameters: Mapping[str, Any]) -> Stage:
    own = {k: parameters.get(k, ()) for k in ("reads", "writes")}
    rest = tuple((k, v) for k, v in parameters.items() if k not in own)
    try:
        return Function(use, own["reads"], own["writes"], rest)
    except ConfigError as error:
        named = [k for k in parameters if error.what.startswith(k)]
        error.where = error.where or section.where(named[0] if named else "use")
        raise


def fingerprint(stage: Stage) -> str:
    """Describe a stage with all that shapes its result, as canonical JSON.

    To what the stage says itself this adds, for a stage from outside the
    package, the digest of its source file: the package's own code is in the
    code version of each chunk id, a user's is not.
    """
    text = stage.fingerprint()
    module = type(stage).__module__
    if module.partition(".")[0] == "km3gpu":
        return text
    source = inspect.getsourcefile(type(stage))
    code = Path(source).read_bytes() if source and Path(source).is_file() else module.encode()
    digest = "sha256:" + hashlib.sha256(code).hexdigest()
    return json.dumps({**json.loads(text), "source": digest}, sort_keys=True, separators=(",", ":"))


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """Describe a stage as the table of a plan file would."""
    if (own := getattr(stage, "to_plan", None)) is not None:
        table: dict[str, Any] = own()
        return table
    if isinstance(stage, Function):
        about = {"reads": list(stage.columns_read), "writes": list(stage.columns_written)}
        return {"use": stage.function, **about, **{k: _plain(v) for k, v in stage.parameters}}
    kind = type(stage)
    use = stage.name if stages.known().get(stage.name) is kind else f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__.partition(".")[0] != "km3gpu":
        use = f"{kind.__module__}:{kind.__qualname__}"
    values = {f.name: _plain(getattr(stage, f.name)) for f in dataclasses.fields(stage)}
    return {"use": use, **values}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    path = getattr(value, "path", None)  # a detector or the like that was opened from a file
    if isinstance(path, str) and path:
        return path
    try:
        json.dumps(value)
    except TypeError:
        return {"object": repr(value)}
    return value


# -- sinks ---------------------------------------------------------------------
def make_sink(section: Section) -> tuple[Sink, Mapping[str, str]]:
    """Make the sink that a ``[[sink]]`` table describes, and say where each option came from.

    Raises
    ------
    ConfigError
        Unknown format or option, or a value that is not valid.
    """
    options = {k: v for k, v in section.values.items() if k != "format"}
    name = section.values.get("format")
    if name not in SINKS:
        what = "a sink without 'format'" if name is None else f"unknown format {name!r}"
        raise ConfigError(what, where=section.where("format"), remedy=f"there is: {', '.join(SINKS)}")
    rest = Section(section.document, section.key, options)
    where = options.pop("where", None)
    maker = getattr(SINKS[name], "from_section", None)
    got = config.resolve(SINKS[name], section=rest) if maker is None else maker(rest)
    if where is None:
        return got.value, got.origins
    try:
        chosen = Chosen(got.value, where)
    except Km3GpuError as error:
        error.where = section.where("where")
        raise
    return chosen, {**got.origins, "where": section.where("where")}


def sink_to_json(sink: Any) -> dict[str, Any]:
    """Describe a sink as the table of a plan file would."""
    if isinstance(sink, Chosen):
        return {**sink_to_json(sink.sink), "where": sink.where}
    return {"format": sink.format, **dataclasses.asdict(sink)}


# -- values --------------------------------------------------------------------
def beside(folder: Path, name: str) -> str:
    """Give a path of a plan file in `folder` as an absolute one."""
    if name.startswith(extras.TESTDATA) or "://" in name:
        return extras.resolve_path(name)
    return str(folder / Path(name).expanduser())


def _located(value: Any, files: set[str], folder: Path | None) -> Any:
    """Make a parameter that names an input of its stage an absolute path."""
    if folder is None:
        return value
    if isinstance(value, str) and extras.resolve_path(value) in files:
        return beside(folder, value)
    if isinstance(value, tuple):
        return tuple(_located(v, files, folder) for v in value)
    return value


def tuples(value: Any) -> Any:
    """Give a list of TOML or JSON as a tuple, which a frozen dataclass can hold; a date as text."""
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value
