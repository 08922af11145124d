"""km3astro as a peer in a process of its own: it needs an astropy before 7, we do not.

Run by another interpreter, so nothing of km3gpu is imported here.  The first line in
is the path of the events; after it each line names a job, and the answer is the CPU
and wall time that it took.
"""

from __future__ import annotations

import json
import sys
import time
import warnings


def main() -> None:
    import numpy as np
    from astropy.time import Time
    from astropy.utils import iers
    from km3astro import coord

    warnings.simplefilter("ignore")
    iers.conf.auto_download, iers.conf.auto_max_age = False, None
    with np.load(sys.stdin.readline().strip()) as file:
        ns, theta, phi = (file[name] for name in ("time_ns", "theta", "phi"))
    when = Time(ns // 10**9, (ns % 10**9) * 1e-9, format="unix", scale="utc")
    jobs = {
        "sky": lambda: coord.local_event(theta, phi, when, "orca").icrs.ra.rad,
        "sun": lambda: coord.sun_local(when, "orca").az.rad,
        "moon": lambda: coord.moon_local(when, "orca").az.rad,
    }
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        jobs[line.strip()]()
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)


if __name__ == "__main__":
    main()
