"""``km3gpu prov verify | diff | replay | export``: what a record is good for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from km3gpu.cli.command import command
from km3gpu.cli.running import Backend

__all__ = ["register"]

_Record = Annotated[
    str, typer.Argument(metavar="RUN_OR_FILE", help="Directory of a run, or one of its outputs.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Format(StrEnum):
    """Ways to write a record."""

    PROV = "prov"
    CRATE = "ro-crate"


def register(prov: typer.Typer) -> None:
    """Add the commands to the group ``prov``."""
    _register_verify(prov)
    _register_diff(prov)
    _register_replay(prov)
    _register_export(prov)


def _register_verify(prov: typer.Typer) -> None:
    @command(prov, "verify")
    def verify(
        record: _Record,
        parts: Annotated[bool, typer.Option("--parts/--no-parts", help="Look at every part too.")] = True,
        as_json: _AsJson = False,
    ) -> None:
        """Say whether inputs, outputs, code and environment are still what the record says.

        Exits with 1 where one is not.
        """
        import dataclasses

        from km3gpu.cli.printing import grid, print_json, show
        from km3gpu.pipeline.verify import verify as findings

        found = findings(record, parts=parts)
        bad = [f for f in found if f.state not in ("same", "unknown")]
        told = [f for f in found if f.state != "same"]
        if as_json:
            print_json([dataclasses.asdict(f) for f in found])
        else:
            kinds = dict.fromkeys(f.kind for f in found)
            counts = [
                (k, sum(f.kind == k and f.state == "same" for f in found), sum(f.kind == k for f in bad))
                for k in kinds
            ]
            show(grid("", ("", ">same", ">not"), counts))
            if told:
                rows = [(f.kind, f.name, f.state, f.detail) for f in told]
                show("", grid("", ("what", "name", "is", "detail"), rows))
        if bad:
            raise typer.Exit(1)


def _register_diff(prov: typer.Typer) -> None:
    @command(prov, "diff")
    def diff(a: _Record, b: _Record, as_json: _AsJson = False) -> None:
        """Say what changed between two runs: code, inputs, stages, settings, environment, outputs.

        Exits with 1 where something did.
        """
        import dataclasses

        from km3gpu.cli.printing import grid, print_json, show
        from km3gpu.pipeline.difference import difference

        found = difference(a, b)
        if as_json:
            print_json([dataclasses.asdict(c) for c in found])
        elif found:
            show(
                grid(
                    "",
                    ("", "what", Path(a).name, Path(b).name),
                    [(c.section, c.key, c.a, c.b) for c in found],
                )
            )
        else:
            show("no difference")
        if found:
            raise typer.Exit(1)


def _register_replay(prov: typer.Typer) -> None:
    @command(prov, "replay")
    def replay(
        run: Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")],
        chunk: Annotated[
            str | None, typer.Option(metavar="ID", help="Only this chunk (the beginning of its id will do).")
        ] = None,
        backend: Annotated[Backend, typer.Option(help="Where to make them.")] = Backend.AUTO,
        rtol: Annotated[float, typer.Option(min=0.0, help="Relative tolerance of real numbers.")] = 1e-9,
        atol: Annotated[float, typer.Option(min=0.0, help="Absolute tolerance of real numbers.")] = 1e-9,
        columns: Annotated[
            list[str] | None,
            typer.Option(
                "--tolerance",
                metavar="COLUMN=X",
                help="Tolerance of a column, absolute: hits/t=1e-3, hits/pos_*=1e-6.",
            ),
        ] = None,
        keep: Annotated[Path | None, typer.Option(help="Leave the new parts in this directory.")] = None,
        as_json: _AsJson = False,
    ) -> None:
        """Make the chunks of a run again, and compare them with what it made then.

        On the same device they must be the same to the byte.  Exits with 1
        where one differs beyond the tolerance, with 3 where one fails.
        """
        import dataclasses

        from km3gpu.cli.printing import grid, print_json, show
        from km3gpu.pipeline.replay import replay as again

        each = dict(map(_tolerance, columns or ()))
        found = list(again(run, chunk=chunk, backend=backend, rtol=rtol, atol=atol, columns=each, keep=keep))
        if as_json:
            print_json([dataclasses.asdict(c) for c in found])
        else:
            rows = [(c.id, c.sink, c.state, "; ".join(c.columns)) for c in found]
            show(grid("", ("chunk", "part", "is", "columns that differ"), rows))
        if any(c.state not in ("identical", "equal", "made") for c in found):
            raise typer.Exit(1)


def _tolerance(text: str) -> tuple[str, float]:
    """Read ``"hits/t=1e-3"``."""
    column, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not column or not number >= 0:
        raise typer.BadParameter(f"{text!r} is no tolerance, write hits/t=1e-3")
    return column, number


def _register_export(prov: typer.Typer) -> None:
    @command(prov, "export")
    def export(
        record: _Record,
        kind: Annotated[
            Format, typer.Option("--format", help="prov: W3C PROV-JSON; ro-crate: RO-Crate metadata.")
        ] = Format.PROV,
        out: Annotated[
            Path | None, typer.Option("--out", "-o", help="File to write; stdout by default.")
        ] = None,
        terms: Annotated[
            str | None,
            typer.Option(
                "--license", metavar="URL", help="Licence under which an RO-Crate gives the outputs away."
            ),
        ] = None,
    ) -> None:
        """Write the record in the words of others."""
        from km3gpu.errors import ConfigError, InputNotFoundError
        from km3gpu.pipeline import provenance
        from km3gpu.pipeline.crate import ro_crate
        from km3gpu.pipeline.export import prov_json

        found = provenance.read(record)
        if kind is Format.CRATE and "sessions" not in found:
            raise ConfigError(
                "an RO-Crate is the directory of a run", where=record, remedy="name the run that made it"
            )
        if terms is not None and kind is not Format.CRATE:
            raise typer.BadParameter("--license goes with --format ro-crate")
        place = Path(record).resolve()
        name = place.name if place.is_dir() else place.parent.name
        text = prov_json(found) if kind is Format.PROV else ro_crate(found, name, terms)
        if out is None:
            print(text)
            return
        if not out.absolute().parent.is_dir():
            raise InputNotFoundError(f"no directory for {str(out)!r}", remedy="make it first")
        out.write_text(text + "\n", encoding="utf-8")
