from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import ConfigError, InputNotFoundError
from km3gpu.tomlfile import parse_toml, read_toml


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"no file .*absent\.toml"):
        read_toml(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("[run]\nworkers = \n")
    with pytest.raises(ConfigError, match=r"broken\.toml, line 2"):
        read_toml(tmp_path / "broken.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00root")
    with pytest.raises(ConfigError, match="not a text file"):
        read_toml(tmp_path / "binary.toml")
    with pytest.raises(ConfigError, match="'run' must be a table"):
        parse_toml("run = 3\n").section("run")


TEXT = '''\
title = "a [ in a string" # and a ] in a comment
"odd.key" = 1

[source]
files = [
  "a.root",   # [
  "b#.root",
]
note = """
[stage]
use = 1
"""
path = 'C:\\'

[[stage]]
use = "calibrate"
[[stage]]
use = "coincidences"
window = 25.0
limits = { low = 1, high = 2 }
[stage.deep]
a.b = 3
'''


def test_lines_of_keys() -> None:
    document = parse_toml(TEXT, "p.toml")
    lines = TEXT.splitlines()

    def line(*key: str | int) -> str:
        return lines[int(document.where(*key).rpartition(" ")[2]) - 1]

    assert line("title").startswith("title")
    assert line("odd.key").startswith('"odd.key"')
    assert line("source").startswith("[source]")
    assert line("source", "files").startswith("files")
    assert line("source", "note").startswith("note")
    assert line("source", "path").startswith("path")
    assert document.where("stage", 0, "use") == "p.toml, line 16"
    assert document.where("stage", 1, "use") == "p.toml, line 18"
    assert line("stage", 1, "window").startswith("window")
    assert line("stage", 1, "limits", "high").startswith("limits")
    assert line("stage", 1, "deep", "a", "b").startswith("a.b")
    assert document.where("nowhere") == "p.toml"


def _paths(node: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if isinstance(node, dict) or isinstance(value, dict):
            found.append((*at, key))
            found += _paths(value, (*at, key))
    return found


def test_every_key_of_the_text_has_its_line() -> None:
    document = parse_toml(TEXT)
    inline = {("stage", 1, "limits", "low"), ("stage", 1, "limits", "high")}
    missing = [p for p in _paths(tomllib.loads(TEXT)) if p not in document.lines and p not in inline]
    assert missing == [("stage",)]  # an array has no line of its own, its tables have


names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
plain = st.one_of(
    st.integers(-5, 5).map(str),
    st.sampled_from(
        ['"x"', "'y#['", '"\\\\"', '"a\\"]"', "true", "[1, 2]", "{ k = 1 }", '[\n "u",\n "]",\n]']
    ),
    st.sampled_from(['"""\nz = 1\n[a]\n"""', "'''\n] = [\n'''"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names, st.lists(st.tuples(names, plain), max_size=3)), max_size=3))
def test_lines_of_any_text(tables: list[tuple[str, list[tuple[str, str]]]]) -> None:
    text, expected = "", {}
    for count, (name, pairs) in enumerate(tables):
        index = sum(1 for n, _ in tables[:count] if n == name)
        text += f"[[{name}]]\n"
        for key, value in dict(pairs).items():
            expected[(name, index, key)] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    lines = parse_toml(text).lines
    assert {k: lines[k] for k in expected} == expected
