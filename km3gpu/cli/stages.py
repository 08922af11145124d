"""``km3gpu stages``: what a plan can name, each stage and sink with its parameters."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["register", "stage_facts"]

_TITLES = {
    "stage": 'Stages, as in [[stage]] use = "..."',
    "sink": 'Sinks, as in [[sink]] format = "..."',
}
_PARAMETER = re.compile(r"(?P<names>\w+(?:, \w+)*)(?: : (?P<type>.*))?$")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "stages")
    def stages(
        name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A stage or sink.")] = None,
        example: Annotated[
            bool, typer.Option("--example", help="Print only its example, a whole plan that runs.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """List the stages and sinks that a plan can name, or the parameters of one and an example."""
        from rich.text import Text

        from km3gpu.cli.printing import grid, print_json, show
        from km3gpu.errors import ConfigError, UnknownNameError

        if example and name is None:
            raise ConfigError("an example of what?", remedy="name a stage: km3gpu stages select --example")
        found = stage_facts()
        if name is not None:
            if name not in found:
                raise UnknownNameError.of("stage", name, found)
            found = {name: found[name]}
        if as_json:
            print_json(found)
        elif example and name is not None:
            typer.echo(found[name]["example"], nl=False)
        elif name is None:
            for kind, title in _TITLES.items():
                rows = [(n, f["summary"]) for n, f in found.items() if f["kind"] == kind]
                show(grid(title, ("name", "what it does"), rows), Text())
        else:
            entry = found[name]
            said = [Text(entry["text"])] if entry["text"] else []
            show(Text(f"{name}: {entry['summary']}", style="bold"), *said, Text())
            columns = ("parameter", "default", "values", "meaning")
            cells = [(p, v["default"], v["type"], v["meaning"]) for p, v in entry["parameters"].items()]
            show(grid("", columns, cells))
            how = f"Example: km3gpu stages {name} --example > plan.toml; km3gpu run plan.toml -o out"
            show(Text(), Text(how, style="bold"), Text(entry["example"].rstrip()))


def stage_facts() -> dict[str, dict[str, Any]]:
    """Give what a plan can name, from the classes' own signatures and docstrings.

    Returns
    -------
    dict
        By name: ``kind`` (``"stage"`` or ``"sink"``), ``summary``, ``text``,
        ``example``, a whole plan, and ``parameters``, each with ``default``
        (``"required"`` where there is none), ``type`` and ``meaning``.
    """
    from km3gpu import stages
    from km3gpu.pipeline.sinks import SINKS

    kinds = {"stage": stages.known(), "sink": SINKS}
    return {name: _facts(name, cls, kind) for kind, classes in kinds.items() for name, cls in classes.items()}


def _facts(name: str, cls: type[Any], kind: str) -> dict[str, Any]:
    summary, text, documented = _read(inspect.getdoc(cls) or "")
    parameters = {
        f.name: {"default": _default(f), **documented.get(f.name, {"type": "", "meaning": ""})}
        for f in dataclasses.fields(cls)
    }
    example = resources.files("km3gpu") / "plans" / f"{kind}s" / f"{name}.toml"
    known = {"kind": kind, "summary": summary, "text": text, "parameters": parameters}
    # a stage of the user's own has none
    return {**known, "example": example.read_text("utf-8") if example.is_file() else ""}


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return "" if field.default is None else str(field.default)
    return "required" if field.default_factory is dataclasses.MISSING else str(field.default_factory())


def _read(doc: str) -> tuple[str, str, Mapping[str, dict[str, str]]]:
    """Take a numpydoc docstring apart: the first line, the prose, and its attributes by name."""
    head, _, tail = doc.replace("``", "").partition("\nAttributes\n")
    summary, _, prose = head.partition("\n")
    section = re.split(r"\n\n\S.*\n-{3,}\n", tail.partition("\n")[2])[0]
    found: dict[str, dict[str, str]] = {}
    names: list[str] = []
    for line in section.splitlines():
        head_line = _PARAMETER.match(line)
        if head_line:
            names = head_line["names"].split(", ")
            found |= {n: {"type": head_line["type"] or "", "meaning": ""} for n in names}
        for n in names if line.startswith(" ") else ():
            found[n]["meaning"] = f"{found[n]['meaning']} {line.strip()}".strip()
    return summary.rstrip("."), prose.split("\nParameters\n")[0].strip(), found
