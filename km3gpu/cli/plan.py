"""``km3gpu plan``: what a run would do, without doing it."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Annotated, Any

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from rich.table import Table

    from km3gpu.pipeline import Plan, Recipe
    from km3gpu.pipeline.footprint import Step

__all__ = ["register", "worker"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "plan")
    def plan(
        plan: Annotated[str, typer.Argument(metavar="PLAN", help="Plan file (TOML).")],
        files: Annotated[
            list[str] | None,
            typer.Argument(metavar="FILE", help="Inputs, instead of those of the plan."),
        ] = None,
        chunk: Annotated[
            str | None,
            typer.Option(metavar="SIZE", help="Size of a chunk: events, '64 MB' or auto."),
        ] = None,
        chunks: Annotated[bool, typer.Option("--chunks", help="List every chunk.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the plan itself.")] = False,
    ) -> None:
        """Show inputs, columns, stages, chunks and memory of a run, without running it."""
        from km3gpu.cli.printing import print_json, show
        from km3gpu.pipeline import make_plan, read_recipe

        size = int(chunk) if chunk and chunk.isdigit() else chunk
        recipe = read_recipe(plan, source={"chunk": size})
        made = make_plan(recipe, files or None)
        if as_json:
            print_json(_plain(recipe, made))
        else:
            show(*_tables(recipe, made, chunks), *_runs(made))


def _runs(plan: Plan) -> list[str]:
    """Say what the run list of a plan leaves out."""
    from km3gpu.pipeline.livetimes import livetimes, told

    facts = livetimes(plan, {})
    return [] if facts is None else told(facts)


def _plain(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    from dataclasses import asdict

    from km3gpu.pipeline.livetimes import livetimes

    sizes = [plan.chunk_bytes(c) for c in plan.chunks]
    return {
        "id": plan.id,
        "code": plan.code,
        "n_events": plan.n_events,
        "inputs": [asdict(i) for i in plan.inputs],
        "columns": sorted({column for c in plan.chunks for column in c.origin.columns}),
        "stages": plan.recipe["stages"],
        "sinks": plan.recipe["sinks"],
        "run": asdict(recipe.run),
        "origins": dict(recipe.origins),
        "runs": livetimes(plan, {}),
        "memory_per_worker": worker(recipe, plan, max(sizes)),
        "memory_steps": [s._asdict() for s in _footprint(recipe, plan)],
        "chunks": [
            {"id": c.id, "path": c.origin.path, "entries": [c.origin.start, c.origin.stop], "bytes": n}
            for c, n in zip(plan.chunks, sizes, strict=True)
        ],
    }


def _footprint(recipe: Recipe, plan: Plan) -> tuple[Step, ...]:
    """Count the bytes per hit of each step."""
    from km3gpu.pipeline.footprint import footprint

    columns: dict[str, tuple[str, ...]] = {}
    for name in plan.chunks[0].origin.columns:
        table, _, column = name.partition("/")
        columns[table] = (*columns.get(table, ()), column)
    return footprint(recipe.stages, plan.chunks[0].origin.kind, columns)


def worker(recipe: Recipe, plan: Plan, largest: int) -> float:
    """Estimate the resident memory of a worker, in bytes, from its largest chunk."""
    from km3gpu.pipeline.footprint import worker_memory

    return worker_memory(recipe, _footprint(recipe, plan), largest)


def _memory(recipe: Recipe, plan: Plan, largest: int) -> Table:
    """Show what each step of the largest chunk has alive where the arrays are."""
    from km3gpu import backend
    from km3gpu.cli.printing import bytes_text, grid
    from km3gpu.errors import BackendError

    try:
        where = backend.select(recipe.run.backend)
        free = f"{where.name}, {bytes_text(where.free_memory())} free"
    except BackendError as error:
        free = f"{recipe.run.backend}: {error.what}"
    steps = _footprint(recipe, plan)
    per_hit = largest / steps[0].left
    rows = [(s.name, f"{s.highest:.0f}", f"{s.left:.0f}", bytes_text(per_hit * s.highest)) for s in steps]
    title = f"arrays of a chunk ({free}, {recipe.run.workers} at once)"
    return grid(title, ("step", ">highest [B/hit]", ">after [B/hit]", ">largest chunk"), rows)


def _tables(recipe: Recipe, plan: Plan, every: bool) -> list[Any]:
    from km3gpu.cli.printing import bytes_text, facts, grid

    sizes = [plan.chunk_bytes(c) for c in plan.chunks]
    counts = [c.origin.n_entries for c in plan.chunks]
    by_table: dict[str, list[str]] = {}
    for name in dict.fromkeys(column for c in plan.chunks for column in c.origin.columns):
        table, _, column = name.partition("/")
        by_table.setdefault(table, []).append(column)
    shown: list[Any] = [
        grid(
            "inputs",
            ("file", "role", "kind", ">entries", ">size", ">to read"),
            [
                (
                    i.path,
                    i.role,
                    i.kind,
                    f"{i.n_entries:,}" if i.role == "data" else "",
                    bytes_text(i.size),
                    bytes_text(i.bytes) if i.role == "data" else "",
                )
                for i in plan.inputs
            ],
        ),
        facts("columns", [(t, ", ".join(c)) for t, c in by_table.items()]),
        facts("stages", [(s["use"], _settings(s, "use")) for s in plan.recipe["stages"]]),
        facts("sinks", [(s["format"], _settings(s, "format")) for s in plan.recipe["sinks"]]),
        facts(
            "chunks",
            [
                ("plan", plan.id),
                ("chunks", f"{len(plan.chunks):,} of {min(counts):,} to {max(counts):,} events"),
                ("events", f"{plan.n_events:,}"),
                ("size", f"{bytes_text(statistics.median(sizes))} each, {bytes_text(sum(sizes))} in all"),
                ("memory", f"about {bytes_text(worker(recipe, plan, max(sizes)))} for each worker"),
                ("workers", f"{recipe.run.workers} ({recipe.origins.get('run.workers', 'default')})"),
            ],
        ),
        _memory(recipe, plan, max(sizes)),
    ]
    if every:
        rows = [
            (c.id, c.origin.path, f"{c.origin.start}:{c.origin.stop}", bytes_text(n))
            for c, n in zip(plan.chunks, sizes, strict=True)
        ]
        shown.append(grid("", ("chunk", "file", "entries", ">size"), rows))
    return shown


def _settings(table: dict[str, Any], first: str) -> str:
    """Write a stage or sink as its plan could; what says nothing is left out."""
    shown = ((k, _value(v)) for k, v in table.items() if k != first and v not in (None, "", (), [], {}))
    return ", ".join(f"{k} = {v}" for k, v in shown) or "-"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        if value and all(
            isinstance(v, list | tuple) and len(v) == 2 and isinstance(v[0], str) for v in value
        ):
            return "{" + ", ".join(f"{k} = {_value(v)}" for k, v in value) + "}"
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + _settings(value, "") + "}"
    return repr(value)
