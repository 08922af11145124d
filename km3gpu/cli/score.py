"""``km3gpu score``: the triggers against those that a file holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["register", "scores"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "score")
    def score(
        file: Annotated[str, typer.Argument(metavar="FILE", help="DAQ or offline events with trigger bits.")],
        detector: Annotated[str, typer.Option("--detector", "-a", help="DETX or DATX file.")],
        parameters: Annotated[
            str | None,
            typer.Option(
                "--parameters", "-p", help="Set, TOML file, or DAQ file; by default the file's own."
            ),
        ] = None,
        simulation: Annotated[
            str | None,
            typer.Option(
                "--truth",
                "-t",
                metavar="FILE",
                help="Offline file with the simulated light of DAQ events; offline events hold their own.",
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Run the triggers over a file and compare with its own trigger bits, and with simulated truth."""
        from km3gpu.cli.printing import grid, print_json, show

        found = scores(file, detector, parameters, simulation)
        if as_json:
            print_json(found)
            return
        titles = [
            "",
            "trigger",
            ">efficiency",
            ">purity",
            ">events",
            ">file only",
            ">ours only",
            ">same hits",
        ]
        rows = [
            [
                row["events"],
                row["trigger"],
                *(f"{row[c]:.4f}" for c in ("efficiency", "purity")),
                *(str(int(row[c])) for c in ("both", "stored_only", "found_only", "exact")),
            ]
            for row in found["scores"]
        ]
        show(grid(f"parameters: {found['parameters']}", titles, rows))
        if found["truth"]:
            titles = [
                "hits",
                ">efficiency",
                ">purity",
                ">eff. by event",
                ">pur. by event",
                ">selected",
                ">signal",
            ]
            ratios = ("efficiency", "purity", "event_efficiency", "event_purity")
            rows = [
                [
                    row["selection"],
                    *(f"{row[c]:.4f}" for c in ratios),
                    *(str(int(row[c])) for c in ("selected", "signal")),
                ]
                for row in found["truth"]
            ]
            show(grid(f"simulated light of {int(found['labelled'])} events", titles, rows))


def scores(
    path: str, detector: str, parameters: str | None = None, simulation: str | None = None
) -> dict[str, Any]:
    """Score the triggers on a file, as plain values.

    Parameters
    ----------
    path : str
        A file of events with trigger bits.
    detector : str
        Its detector.
    parameters : str, optional
        Name of a set, a TOML file, or a DAQ file that holds them; by default
        those that `path` holds, else the set for its detector.
    simulation : str, optional
        Offline file with the simulated hits that the events were made of; by
        default those that `path` holds, if any.

    Returns
    -------
    dict
        ``parameters``: their name; ``scores``: one dict for each trigger with
        hits, of events without FACTORY_LIMIT and of those with it;
        ``labelled``: events with simulated truth; ``truth``: one dict for each
        selection of hits (see `km3gpu.stages.score_truth`).

    Raises
    ------
    ConfigError
        There are no parameters.
    FormatError
        The file has no trigger bits, or the simulation is of other events.
    """
    from km3gpu import stages
    from km3gpu.chunk import merge_counters
    from km3gpu.io import open as open_source
    from km3gpu.stages.score import BITS, ratios
    from km3gpu.stages.score_truth import SELECTIONS, truth_ratios
    from km3gpu.stages.triggers import parameters_of

    source = open_source(path)
    chosen: Any = _stored(source.paths[0]) if parameters is None else parameters
    if parameters is not None and parameters.endswith(".root"):
        chosen = _stored(parameters)
    light = None if simulation is None else open_source(simulation).read(["events", "mc_hits"], backend="cpu")
    counters: dict[str, float] = {}
    name = ""
    for chunk in source.chunks(backend="cpu"):
        chosen = parameters_of(chosen, chunk)
        name = chosen.name
        if "t" not in chunk.hits:
            chunk = stages.calibrate(chunk, detector, slewing="none")
        made = stages.score(stages.triggers(chunk, detector, chosen))
        if light is not None or ("mc_hits" in made and len(made.mc_hits)):
            made = stages.score_truth(stages.truth(made, detector, light))
        counters = merge_counters(counters, made.counters)
    rows = []
    for kind, prefix in (("without FACTORY_LIMIT", "score/"), ("with FACTORY_LIMIT", "score/factory/")):
        for trigger in BITS:
            start = f"{prefix}{trigger}/"
            counts = {k.removeprefix(start): v for k, v in counters.items() if k.startswith(start)}
            if counts.get("hits_stored", 0.0) or counts.get("hits_found", 0.0):
                rows.append({"events": kind, "trigger": trigger, **ratios(counters, start), **counts})
    truth = [
        {
            "selection": selection,
            **truth_ratios(counters, selection),
            **{c: counters[f"score_truth/{selection}/{c}"] for c in ("selected", "signal", "both")},
        }
        for selection in SELECTIONS
        if counters.get(f"score_truth/{selection}/selected")
    ]
    labelled = counters.get("score_truth/events", 0.0)
    return {"parameters": name, "scores": rows, "labelled": labelled, "truth": truth}


def _stored(path: str) -> Any:
    """Give the parameters that a DAQ file holds, None where it holds none."""
    from km3gpu.extras import resolve_path
    from km3gpu.io.rootfile import RootFile
    from km3gpu.io.trigger_parameters import read_trigger_parameters

    return read_trigger_parameters(RootFile(resolve_path(path)))
