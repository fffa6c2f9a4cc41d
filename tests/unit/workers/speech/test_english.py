"""English without spaCy: what misaki's dictionaries say with the small tagger, and without espeak-ng too."""

from __future__ import annotations

import sys

import pytest

from workers.speech.phonemes import english as module
from workers.speech.phonemes.english import Phonemiser, english
from workers.speech.phonemes.espeak import EnglishEspeak
from workers.speech.phonemes.tagger import tokenize

pytest.importorskip("misaki")


@pytest.fixture(scope="module")
def american() -> Phonemiser:
    return english(british=False)


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Dr. Smith", "dˈɑktəɹ smˈɪθ"),
        ("It costs $3.50.", "ˌɪt kˈɔsts θɹˈi dˈɑləɹz ænd fˈɪfti sˈɛnts."),
        ("50% & 22nd", "fˈɪfti pəɹsˈɛnt ænd twˈɛnti sˈɛkənd"),
        ("in 1984", "ɪn nˌIntˈin ˈATi fˈɔɹ"),
        ("the end, the cat", "ði ˈɛnd, ðə kˈæt"),
        ("I don't", "ˌI dˈOnt"),
        ("[Kokoro](/kˈOkəɹO/) said [this](2)", "kˈOkəɹO sˈɛd ðˈɪs"),
        ("", ""),
    ],
)
def test_readings(american: Phonemiser, text: str, phonemes: str) -> None:
    assert american(text) == phonemes


def test_spacy_is_not_there_afterwards(american: Phonemiser) -> None:
    assert american("one") == "wˈʌn"
    assert "spacy" not in sys.modules


def test_a_number_beyond_all_names_does_not_break(american: Phonemiser) -> None:
    assert "wˈʌn" in american("one " + "9" * 400)


def test_without_espeak_unknown_words_are_spelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_espeak", lambda british: None)
    spelt = english(british=False)
    assert spelt("kqz") == "kˌAkjˌuzˈi"
    assert spelt("hello") == "həlˈO"
    assert spelt("9" * 400) == ""


def test_without_misaki_espeak_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("espeakng_loader")
    monkeypatch.setitem(sys.modules, "misaki.en", None)
    assert isinstance(english(british=True), EnglishEspeak)


def test_without_both_the_import_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_espeak", lambda british: None)
    monkeypatch.setitem(sys.modules, "misaki.en", None)
    with pytest.raises(ImportError):
        english(british=False)


def test_espeak_keeps_marks_numbers_and_abbreviations_apart() -> None:
    pytest.importorskip("espeakng_loader")
    espeak = EnglishEspeak(british=False)
    assert espeak("Well, yes; (3.5)!") == "wˈɛl, jˈɛs; (θɹˈi pYnt fˈIv)!"


def test_tags() -> None:
    tokens = tokenize("She used to read the book, didn't she? 3 p.m.")
    assert [(token.text, token.tag) for token in tokens] == [
        ("She", "PRP"),
        ("used", "VBD"),
        ("to", "TO"),
        ("read", "VB"),
        ("the", "DT"),
        ("book", "NN"),
        (",", ","),
        ("did", "NN"),
        ("n't", "NN"),
        ("she", "PRP"),
        ("?", "."),
        ("3", "CD"),
        ("p.m.", "NN"),
    ]
    assert "".join(token.text + token.whitespace for token in tokens) == "She used to read the book, didn't she? 3 p.m."
