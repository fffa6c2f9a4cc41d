from __future__ import annotations

import sys
from collections.abc import Callable
from unicodedata import normalize

import pytest

from shared.errors import InvalidRequest
from workers.speech import languages
from workers.speech.languages import LANGUAGES, Language, Phonemisers, find_language

SPOKEN = {
    "en-us": ("Hello, world!", "həlˈO, wˈɜɹld!"),
    "en-gb": ("a bath", "ɐ bˈɑːθ"),
    "es": ("Hola, buenos días.", "ˈola, bwˈenos ðˈias."),
    "fr": ("Bonjour « ici ».", "bɔ̃ʒˈuʁ “ isˈi ”."),
    "hi": ("नमस्ते", "nəmˈʌsteː"),
    "it": ("Ciao: dove vai?", "ʧˈao: dˈove vˈaj?"),
    "ja": ("こんにちは、世界。", "koɴniʨiwa, sekai."),
    "pt-br": ("Olá mundo", "olˈa mˈũŋdʊ"),
    "zh": ("你好，世界。", "ni↓xau↓, ʂɨ↘ʨje↘."),
}


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")  # inside the phonemisers
def test_phonemes(language: Language) -> None:
    if not language.installed:
        pytest.skip(f"{language.name} needs the extra 'speech'")
    text, phonemes = SPOKEN[language.code]
    spoken = " ".join(Phonemisers().get(language)(text).split())
    assert normalize("NFC", spoken) == normalize("NFC", phonemes)


@pytest.mark.parametrize(
    ("asked", "voice", "code"),
    [
        (None, "af_heart", "en-us"),
        (None, "bm_george", "en-gb"),
        (None, "zf_xiaobei", "zh"),
        (None, "custom", "en-us"),
        ("FR", "af_heart", "fr"),
        ("pt_BR", "af_heart", "pt-br"),
        ("en", "bf_emma", "en-us"),
        ("j", "af_heart", "ja"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_voices(asked: str | None, voice: str, code: str) -> None:
    assert find_language(asked, voice).code == code


def test_an_unknown_language_names_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"no language 'tlh'; choose one of en-us, .*zh") as refusal:
        find_language("tlh", "af_heart")
    assert refusal.value.param == "language"


def missing() -> Callable[[str], str]:
    raise ImportError("no module named 'espeak'")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_language_that_is_not_installed_says_what_to_install(
    language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(languages, "find_spec", lambda _: None)
    assert not language.installed
    with pytest.raises(InvalidRequest, match=r'pip install "mlx-gateway\[speech\]"') as refusal:
        Phonemisers().get(language)
    assert refusal.value.message.startswith(language.name)
    assert refusal.value.param == "language"


def test_a_library_that_breaks_while_loading_is_told() -> None:
    broken = Language("es", "e", "Spanish", ((),), missing)
    with pytest.raises(InvalidRequest, match=r"can't be loaded on this node \(no module named 'espeak'"):
        Phonemisers().get(broken)


@pytest.mark.parametrize(("version", "told"), [((3, 12), False), ((3, 13), True)])
def test_misakis_limit_is_told_where_it_applies(
    version: tuple[int, int], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(languages, "find_spec", lambda _: None)
    for code in ("ja", "zh", "es"):
        with pytest.raises(InvalidRequest) as refusal:
            Phonemisers().get(find_language(code, ""))
        assert ("under Python 3.12" in refusal.value.message) is (told and code != "es")


def test_a_phonemiser_is_made_once() -> None:
    made: list[str] = []
    language = Language("es", "e", "Spanish", ((),), lambda: made.append("es") or str.upper)  # type: ignore[func-returns-value]
    phonemisers = Phonemisers()
    assert [phonemisers.get(language)("hola") for _ in range(2)] == ["HOLA", "HOLA"]
    assert made == ["es"]
