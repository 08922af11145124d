"""``km3gpu demo``: the main job on real KM3NeT files."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from km3gpu.chunk import Chunk
    from km3gpu.pipeline import Recipe

__all__ = ["PLANS", "register"]

PLANS = ("offline", "online")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "demo")
    def demo(
        out: Annotated[
            Path, typer.Option("--out", "-o", help="Directory for plans, outputs and picture.")
        ] = Path("demo-out"),
    ) -> None:
        """Run the main job on two real KM3NeT files: offline events, and events of the data acquisition.

        Needs the extra demo: pip install 'km3gpu[demo]'.
        """
        from km3gpu.cli.printing import show
        from km3gpu.cli.summary import lines, table
        from km3gpu.extras import require

        require("km3net_testdata", "demo")
        require("matplotlib", "demo")
        out.mkdir(parents=True, exist_ok=True)
        summaries = {}
        for name in PLANS:
            plan = out / f"{name}.toml"
            plan.write_text(
                resources.files("km3gpu").joinpath("plans", plan.name).read_text("utf-8"), "utf-8"
            )
            summaries[name] = _run(plan, out / name)
        show("", table(summaries), "")
        for name, summary in summaries.items():
            show(f"{name}:", *(f"  {line}" for line in lines(summary)))
        show(f"event display: {_picture(out / 'offline.toml', out / 'event.png')}")


def _run(plan: Path, out: Path) -> dict[str, Any]:
    """Run a plan as a user would, in a process of its own, and give its summary.

    One thread: drivers for several cost more to compile than they save on small files.
    """
    words = ["run", str(plan), "--out", str(out), "--threads", "1", "--existing", "replace"]
    if out.name == "offline":  # the file holds Jpp's own calibration
        words.append("--check-calibration")
    print(f"$ km3gpu {shlex.join(words)}", file=sys.stderr)
    done = subprocess.run(
        [sys.executable, "-m", "km3gpu", *words, "--json"], stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise typer.Exit(done.returncode)  # the command has said why
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def _picture(plan: Path, path: Path) -> Path:
    """Draw the brightest event of the plan's first chunk."""
    from km3gpu import plot
    from km3gpu.pipeline import read_recipe
    from km3gpu.stages import Calibrate
    from km3gpu.stages.geometry import detector_of

    recipe = read_recipe(plan)
    chunk = _first_chunk(recipe)
    (calibrate,) = (s for s in recipe.stages if isinstance(s, Calibrate))
    figure = plot.event_display(chunk, plot.brightest(chunk), detector_of(calibrate.detector))
    figure.savefig(path)
    return path


def _first_chunk(recipe: Recipe) -> Chunk:
    from km3gpu import io
    from km3gpu.kernels import threads
    from km3gpu.pipeline import make_plan

    chunk = io.read_origin(make_plan(recipe).chunks[0].origin)
    with threads(1):
        for stage in recipe.stages:
            chunk = stage(chunk)
    return chunk
