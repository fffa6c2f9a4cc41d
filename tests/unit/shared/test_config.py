"""shared/config: units, the YAML and its mistakes, the environment."""

import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

import shared.config.environment as environment
from shared.config import NodeConfig, load_config, read_environment
from shared.config.environment import child_environment
from shared.config.hosts import Host, parse_host
from shared.config.keys import KeyConfig
from shared.config.units import parse_budget, parse_duration, parse_size
from shared.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "node.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(folder: Path, text: str) -> list[str]:
    """The lines of the error, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text))
    return [line.removeprefix(f"{folder}/") for line in caught.value.message.splitlines()]


# ---------------------------------------------------------------- units
@pytest.mark.parametrize(
    ("written", "size"),
    [("512MB", 512 * 10**6), ("1.5 GiB", 3 * 2**29), ("4k", 4000), (" 2 TB ", 2 * 10**12), ("7", 7), (8, 8), ("9b", 9)],
)
def test_a_size(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "big", "-1GB", "1 PB", "1,5GB", True, None, "1GB2"])
def test_not_a_size(written: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(written)


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30.0), ("5m", 300.0), ("250ms", 0.25), ("1.5h", 5400.0), ("1d", 86400.0), (2, 2.0)]
)
def test_a_duration(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


def test_not_a_duration() -> None:
    with pytest.raises(ValueError, match="'soon' is not a duration"):
        parse_duration("soon")


def test_a_budget_is_a_share_or_a_size() -> None:
    assert parse_budget("75%") == 0.75
    assert parse_budget(0.5) == 0.5
    assert parse_budget("64GiB") == 64 * 2**30
    assert isinstance(parse_budget("64GiB"), int)


@pytest.mark.parametrize("written", ["0%", "101%", "-5%", 0, "much%"])
def test_not_a_budget(written: object) -> None:
    with pytest.raises(ValueError, match=r"share|0 bytes|could not convert"):
        parse_budget(written)


# ---------------------------------------------------------------- hosts
@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("nas.lan", Host("nas.lan", None, None)),
        ("NAS:8080", Host("nas", None, 8080)),
        ("xn--mller-kva.example", Host("xn--mller-kva.example", None, None)),
        ("127.0.0.1", Host(None, ip_network("127.0.0.1/32"), None)),
        ("127.0.0.1:9000", Host(None, ip_network("127.0.0.1/32"), 9000)),
        ("10.0.0.0/8", Host(None, ip_network("10.0.0.0/8"), None)),
        ("10.0.0.0/8:81", Host(None, ip_network("10.0.0.0/8"), 81)),
        ("fd00::1", Host(None, ip_network("fd00::1/128"), None)),
        ("[fd00::1]", Host(None, ip_network("fd00::1/128"), None)),
        ("[fd00::/8]:9000", Host(None, ip_network("fd00::/8"), 9000)),
    ],
)
def test_a_host(written: str, host: Host) -> None:
    assert parse_host(written) == host


@pytest.mark.parametrize(
    "written",
    [
        *("", "https://nas", "nas:", "nas:0", "nas:70000", "nas:x", "*.lan", "ana@nas", "nas/x", "a b", "-nas"),
        *("10.0.0.1/8", "1.2.3", "1.2.3.4.5", "[nas]", "[]", "[fd00::1", "fd00::1]:80", "[fd00::1]:", "müller.example"),
        "fd00::1:zz",
    ],
)
def test_not_a_host(written: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        parse_host(written)


# ---------------------------------------------------------------- the file
def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == NodeConfig()


def test_values_are_read_in_their_units(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            "server: {port: 9000, max_body: 1MiB, keep_alive: 2s}\n"
            "node: {memory_budget: 50%}\n"
            "models:\n"
            "  chat: {source: org/name, aliases: [default], sampling: {temperature: 0.7}}\n",
        )
    )
    assert (config.server.port, config.server.max_body, config.server.keep_alive) == (9000, 2**20, 2.0)
    assert config.node.memory_budget == 0.5
    assert config.models["chat"].sampling.temperature == 0.7


@pytest.mark.parametrize("written", ["public", "allowlist", "off", '"off"'])
def test_where_media_may_come_from(tmp_path: Path, written: str) -> None:
    config = load_config(
        write(tmp_path, f"media: {{fetch: {written}, allow: [nas.lan:8080], max_bytes: 1MiB, timeout: 5s}}")
    )
    assert config.media.fetch == written.strip('"')
    assert config.media.allow == (Host("nas.lan", None, 8080),)
    assert (config.media.max_bytes, config.media.timeout) == (2**20, 5.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "media:\n  allow:\n    - nas.lan\n    - https://nas",
            "node.yaml:4: media.allow.1: 'https://nas' is not a host",
        ),
        ("media: {fetch: true}", "media.fetch: "),
        ("media: {timeout: 0}", "media.timeout: "),
        ("media: {max_bytes: 0}", "media.max_bytes: "),
    ],
)
def test_mistakes_about_media(tmp_path: Path, text: str, says: str) -> None:
    (line,) = mistakes(tmp_path, text)
    assert says in line


def test_relative_folders_belong_to_the_file(tmp_path: Path) -> None:
    for folder in ("beside", "folder", "elsewhere"):
        (tmp_path / folder).mkdir()
    config = load_config(
        write(
            tmp_path,
            "models:\n"
            "  a: {source: ./folder}\n"
            "  b: {source: beside}\n"
            "  c: {source: mlx-community/some-model}\n"
            f"  d: {{source: {tmp_path}/elsewhere}}\n",
        )
    )
    sources = [config.models[name].source for name in "abcd"]
    own = [str(tmp_path / name) for name in ("folder", "beside", "elsewhere")]
    assert sources == [*own[:2], "mlx-community/some-model", own[2]]


@pytest.mark.parametrize("source", ["./nowhere", "/no/such/folder", "~/no-such-folder"])
def test_a_folder_that_is_not_there(tmp_path: Path, source: str) -> None:
    (found,) = mistakes(tmp_path, f"models:\n  a: {{source: x/y}}\n  b:\n    source: {source}\n")
    assert found.startswith("node.yaml:4: models.b.source: there is no folder ")


def test_an_unknown_key_names_line_path_and_nearest_key(tmp_path: Path) -> None:
    text = "server:\n  port: 1\nmodels:\n  chat:\n    source: x\n    max_bach: 3\n"
    assert mistakes(tmp_path, text) == ["node.yaml:6: models.chat.max_bach: unknown key; did you mean 'max_batch'?"]


def test_an_unknown_key_without_a_neighbour_lists_the_known(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "zzz: 1\n") == [
        "node.yaml:1: zzz: unknown key; known keys: keys, mcp, media, models, node, server"
    ]


def test_unknown_keys_in_nested_sections(tmp_path: Path) -> None:
    text = "models:\n  chat:\n    source: x\n    sampling:\n      temprature: 1\n"
    assert mistakes(tmp_path, text) == [
        "node.yaml:5: models.chat.sampling.temprature: unknown key; did you mean 'temperature'?"
    ]


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    text = "server:\n  port: 70000\n  keep_alive: soon\nmodels:\n  chat: {kind: poem}\n"
    found = mistakes(tmp_path, text)
    assert [line.split(": ")[:2] for line in found] == [
        ["node.yaml:2", "server.port"],
        ["node.yaml:3", "server.keep_alive"],
        ["node.yaml:5", "models.chat.source"],
        ["node.yaml:5", "models.chat.kind"],
    ]
    assert found[1].endswith("'soon' is not a duration such as 30s, 5m or 1h")


def test_a_key_written_twice(tmp_path: Path) -> None:
    text = "models:\n  chat: {source: x}\n  chat: {source: y}\n"
    assert mistakes(tmp_path, text) == ["node.yaml:3: not valid YAML: the key 'chat' is written twice"]


@pytest.mark.parametrize("alias", ["a", "both"])
def test_an_alias_with_two_owners(tmp_path: Path, alias: str) -> None:
    text = f"models:\n  a: {{source: x, aliases: [both]}}\n  b:\n    source: y\n    aliases:\n      - {alias}\n"
    assert mistakes(tmp_path, text) == [f"node.yaml:6: models.b.aliases: {alias!r} already names 'a'"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: [", "not valid YAML"),
        ("a: *b", "not valid YAML"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
        ("- 1", "the file: "),
        ("models: 3", "models: "),
        ("[a]: 3", "node.yaml:1: not valid YAML: a key must be text"),
        ("{a: 1}: 3", "a key must be text"),
        ("1: 2", "node.yaml:1: 1: "),
        ("a: &x {b: *x}", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("[" * 3000, "not valid YAML"),
    ],
)
def test_what_is_not_a_configuration(tmp_path: Path, text: str, says: str) -> None:
    assert says in mistakes(tmp_path, text)[0]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"server: \xff")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path / "latin.yaml")


# ---------------------------------------------------------------- the environment
def test_the_environment_is_read() -> None:
    found = read_environment(
        {
            "MLX_GATEWAY_CONFIG": "node.yaml",
            "MLX_GATEWAY_HOST": "0.0.0.0",
            "MLX_GATEWAY_PORT": "9000",
            "MLX_GATEWAY_URL": "http://node",
            "MLX_GATEWAY_RUNTIME_DIR": "/run/x",
            "MLX_GATEWAY_LOG_LEVEL": "DEBUG",
            "MLX_GATEWAY_LOG_STYLE": "json",
            "PATH": "/bin",
        }
    )
    assert (found.config, found.host, found.port, found.url) == ("node.yaml", "0.0.0.0", 9000, "http://node")
    assert (found.runtime_dir, found.log_level, found.log_style) == ("/run/x", "debug", "json")


def test_an_empty_variable_is_none() -> None:
    assert read_environment({"MLX_GATEWAY_PORT": "", "MLX_GATEWAY_CONFIG": ""}) == environment.Environment()


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "80a"), ("PORT", "65536"), ("LOG_LEVEL", "x"), ("LOG_STYLE", "x")]
)
def test_a_bad_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"MLX_GATEWAY_{name} is '{value}'"):
        read_environment({f"MLX_GATEWAY_{name}": value})


@pytest.mark.parametrize(
    ("platform", "cuda", "compiled"), [("linux", False, False), ("linux", True, True), ("darwin", False, True)]
)
def test_only_the_cpu_build_of_linux_runs_uncompiled(
    monkeypatch: pytest.MonkeyPatch, platform: str, cuda: bool, compiled: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(environment, "_has_cuda_build", lambda: cuda)
    monkeypatch.delenv("MLX_DISABLE_COMPILE", raising=False)
    monkeypatch.setenv("HF_HOME", "/models")
    variables = child_environment()
    assert ("MLX_DISABLE_COMPILE" not in variables) is compiled
    assert variables["HF_HOME"] == "/models"


def test_several_models_may_each_be_the_default_of_their_kind(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("models:\n  a: {source: x, aliases: [default]}\n  b: {source: y, aliases: [default]}\n")
    assert [model.aliases for model in load_config(file).models.values()] == [("default",), ("default",)]


@pytest.mark.parametrize("key", ["tool_parser", "reasoning_parser"])
def test_a_parser_that_is_not_there_is_refused(tmp_path: Path, key: str) -> None:
    (found,) = mistakes(tmp_path, f"models:\n  a: {{source: x, {key}: hermse}}\n")
    assert found.startswith(f"node.yaml:2: models.a.{key}: Input should be 'auto', 'none', ")


def test_a_tool_server_is_one_program_or_one_address(tmp_path: Path) -> None:
    text = "mcp:\n  files: {url: 'http://x/mcp', command: [x]}\n"
    assert mistakes(tmp_path, text) == ["node.yaml:2: mcp.files: give either 'command' or 'url'"]


def test_unknown_keys_of_a_tool_server(tmp_path: Path) -> None:
    text = "mcp:\n  files:\n    comand: [x]\n"
    assert mistakes(tmp_path, text)[0] == "node.yaml:3: mcp.files.comand: unknown key; did you mean 'command'?"


def test_a_model_names_tool_servers_of_the_file(tmp_path: Path) -> None:
    text = "mcp:\n  files: {command: [x]}\nmodels:\n  a:\n    source: x\n    mcp: [filse]\n"
    assert mistakes(tmp_path, text) == ["node.yaml:6: models.a.mcp: no server 'filse'; did you mean 'files'?"]


def test_two_keys_of_one_name(tmp_path: Path) -> None:
    keys = "".join(f"  - {{name: ana, key_sha256: {digit * 64}}}\n" for digit in "ab")
    assert mistakes(tmp_path, f"keys:\n{keys}") == ["node.yaml:3: keys.1.name: 'ana' is there twice"]


def test_unknown_keys_of_a_key(tmp_path: Path) -> None:
    text = f"keys:\n  - name: ana\n    key_sha256: {'a' * 64}\n    tokens_a_day: 2M\n"
    assert mistakes(tmp_path, text) == ["node.yaml:4: keys.0.tokens_a_day: unknown key; did you mean 'tokens_per_day'?"]


@pytest.mark.parametrize(("written", "tokens"), [("500k", 500_000), ("2M", 2_000_000), ("12", 12), (7, 7)])
def test_token_counts(written: object, tokens: int) -> None:
    assert KeyConfig(name="a", key_sha256="a" * 64, tokens_per_day=written).tokens_per_day == tokens


@pytest.mark.parametrize("written", ["0", "2 X", "many", True, -3])
def test_token_counts_that_are_none(written: object) -> None:
    with pytest.raises(ValidationError):
        KeyConfig(name="a", key_sha256="a" * 64, tokens_per_day=written)
