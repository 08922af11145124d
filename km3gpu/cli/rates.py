"""``km3gpu rates``: rates of PMTs, of coincidences, and times over threshold, as numbers and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from km3gpu.io.source import Source
    from km3gpu.table import Table

__all__ = ["register", "statistics"]

_SLICES = ("KM3NET_TIMESLICE_L0", "KM3NET_TIMESLICE_L1", "KM3NET_TIMESLICE", "KM3NET_TIMESLICE_SN")
# the first tree that has entries is taken
_TREES = {
    "pmts": ("KM3NET_SUMMARYSLICE", *_SLICES),
    "coincidences": _SLICES,
    "tot": (*_SLICES, "KM3NET_EVENT", "E"),
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "rates")
    def rates(
        file: Annotated[str, typer.Argument(metavar="FILE", help="A file of timeslices or summary slices.")],
        of: Annotated[str, typer.Option(help="pmts, coincidences or tot (time over threshold).")] = "pmts",
        detector: Annotated[
            str | None, typer.Option("--detector", "-a", help="DETX or DATX file; coincidences need it.")
        ] = None,
        tree: Annotated[str | None, typer.Option(help="By default the first with entries.")] = None,
        picture: Annotated[
            str | None, typer.Option("--plot", metavar="FILE", help="A picture too: .png, .pdf, .svg.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print all rows as JSON columns.")] = False,
    ) -> None:
        """Say how often PMTs fire, how often they do so together, or for how long."""
        from km3gpu.cli.printing import facts, print_json, show

        source, chosen, table = statistics(file, of, detector, tree)
        if picture is not None:
            from km3gpu import plot

            draw = {"pmts": plot.rate_map, "coincidences": plot.coincidence_map, "tot": plot.tot_map}[of]
            from km3gpu.plot.saving import save

            save(draw(table, f"{_TITLES[of]}: {source.paths[0].rsplit('/', 1)[-1]}, {chosen}"), picture)
        if as_json:
            columns = {name: table.flat(name).tolist() for name in table.columns}
            print_json({"file": file, "tree": chosen, "of": of, "plot": picture, **columns})
        else:
            show(facts(file, [("tree", chosen), *_said(of, table), ("picture", picture)]))


_TITLES = {"pmts": "rates of PMTs", "coincidences": "coincidences on modules", "tot": "time over threshold"}


def statistics(
    path: str, of: str, detector: str | None = None, tree: str | None = None
) -> tuple[Source, str, Table]:
    """Go through a file and give its statistics.

    Parameters
    ----------
    path : str
        A DAQ file.
    of : {"pmts", "coincidences", "tot"}
        See `km3gpu.stages.pmt_rates`, `coincidence_rates` and `tot_distributions`.
    detector : str, optional
        Its detector.
    tree : str, optional
        By default the first of those that have such rates and entries.

    Returns
    -------
    source, tree, table

    Raises
    ------
    ConfigError
        `of` is unknown, or coincidences are asked for without a detector.
    FormatError
        The file has nothing of the kind.
    """
    from km3gpu.errors import ConfigError, FormatError, UnknownNameError
    from km3gpu.io import open as open_source
    from km3gpu.stages.rates import coincidence_rates, pmt_rates, tot_distributions

    if of not in _TREES:
        raise UnknownNameError.of("kind of rates", of, _TREES)
    if of == "coincidences" and detector is None:
        raise ConfigError("coincidences need time offsets", remedy="give --detector FILE")
    source = open_source(path)
    if tree is None:
        there = [t for t in _TREES[of] if source.trees.get(t, 0) > 0]
        if not there:
            raise FormatError(
                "no slices to take rates from" if of != "tot" else "no hits", where=path,
                remedy=f"one of these trees must have entries: {', '.join(_TREES[of])}",
            )  # fmt: skip
        tree = there[0]
    source = open_source(path, tree=tree)
    wanted: dict[str, tuple[str, ...]] = {"hits": ("dom_id", "channel_id", "tdc", "tot")}
    if of == "tot":
        wanted = {"hits": ("dom_id", "tot")}
    elif tree == "KM3NET_SUMMARYSLICE":
        wanted = {"frames": ("dom_id", "rates", "hrv", "fifo")}
    else:
        wanted["frames"] = ("dom_id", "n_hits", "hrv", "fifo")
    chunks = source.chunks(columns=wanted, backend="cpu")
    if of == "pmts":
        return source, tree, pmt_rates(chunks, detector)
    if of == "tot":
        return source, tree, tot_distributions(chunks, detector)
    assert detector is not None
    return source, tree, coincidence_rates(chunks, detector)


def _said(of: str, table: Table) -> list[tuple[str, Any]]:
    """Give the figures of a table in words."""
    import numpy as np

    if not len(table):
        return [("modules", 0)]
    said: list[tuple[str, Any]] = [("modules", len(np.unique(table.flat("dom_id"))))]
    if of == "tot":
        counts = table.flat("counts").sum(axis=0)
        mean = counts @ np.arange(256) / max(int(counts.sum()), 1)
        return [
            *said,
            ("hits", f"{counts.sum():,}"),
            ("mean", f"{mean:.2f} ns"),
            ("most at", f"{counts.argmax()} ns"),
        ]
    said.append(("frames", f"{int(table.flat('n_frames').max()):,} of a module"))
    rate = table.flat("rate")
    if of == "coincidences":
        m = table.flat("multiplicity")
        for k in range(1, int(m.max()) + 1):
            here = rate[m == k]
            name = "1 PMT alone" if k == 1 else f"{k} PMTs" if k < m.max() else f"{k} PMTs or more"
            said.append((name, f"{here.mean():.4g} Hz a module, {np.median(here):.4g} Hz in the median"))
        return said
    good = rate[rate > 0]
    low, middle, high = np.quantile(good, (0.05, 0.5, 0.95)) if len(good) else (0.0, 0.0, 0.0)
    busiest = np.argsort(-rate, kind="stable")[:3]
    names = (
        f"{table.flat('dom_id')[i]}.{table.flat('channel_id')[i]} {rate[i] / 1e3:.3g} kHz" for i in busiest
    )
    return [
        *said,
        ("PMTs", f"{len(good):,} with a rate, {len(rate) - len(good):,} without"),
        (
            "rate",
            f"{middle / 1e3:.3g} kHz in the median, 90 % within {low / 1e3:.3g} to {high / 1e3:.3g} kHz",
        ),
        ("high-rate veto", f"{100 * table.flat('hrv').mean():.3g} % of PMTs and frames"),
        ("FIFO almost full", f"{100 * table.flat('fifo').mean():.3g} %"),
        ("busiest", ", ".join(names)),
    ]
