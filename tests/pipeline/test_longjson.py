"""Records written item by item are the JSON they would be whole, in bounded memory."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from typing import Any

import pytest

from km3gpu.pipeline.longjson import pieces
from km3gpu.pipeline.receipt import Output, Receipt

RECORDS: list[dict[str, Any]] = [
    {},
    {"one": 1, "none": None, "text": 'a "b"\n', "empty": [], "nothing": {}},
    {"list": [{"a": [1, 2]}, 3, "x"], "tuple": (1,), "within": {"deep": {"er": [1, {}]}, "n": 2}},
]


@pytest.mark.parametrize("record", RECORDS, ids=len)
def test_the_same_as_written_whole(record: dict[str, Any]) -> None:
    text = "".join(pieces(record))
    assert json.loads(text) == json.loads(json.dumps(record))
    assert "".join(pieces({k: iter(v) if isinstance(v, list) else v for k, v in record.items()})) == text


def receipt(i: int) -> Receipt:
    """Make a receipt as it comes from the journal: no word in it is shared with another."""
    rows = {"events": i, "hits": 10 * i}
    parts = tuple(Output("0123456789ab", f"{i:032x}.{s}", rows, i, f"sha256:{i:064x}") for s in "ab")
    counters = {f"stage/counter_{n}": float(i + n) for n in range(16)}
    seconds = {f"stage_{n}": i / (n + 3) for n in range(5)}
    made = Receipt(
        f"{i:032x}", "done", 1, "/data/KM3NeT_00000133_00014728.data.root", "KM3NET_EVENT", (i, i + 1),
        parts, 1, 1, rows, 100, counters, seconds, 0.1, 1e9 + i, "host:12345", "cpu", "0123456789abcdef",
    )  # fmt: skip
    return Receipt.from_json(json.loads(json.dumps(made.to_json())))


def test_a_receipt_takes_little_of_the_memory_of_a_run() -> None:
    tracemalloc.start()
    kept = [receipt(i) for i in range(2000)]
    size = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.reset_peak()
    n = sum(len(p) for p in pieces({"chunks": (r.to_json() for r in kept)}))
    peak = tracemalloc.get_traced_memory()[1] / len(kept) - size
    tracemalloc.stop()
    assert size < 4096
    assert n > 1000 * len(kept)
    assert peak < 50  # bytes for each receipt: the text is never there as a whole
    sent = pickle.loads(pickle.dumps(kept[7]))
    assert sent == kept[7]
    assert sent.path is kept[7].path  # words are shared by what comes from workers too
    assert next(iter(sent.counters)) is next(iter(kept[8].counters))
