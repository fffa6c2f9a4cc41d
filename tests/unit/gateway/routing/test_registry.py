from pathlib import Path

import pytest

from gateway.routing.registry import ModelEntry, Registry
from shared.config import ModelConfig, NodeConfig
from shared.errors import ConfigError, ModelNotFound, WrongModality
from shared.messages import Kind, Ready

CHAT: tuple[Kind, ...] = ("llm", "vlm")


def entry(name: str, kind: Kind | None, *aliases: str) -> ModelEntry:
    return ModelEntry(name, ModelConfig(source="x", aliases=aliases), kind=kind)


def registry() -> Registry:
    return Registry(
        [
            entry("qwen", "llm", "gpt-4o", "claude-*"),
            entry("opus", "llm", "claude-opus-*", "qwen-exact"),
            entry("embed", "embedding", "claude-embed", "text-*"),
        ]
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("qwen", "qwen"),
        ("gpt-4o", "qwen"),
        ("claude-haiku-5", "qwen"),
        ("claude-opus-5", "opus"),  # the longest glob
        ("qwen-exact", "opus"),
    ],
)
def test_a_name_beats_an_alias_beats_the_longest_glob(asked: str, found: str) -> None:
    assert registry().resolve(asked, CHAT).name == found


def test_an_exact_alias_beats_a_glob_even_of_another_kind() -> None:
    assert registry().resolve("claude-embed", ("embedding",)).name == "embed"
    with pytest.raises(WrongModality):
        registry().resolve("claude-embed", CHAT)


def test_default_is_the_alias_or_the_only_model_of_the_kind() -> None:
    models = Registry(
        [entry("a", "llm", "default"), entry("b", "llm"), entry("e", "embedding"), entry("s", "stt"), entry("t", "stt")]
    )
    assert models.resolve("default", CHAT).name == "a"
    assert models.resolve("default", ("embedding",)).name == "e"
    with pytest.raises(WrongModality):
        models.resolve("default", ("stt",))  # two: neither is the default


def test_default_without_an_alias() -> None:
    assert Registry([entry("a", "llm")]).resolve("default", CHAT).name == "a"
    with pytest.raises(ModelNotFound):
        Registry([entry("a", "llm"), entry("b", "vlm")]).resolve("default", CHAT)


def test_every_kind_may_have_its_default() -> None:
    models = Registry([entry("a", "llm", "default"), entry("e", "embedding", "default"), entry("f", "embedding")])
    assert models.resolve("default", ("embedding",)).name == "e"


def test_an_unknown_model_is_a_404_that_names_close_ones() -> None:
    with pytest.raises(ModelNotFound) as caught:
        registry().resolve("qven", CHAT)
    assert caught.value.message.startswith("The model `qven` does not exist or you do not have access to it.")
    assert "`qwen`" in caught.value.message
    assert (caught.value.status, caught.value.param) == (404, "model")


def test_an_absurdly_long_name_is_not_said_back() -> None:
    with pytest.raises(ModelNotFound) as caught:
        registry().resolve("x" * 10_000, CHAT)
    assert len(caught.value.message) < 300


def test_the_wrong_modality_says_what_the_model_is_for() -> None:
    with pytest.raises(WrongModality, match=r"`embed`.* is for embeddings") as caught:
        registry().resolve("text-embedding-3", CHAT)
    assert (caught.value.status, caught.value.param) == (400, "model")


def test_an_unknown_kind_is_learned_from_the_worker() -> None:
    models = Registry([entry("new", None)])
    assert models.resolve("new", CHAT).name == "new"
    models.learn("new", Ready("embedding", 8, 512, "cpu", ("x",)))
    with pytest.raises(WrongModality):
        models.resolve("new", CHAT)
    assert (models["new"].context, models["new"].capabilities) == (512, ("x",))


def test_what_only_the_worker_knows() -> None:
    models = Registry([entry("new", None)])
    assert (models["new"].voices, models["new"].languages, models["new"].dimensions) == ((), (), None)
    models.learn("new", Ready("tts", 8, 512, "cpu", voices=("anna",), languages=("de",), dimensions=3))
    assert (models["new"].voices, models["new"].languages, models["new"].dimensions) == (("anna",), ("de",), 3)
    models.learn("new", Ready("llm", 8, 512, "cpu"))
    assert models["new"].dimensions is None


def test_kinds_come_from_the_file_or_from_local_folders(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()

    def detect(folder: Path) -> Kind:
        if folder == bad:
            raise ConfigError("no config.json")
        return "tts"

    models = {
        "said": ModelConfig(source=str(good), kind="llm"),
        "found": ModelConfig(source=str(good)),
        "broken": ModelConfig(source=str(bad)),
        "hub": ModelConfig(source="org/name"),
    }
    entries = Registry.from_config(NodeConfig(models=models), detect, created=7)
    assert {found.name: found.kind for found in entries} == {
        "said": "llm",
        "found": "tts",
        "broken": None,
        "hub": None,
    }
    assert entries["hub"].created == 7


def test_the_kind_of_a_model_that_is_gone_is_not_known() -> None:
    assert Registry([ModelEntry("chat", ModelConfig(source="x"), kind="llm")]).kind_of("chat") == "llm"
    assert Registry().kind_of("chat") is None
