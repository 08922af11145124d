"""Damage a file in many ways and read all of it; run in a process with little memory.

``python -m tests.io.damage FILE SEED`` prints a JSON object: how often each
outcome came, and the faults that must not be (anything but an error of ours).
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from km3gpu.backend import Backend
from km3gpu.errors import Km3GpuError
from km3gpu.io import formats, rootdata, rootfile, streamers

TRUNCATIONS, FLIPS, RECORD_FLIPS, SECTIONS = 50, 300, 200, 50
OTHERS = 20
MEMORY = 3 << 30
SLOWEST = 20.0  # seconds for one reading, on a busy machine


def read_everything(path: str) -> None:
    data = formats.open_data(path)
    data.header()
    data.meta()
    for name in data.names:
        if name in rootdata.READERS or not isinstance(data, rootdata.RootData):
            dataset = data.dataset(name)
            dataset.read(dataset.tables(), 0, dataset.n_entries, Backend("cpu"))


def main(path: str, seed: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng = random.Random(seed)
    whole = Path(path).read_bytes()
    original = rootfile.RootFile.record
    flip_records = False

    def record(self: rootfile.RootFile, key: rootfile.Key) -> memoryview:
        """Damage descriptions of trees after decompression, where no checksum protects them."""
        content = bytearray(original(self, key))
        if flip_records and key.class_name in ("TTree", "Head") and content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return memoryview(bytes(content))

    rootfile.RootFile.record = record  # type: ignore[method-assign, assignment]
    read_everything(path)  # compiles the kernels, and shows that the whole file is good
    outcomes: Counter[str] = Counter()
    bad: list[str] = []
    if whole.startswith(b"root"):
        ways = ["cut"] * TRUNCATIONS + ["flip"] * FLIPS + ["record"] * RECORD_FLIPS + ["section"] * SECTIONS
    else:  # libraries of others read these
        ways = ["cut", *(["flip"] * 4), "section"] * OTHERS
    with tempfile.TemporaryDirectory() as folder:
        for number, way in enumerate(ways):
            content = bytearray(whole)
            at = rng.randrange(len(whole))
            flip_records = way == "record"
            if way == "cut":
                del content[at:]
            elif way == "flip":
                content[at] ^= 1 << rng.randrange(8)
            elif way == "section":
                content[at : at + 200] = rng.randbytes(len(content[at : at + 200]))
            damaged = Path(folder) / f"{number}{Path(path).suffix}"
            damaged.write_bytes(content)
            streamers._known.clear()
            start = time.perf_counter()
            try:
                read_everything(str(damaged))
                outcomes[f"{way}: read"] += 1
            except Km3GpuError as error:
                outcomes[f"{way}: {type(error).__name__}"] += 1
                if damaged.name not in str(error) or "\n" in str(error):
                    bad.append(f"{way} {number}: {error}")
            except BaseException as error:  # what a user must never see
                bad.append(f"{way} {number} at {at}: {type(error).__name__}: {error}")
            if time.perf_counter() - start > SLOWEST:
                bad.append(f"{way} {number} at {at}: took {time.perf_counter() - start:.0f} s")
            damaged.unlink()
    print(json.dumps({"outcomes": outcomes, "bad": bad}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
