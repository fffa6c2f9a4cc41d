"""Chinese and Japanese through misaki, with dictionaries that come inside the packages: nothing is downloaded."""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Callable
from typing import Any

Phonemiser = Callable[[str], str]


def chinese() -> Phonemiser:
    """Raises ImportError."""
    jieba: Any = importlib.import_module("jieba")
    jieba.setLogLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:  # it would unmarshal whatever lies in the shared /tmp/jieba.cache
        jieba.dt.tmp_dir = folder
        jieba.initialize()
    g2p: Any = importlib.import_module("misaki.zh").ZHG2P()
    return lambda text: str(g2p(text)[0])


def japanese() -> Phonemiser:
    """Raises ImportError."""
    g2p: Any = importlib.import_module("misaki.ja").JAG2P(version="pyopenjtalk")
    return lambda text: "".join(_of_token(token) for token in g2p(text)[1]).strip()


def _of_token(token: Any) -> str:
    """Without the pitch marks that `JAG2P` appends to its text; a new phrase begins with a space."""
    underscore = token._
    gap = " " if underscore.mora_size and not underscore.chain_flag else ""
    return f"{gap}{token.phonemes or ''}{token.whitespace}"
