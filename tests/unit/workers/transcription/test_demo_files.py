"""What is committed for the demo: small, and in step with the phrases that it was trained on."""

from scripts.demo.data_whisper import PHRASES as TAUGHT
from tests.fakes.hearing import DEMO, PHRASES, SOUNDS
from workers.transcription.vocabulary import load_vocabulary


def test_the_saved_phrases_are_among_the_taught_ones() -> None:
    taught = {(phrase.language, phrase.text, phrase.english) for phrase in TAUGHT}
    assert {(saved["language"], saved["text"], saved["english"]) for saved in PHRASES} <= taught
    assert {saved["file"] for saved in PHRASES} == {path.name for path in SOUNDS.glob("phrase*")}


def test_the_demo_s_tokenizer_knows_every_phrase() -> None:
    vocabulary = load_vocabulary(DEMO, 10**5)
    for phrase in TAUGHT:
        assert vocabulary.decode(vocabulary.encode(phrase.text)) == phrase.text
        assert phrase.language in vocabulary.languages


def test_files_are_small() -> None:
    assert all(path.stat().st_size < 20_000 for path in SOUNDS.glob("phrase*"))
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 4 * 2**20
