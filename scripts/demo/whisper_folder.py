"""The files around demo-whisper's weights: tokenizer, config, generation config."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from workers.transcription.canonical import TIMESTAMPS

TEXT_TOKENS = 320
SECONDS = 5  # of a window: a sixth of OpenAI's, so that it is quick on any machine
STATE = 64


def write_tokenizer(folder: Path, texts: Sequence[str]) -> Tokenizer:
    """Byte-level BPE of the phrases, then Whisper's special tokens in Whisper's order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=TEXT_TOKENS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([" " + text for text in texts], trainer)
    names = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES)]
    names += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    names += [f"<|{index * 0.02:.2f}|>" for index in range(TIMESTAMPS)]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    return tokenizer


def write_config(folder: Path, vocabulary: int) -> dict[str, Any]:
    config = {
        "model_type": "whisper",
        "n_mels": 80,
        "n_audio_ctx": SECONDS * 50,
        "n_audio_state": STATE,
        "n_audio_head": 2,
        "n_audio_layer": 1,
        "n_vocab": vocabulary,
        "n_text_ctx": 448,
        "n_text_state": STATE,
        "n_text_head": 4,
        "n_text_layer": 2,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    heads = [[1, head] for head in range(4)]
    generation = {"alignment_heads": heads, "is_multilingual": True}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    return config
