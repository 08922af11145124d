from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from km3gpu import config
from km3gpu.errors import ConfigError
from km3gpu.tomlfile import Section, parse_toml


@dataclass(frozen=True)
class Group:
    workers: int = field(default=1, metadata={"minimum": 1})
    runner: str = field(default="auto", metadata={"choices": ("auto", "serial", "threads")})
    chunk: int | str = "64 MB"
    factor: float = 1.0
    merge: bool = True
    columns: tuple[str, ...] = ()
    scheduler: str | None = None


def toml(text: str) -> Section:
    return parse_toml(text, "plan.toml").section("run")


def test_layers_in_their_order_and_where_each_value_came_from() -> None:
    got = config.resolve(
        Group,
        section=toml('[run]\nworkers = 2\nrunner = "threads"\n\nfactor = 3\nmerge = false\n'),
        environment={"KM3GPU_WORKERS": "4", "KM3GPU_COLUMNS": "hits/t, hits/tot", "KM3GPU_MERGE": "yes"},
        call={"workers": 8, "chunk": None},
    )
    assert got.value == Group(
        workers=8, runner="threads", factor=3.0, merge=True, columns=("hits/t", "hits/tot")
    )
    assert isinstance(got.value.factor, float)
    assert got.origins == {
        "workers": "call",
        "runner": "plan.toml, line 3",
        "chunk": "default",
        "factor": "plan.toml, line 5",
        "merge": "KM3GPU_MERGE",
        "columns": "KM3GPU_COLUMNS",
        "scheduler": "default",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\n\nworkrs = 2", "unknown key 'workrs' (in plan.toml, line 3); did you mean 'workers'?"),
        ("[run]\nworkers = 0", "workers = 0 is too small (in plan.toml, line 2); take at least 1"),
        ("[run]\nworkers = true", "workers = True is of the wrong type (in plan.toml, line 2)"),
        ("[run]\nworkers = 2.5", "give a whole number"),
        ("[run]\nrunner = 'thread'", "there is: threads, serial, auto"),
        ("[run]\ncolumns = 'hits/t'", "give a list of texts"),
        ("[run]\ncolumns = [1]", "give a list of texts"),
        ("[run]\nmerge = 1", "give true or false"),
        ("[run]\nchunk = 1.5", "give a whole number or a text in quotes"),
    ],
)
def test_faults_of_a_file_say_where_and_what_to_do(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.resolve(Group, section=toml(text))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_faults_of_environment_and_call() -> None:
    with pytest.raises(ConfigError, match="environment variable KM3GPU_WORKERS"):
        config.resolve(Group, environment={"KM3GPU_WORKERS": "many"})
    with pytest.raises(ConfigError, match="unknown argument 'worker'; did you mean 'workers'"):
        config.resolve(Group, call={"worker": 2})
    with pytest.raises(ConfigError, match="argument 'workers'"):
        config.resolve(Group, call={"workers": "2"})


def test_environment_of_a_union() -> None:
    assert config.resolve(Group, environment={"KM3GPU_CHUNK": "500"}).value.chunk == 500
    assert config.resolve(Group, environment={"KM3GPU_CHUNK": "500 MB"}).value.chunk == "500 MB"
    assert config.resolve(Group, environment={"KM3GPU_SCHEDULER": "tcp://h:1"}).value.scheduler == "tcp://h:1"
