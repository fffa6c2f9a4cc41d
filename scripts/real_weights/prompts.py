"""What every engine is asked, so that their answers can be compared; greedy, and few tokens."""

from __future__ import annotations

TOKENS = 24  # a greedy answer at most
TOP = 5  # log-probabilities a token

CHATS = (
    "What is the capital of France?",
    "Name three colours of the rainbow.",
    "Write one sentence about the sea.",
    "What is 7 plus 5?",
    "Translate 'good morning' to Spanish.",
    "Why is the sky blue?",
    "Give me a word that rhymes with house.",
    "Réponds en français: quelle heure est-il? 🕐",
)
COMPLETIONS = (
    "The sea is ",
    "def fibonacci(n):\n    ",
    "La capitale de l'Italie est",
    "1, 2, 3, 4,",
    "Once upon a time there was a king who",
)
_SENTENCES = "The {0} ship left the harbour at {1} o'clock with {2} barrels of salt and a crew of {3}. "


def long_text() -> str:
    """About a thousand tokens without a repeated sentence: twice Gemma 3's sliding window."""
    colours = ("red", "blue", "green", "white", "black")
    return "".join(_SENTENCES.format(colours[n % 5], 1 + n % 12, 7 * n + 3, 11 + n * 13 % 40) for n in range(37))
