import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.mcp.events import ServerTool
from gateway.mcp.naming import offered, qualified, to_name

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def test_a_plain_name_stays_plain_where_it_is_alone() -> None:
    tool = ServerTool("weather", "get_weather")
    assert offered([tool], ["read"]) == {"get_weather": tool}
    assert qualified(tool) == "weather__get_weather"


def test_a_name_of_two_servers_is_both_servers_with_prefix() -> None:
    one, two = ServerTool("a", "search"), ServerTool("b", "search")
    assert offered([one, two], []) == {"a__search": one, "b__search": two}


def test_the_clients_own_name_is_the_clients() -> None:
    tool = ServerTool("a", "search")
    assert offered([tool], ["search"]) == {"a__search": tool}


def test_a_prefix_that_is_taken_too_gives_way() -> None:
    names = list(offered([ServerTool("a", "search")], ["search", "a__search"]))
    assert len(names) == 1
    assert NAME.fullmatch(names[0])
    assert names[0] not in ("search", "a__search")


def test_other_letters_are_replaced_and_told_apart() -> None:
    assert to_name("a.b") != to_name("a/b")
    assert NAME.fullmatch(to_name("wëather tool"))
    assert NAME.fullmatch(to_name(""))


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80)), unique=True, max_size=8), st.sets(st.text()))
def test_every_tool_has_a_legal_name_of_its_own(pairs: list[tuple[str, str]], taken: set[str]) -> None:
    tools = [ServerTool(server, name) for server, name in pairs]
    found = offered(tools, taken)
    assert sorted(found.values(), key=repr) == sorted(tools, key=repr)
    assert all(NAME.fullmatch(name) for name in found)
    assert not found.keys() & taken
