"""``km3gpu histogram``: what a run counted, as numbers and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from km3gpu.io.histogram_values import Binned

__all__ = ["register"]

_BAR = 40


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "histogram")
    def histogram(
        files: Annotated[
            list[str], typer.Argument(metavar="FILE...", help="Histograms of runs (.hist.json), to compare.")
        ],
        name: Annotated[
            list[str] | None, typer.Option("--name", "-n", help="Only this one, bin by bin; may be repeated.")
        ] = None,
        picture: Annotated[
            str | None, typer.Option("--plot", metavar="FILE", help="A picture too: .png, .pdf, .svg.")
        ] = None,
        log: Annotated[bool, typer.Option("--log", help="Logarithmic contents in the picture.")] = False,
        density: Annotated[
            bool, typer.Option("--density", help="Scale to an area of one in the picture.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print edges, values and variances.")] = False,
    ) -> None:
        """Show histograms of runs: contents, mean and spread, and a picture; several files side by side."""
        from km3gpu.cli.printing import print_json, show
        from km3gpu.errors import UnknownNameError
        from km3gpu.io.histogram_values import open_histograms

        runs = {title: open_histograms(f) for title, f in zip(_titles(files), files, strict=True)}
        known = list(dict.fromkeys(n for found in runs.values() for n in found))
        for wanted in name or ():
            if wanted not in known:
                raise UnknownNameError.of("histogram", wanted, known)
        if picture is not None:
            from km3gpu import plot
            from km3gpu.plot.saving import save

            save(plot.histogram_panels(runs, name or (), log, density), picture)
        if as_json:
            print_json(
                {t: {n: _plain(h) for n, h in f.items() if not name or n in name} for t, f in runs.items()}
            )
        else:
            show(*(_bins(runs, n) for n in name) if name else [_all(runs)])


def _titles(files: list[str]) -> list[str]:
    """Name runs after their files, or as much of the path as tells them apart."""
    parts = [Path(f).absolute().parts for f in files]
    depth = 1
    while len({p[-depth:] for p in parts}) < len(set(parts)):
        depth += 1
    return ["/".join(p[-depth:]).removesuffix(".json").removesuffix(".hist") for p in parts]


def _plain(one: Binned) -> dict[str, Any]:
    return {
        "edges": [e.tolist() for e in one.edges],
        "values": one.values.tolist(),
        "variances": one.variances.tolist(),
        "outside": one.outside,
        "entries": one.entries,
        "about": dict(one.about),
    }


def _all(runs: dict[str, dict[str, Binned]]) -> Any:
    from km3gpu.cli.printing import grid

    rows = []
    for title, found in runs.items():
        for one in found.values():
            mean, spread = one.moments()
            axes = " x ".join(f"{len(e) - 1} of {e[0]:g} to {e[-1]:g}" for e in one.edges)
            what = ", ".join(str(one.about[k]) for k in ("x", "y") if k in one.about)
            cells = (
                f"{one.entries:,}",
                f"{one.total:,.6g}",
                f"{one.outside:,.6g}",
                f"{mean:.5g}",
                f"{spread:.4g}",
            )
            rows.append((title, one.name, what, axes, *cells))
    columns = ("run", "histogram", "of", "bins", ">entries", ">sum", ">outside", ">mean", ">spread")
    return grid("", columns, rows)


def _bins(runs: dict[str, dict[str, Binned]], name: str) -> Any:
    from km3gpu.cli.printing import grid

    rows = []
    for title, found in runs.items():
        if name not in found:
            continue
        one = found[name]
        flat = one.values if one.values.ndim == 1 else one.values.sum(axis=1)
        errors = (one.variances if one.values.ndim == 1 else one.variances.sum(axis=1)) ** 0.5
        most = max(float(flat.max()), 0.0)
        for low, high, value, error in zip(one.edges[0][:-1], one.edges[0][1:], flat, errors, strict=True):
            bar = "#" * round(_BAR * max(float(value), 0.0) / most) if most else ""
            rows.append((title, f"{low:g}", f"{high:g}", f"{value:,.6g}", f"{error:,.3g}", bar))
    return grid(name, ("run", ">from", ">to", ">content", ">error", ""), rows)
