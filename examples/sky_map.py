"""Where on the sky the events of a file come from: a map, and what is near them.

python examples/sky_map.py                      the demo's simulated neutrinos
python examples/sky_map.py run.root --site orca your own, with tracks
"""

from __future__ import annotations

import argparse

import numpy as np

import km3gpu as k3
from km3gpu import astro, plot
from km3gpu.astro.separation import body_separation
from km3gpu.astro.sources import bundled
from km3gpu.astro.visibility import visibility
from km3gpu.extras import resolve_path

DEMO = "testdata:offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
# simulated events carry no date: they get that of the run they stand for
START = "2021-09-14T11:16:25"


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw where on the sky the events of a file come from.")
    parser.add_argument("file", nargs="?", default=DEMO)
    parser.add_argument("--site", default="arca")
    parser.add_argument("-o", "--output", default="sky.png")
    options = parser.parse_args()

    chunk = k3.open(resolve_path(options.file)).read()
    # each event's best track, at a time, on the sky
    events = k3.locate(k3.best_track(k3.date(chunk, START)), options.site).events
    found = np.flatnonzero(events.flat("best_track") >= 0)
    ra, dec = events.flat("ra")[found], events.flat("dec")[found]

    # the source nearest to each event, and the Sun
    sources = bundled()
    row, angle = sources.nearest(ra, dec)
    time = events.flat("track_time_ns")[found]
    direction = [events.flat(f"track_dir_{axis}")[found] for axis in "xyz"]
    sun = body_separation("sun", time, *direction, options.site)
    print(" event     RA    Dec  nearest source             from the Sun")
    for i in np.argsort(angle)[:10]:
        name = sources.names[row[i]]
        print(
            f"{found[i]:6d} {np.degrees(ra[i]):6.1f} {np.degrees(dec[i]):+6.1f}  {name:18s}"
            f"{np.degrees(angle[i]):6.1f} deg   {np.degrees(sun[i]):6.1f} deg"
        )
    share = visibility(sources["Sgr A*"].dec, options.site)
    print(f"Sgr A* stands below the horizon of {options.site} for {100 * float(share):.0f} % of a day")

    figure = plot.sky_map(
        ra, dec,
        sources=[sources[k] for k in sorted(set(row.tolist()))],
        horizon=plot.Horizon(int(time[0]), astro.site(options.site)),
        title=f"{len(ra):,} events",
    )  # fmt: skip
    figure.savefig(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
