"""What demo-whisper understands: phrases as espeak-ng speaks them, some with their English meaning."""

from __future__ import annotations

from typing import NamedTuple


class Phrase(NamedTuple):
    language: str  # Whisper's code
    voice: str  # espeak-ng's
    text: str
    english: str | None = None


_ENGLISH = (
    "Welcome to the gateway.",
    "One address serves every model in the team.",
    "Each worker owns one model and its batching loop.",
    "Requests join and leave the running batch.",
    "The gateway speaks to the workers over sockets.",
    "One file describes the whole node.",
    "Speech, pictures and text share one machine.",
    "A crash of one worker never stops the others.",
    "Please open the window.",
    "What time is it?",
    "The train leaves at seven in the morning.",
    "I would like a cup of coffee.",
    "Turn off the light in the kitchen.",
    "Play some quiet music.",
    "How is the weather today?",
    "Set a timer for ten minutes.",
    "The meeting starts at noon.",
    "Call my sister tomorrow.",
    "Never give up.",
    "There is a red circle on a white page.",
    "Good morning, everyone.",
    "Thank you very much for your help.",
    "Where is the nearest station?",
    "The library closes early on Sunday.",
)
_OTHERS = (
    Phrase("de", "de", "Guten Morgen, liebe Freunde.", "Good morning, dear friends."),
    Phrase("de", "de", "Das Wetter ist heute schön.", "The weather is nice today."),
    Phrase("de", "de", "Ich trinke gern Kaffee.", "I like to drink coffee."),
    Phrase("de", "de", "Wo ist der Bahnhof?", "Where is the station?"),
    Phrase("fr", "fr-fr", "Bonjour tout le monde.", "Hello, everyone."),
    Phrase("fr", "fr-fr", "Le train part bientôt.", "The train leaves soon."),
    Phrase("fr", "fr-fr", "Merci beaucoup.", "Thank you very much."),
    Phrase("fr", "fr-fr", "Comment allez-vous aujourd'hui?", "How are you today?"),
)
PHRASES = (*(Phrase("en", "en-us", text) for text in _ENGLISH), *_OTHERS)
SAVED = (0, 2, 12, 17, 24, 29)  # spoken into files for the tests
