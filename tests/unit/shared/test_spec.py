"""shared/spec: the line that a worker reads at birth."""

import pytest

from shared.errors import ConfigError
from shared.spec import WorkerSpec

SPEC = WorkerSpec(
    name="chat",
    incarnation=3,
    endpoint="ipc:///run/bus",
    source="org/näme\n",
    context=4096,
    sampling={"temperature": 0.7},
    memory_budget=2**40,
)


def test_a_specification_is_one_line_and_comes_back() -> None:
    line = SPEC.to_line()
    assert line.index("\n") == len(line) - 1
    assert WorkerSpec.from_line(line) == SPEC


def test_identity_names_the_incarnation() -> None:
    assert SPEC.identity == "chat.3"


@pytest.mark.parametrize("line", ["", "\n", "{", "[]", "3", "null", "{}", '{"name": "a"}', '"text"'])
def test_what_is_not_a_specification(line: str) -> None:
    with pytest.raises(ConfigError, match="specification"):
        WorkerSpec.from_line(line)


def test_unknown_fields_are_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown fields: \['colour'\]"):
        WorkerSpec.from_line(SPEC.to_line().replace("{", '{"colour": 1, ', 1))
