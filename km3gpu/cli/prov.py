"""``km3gpu prov``: where rows came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from km3gpu.cli import lineage, records
from km3gpu.cli.command import command

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["register", "tree"]

_MANY = 8  # of a kind are shown, of more the first and the last
_Entry: TypeAlias = str | tuple[str, list[str]]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    prov = typer.Typer(help="Where rows came from: the record of a run.", no_args_is_help=True)
    app.add_typer(prov, name="prov")

    @prov.callback()
    def group() -> None:
        """Where rows came from: the record of a run."""

    @command(prov, "show")
    def show(
        record: Annotated[
            str, typer.Argument(metavar="RUN_OR_FILE", help="Directory of a run, or one of its outputs.")
        ],
        chunks: Annotated[bool, typer.Option("--chunks", help="List every chunk.")] = False,
        inputs: Annotated[bool, typer.Option("--inputs", help="List every input.")] = False,
        picture: Annotated[
            Path | None,
            typer.Option(
                "--out", "-o", metavar="FILE", help="Draw it as a graph, into an .svg, .png or .pdf."
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the record itself.")] = False,
    ) -> None:
        """Show the record of a run: inputs, stages, environment, chunks, outputs, and how it went."""
        from km3gpu.cli import printing
        from km3gpu.pipeline import provenance

        found = provenance.read(record)
        if picture is not None:
            from km3gpu.plot.lineage import lineage as drawn
            from km3gpu.plot.saving import save

            save(drawn(found, record), picture)
        if picture is not None and not as_json:
            print(picture)
        elif as_json:
            printing.print_json(found)
        else:
            printing.show(tree(record, found, chunks, inputs))

    records.register(prov)
    lineage.register(prov)


def tree(name: str, record: Mapping[str, Any], chunks: bool = False, inputs: bool = False) -> Tree:
    """Lay a record out as a tree.

    Parameters
    ----------
    name : str
        What it is the record of.
    record : mapping
        From `km3gpu.pipeline.provenance.read`: of a run, or embedded in an
        output, which has no sessions.
    chunks, inputs : bool
        List every chunk, every input; else only how many there are of many.
    """
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(name, style="bold"))

    def branch(title: str, entries: Iterable[_Entry]) -> None:
        found = list(entries)
        if not found:
            return
        top = root.add(Text(title, style="bold"))
        for entry in found:
            text, below = (entry, []) if isinstance(entry, str) else entry
            at = top.add(Text(text))
            for line in below:
                at.add(Text(line))

    branch("plan", _plan(record))
    sessions = record.get("sessions", [])
    branch("sessions", _few(list(map(_session, sessions)), f"{len(sessions):,} sessions"))
    branch("inputs", _inputs(record["inputs"], inputs))
    branch("stages", map(_stage, record["stages"]))
    branch("environments", (_environment(d, e) for d, e in record["environments"].items()))
    done = record["chunks"]
    n_out = sum(c["n_out"] for c in done)
    count = f"chunks: {len(done)} done, {len(record['missing'])} missing, {n_out:,} events"
    branch(count, map(_chunk, done) if chunks else [f"km3gpu prov show {name} --chunks lists them"])
    branch("missing", _few(list(map(_missing, record["missing"])), f"{len(record['missing']):,} missing"))
    outputs = [f"{o['name']}  {o['digest']}" for o in record.get("outputs", [])]
    branch("outputs", _few(outputs, f"{len(outputs):,} outputs"))
    return root


def _few(entries: Sequence[_Entry], count: str) -> list[_Entry]:
    """Leave out the middle of many: a run of a thousand slices has as many sessions."""
    if len(entries) <= _MANY:
        return list(entries)
    return [*entries[: _MANY // 2], f"... {count} in all; --json has them", *entries[-_MANY // 2 :]]


def _plan(record: Mapping[str, Any]) -> list[str]:
    git = record.get("git")
    said = [f"{record['plan']}, code {record['code']}"]
    if git:
        changed = " with uncommitted changes" if git["dirty"] else ""
        said.append(f"git {git['commit'][:12]}{changed}")
    if "status" in record:
        said.append(record["status"])
    origins = record.get("configuration", {}).get("origins", {})
    set_by = {k: v for k, v in origins.items() if k.startswith("run.") and v != "default"}
    settings = record.get("configuration", {}).get("run", {})
    said += [f"{k} = {settings.get(k.removeprefix('run.'))!r} ({v})" for k, v in set_by.items()]
    return said


def _session(session: Mapping[str, Any]) -> tuple[str, list[str]]:
    ended = session.get("ended", {})
    took = f" after {ended['seconds']:.1f} s" if "seconds" in ended else ""
    text = f"{_utc(session['time'])}  {ended.get('status', 'killed')}{took} on {session['worker']}"
    said = [" ".join(session["command"])]
    if session.get("executable"):
        said.append(f"with {session['executable']}")
    if session.get("folder"):
        by = f" by {session['user']}" if session.get("user") else ""
        said.append(f"in {session['folder']}{by}")
    said += [f"{k}={v}" for k, v in session.get("variables", {}).items()]
    if session["resumed"]:
        said.append(f"{session['resumed']} chunks were done before")
    if ended.get("error"):
        said.append(ended["error"])
    return text, said


def _inputs(sources: Sequence[Mapping[str, Any]], every: bool) -> Iterable[_Entry]:
    data = [s for s in sources if s["role"] == "data"]
    shown = data if every or len(data) <= _MANY else [*data[:2], data[-1]]
    for n, source in enumerate(shown):
        if len(shown) < len(data) and n == len(shown) - 1:
            entries = sum(s["n_entries"] for s in data)
            words = f"... {len(data) - len(shown):,} more, {entries:,} entries in all"
            yield f"{words}; km3gpu prov show --inputs lists them"
        yield _input(source)
    yield from (_input(s) for s in sources if s["role"] != "data")


def _input(source: Mapping[str, Any]) -> tuple[str, list[str]]:
    said = [source["digest"]]
    if source["role"] == "data":
        said.append(
            f"{source['kind']}, tree {source['tree']}, {source['n_entries']:,} entries, uuid {source['uuid']}"
        )
    said += [f"{name} = {file}" for _, name, file in source.get("files", ())]
    said += [f"made by {a['application']} {a['git']} {a.get('time', '')}".rstrip() for a in source["meta"]]
    label = f" ({source['label']})" if source.get("label") else ""
    return f"{source['role']}  {source['path']}{label}", said


def _stage(stage: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{k} = {v!r}" for k, v in stage.items() if k != "stage")
    return f"{stage['stage']}  {settings}".rstrip()


def _environment(digest: str, env: Mapping[str, Any]) -> tuple[str, list[str]]:
    gpu = (
        env["gpu"] if isinstance(env["gpu"], str) else f"{env['gpu']['name']}, driver {env['gpu']['driver']}"
    )
    shown = ("km3gpu", "numpy", "numba", "awkward", "pyarrow", "h5py", "astropy")
    packages = env["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in shown if name in packages)
    return f"{digest}  {env['python']}, {env['system']}", [
        f"CPU {env['cpu']}",
        f"GPU {gpu}",
        f"{len(packages)} packages: {versions}, ...",
    ]


def _chunk(chunk: Mapping[str, Any]) -> str:
    start, stop = chunk["entries"]
    return f"{chunk['id']}  {Path(chunk['path']).name} {chunk['tree']}[{start}:{stop}]  {chunk['device']}"


def _missing(chunk: Any) -> str:
    if isinstance(chunk, str):
        return chunk
    start, stop = chunk["entries"]
    return f"{chunk['id']}  {Path(chunk['path']).name} [{start}:{stop}]  {chunk['why']}"


def _utc(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
