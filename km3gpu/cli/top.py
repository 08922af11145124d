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

_WORKERS = 20  # shown, those that spoke last


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
    speed = now.total.bytes_in / spent
    read = f"{bytes_text(now.total.bytes_in)}, {bytes_text(speed)}/s of each worker"
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
                ("rate", _rate(now)),
                ("elapsed", _time(now.elapsed)),
                ("left", _time(now.left) if now.running and not math.isnan(now.left) else ""),
                ("read", read if speed else ""),
                ("memory", f"{bytes_text(now.total.peak_memory)} at most" if now.done else ""),
                ("dashboard", now.dashboard),
            ],
        ),
    ]
    if now.total.seconds:
        rows = [(name, f"{s:.2f}", f"{s / spent:.0%}") for name, s in now.total.seconds.items()]
        shown += ["", grid("", ("stage", ">seconds", ">share"), rows)]
    if now.workers:
        seen = sorted(now.workers.items(), key=lambda w: w[1][1])
        rows = [(name, str(n), f"{_time(max(ago, 0.0))} ago") for name, (n, ago) in seen[:_WORKERS]]
        shown += ["", grid("", ("worker", ">chunks", ">last"), rows)]
        if len(seen) > _WORKERS:
            shown.append(f"and {len(seen) - _WORKERS} more workers")
    if now.failed:
        shown += ["", f"km3gpu failures {run} tells why chunks failed"]
    return shown


def _rate(now: Standing) -> str:
    from km3gpu.pipeline.progress import short

    if not now.rate:
        return ""
    hits = f", {short(now.hits_rate)} hits/s" if now.hits_rate else ""
    return f"{short(now.rate)} events/s{hits}, {now.bytes_rate / 1e6:.3g} MB/s"


def _time(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
