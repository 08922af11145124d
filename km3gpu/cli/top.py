"""``km3gpu top``: how a run in progress is doing."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from km3gpu.pipeline.watch import Standing

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "top")
    def top(
        run: Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.")],
        every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
        once: Annotated[bool, typer.Option("--once", help="Look once; always so in a pipe.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON, once.")] = False,
    ) -> None:
        """Show how a run is doing: events, rate, time left, time by stage, workers, failures."""
        from km3gpu.cli.printing import print_json, show
        from km3gpu.pipeline.watch import standing

        now = standing(run)
        if as_json:
            print_json(dataclasses.asdict(now))
        elif once or not sys.stdout.isatty():
            show(*_tables(run, now))
        else:
            _follow(run, every)


def _follow(run: str, every: float) -> None:
    from rich.console import Group
    from rich.live import Live

    from km3gpu.pipeline.watch import standing

    with Live(auto_refresh=False) as live:
        while True:
            now = standing(run)
            live.update(Group(*_tables(run, now)), refresh=True)
            if not now.running:
                return
            time.sleep(every)


def _tables(run: str, now: Standing) -> list[Any]:
    from km3gpu.cli.printing import bytes_text, facts, grid

    share = now.events_done / max(now.events, 1)
    spent = sum(now.total.seconds.values()) or 1.0
    megabytes = now.total.bytes_in / max(sum(now.total.seconds.values()), 1e-9)
    shown: list[Any] = [
        facts(
            run,
            [
                ("status", now.status),
                ("events", f"{now.events_done:,} of {now.events:,} ({share:.1%})"),
                (
                    "chunks",
                    f"{now.done:,} of {now.chunks:,}" + (f", {now.failed:,} failed" if now.failed else ""),
                ),
                ("rate", f"{now.rate:,.0f} events/s"),
                ("elapsed", _time(now.elapsed)),
                ("left", _time(now.left) if now.running and not math.isnan(now.left) else ""),
                ("read", f"{bytes_text(now.total.bytes_in)}, {bytes_text(megabytes)}/s of each worker"),
                ("memory", f"{bytes_text(now.total.peak_memory)} at most"),
            ],
        ),
        grid(
            "",
            ("stage", ">seconds", ">share"),
            [(name, f"{s:.2f}", f"{s / spent:.0%}") for name, s in now.total.seconds.items()],
        ),
        grid(
            "",
            ("worker", ">chunks", ">last"),
            [(name, n, f"{_time(max(ago, 0.0))} ago") for name, (n, ago) in now.workers.items()],
        ),
    ]
    return shown


def _time(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
