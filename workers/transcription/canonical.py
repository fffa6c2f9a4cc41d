"""What OpenAI's Whispers have in common, for model folders that lack processor files.

The vocabularies and the table of alignment heads come with openai-whisper; see assets/NOTICE. Which one a model has
follows from its dimensions.
"""

from __future__ import annotations

import base64
import gzip
import lzma
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

_ASSETS = Path(__file__).parent / "assets"
_FILES = {
    51864: ("gpt2.tiktoken.xz", 99),
    51865: ("multilingual.tiktoken.xz", 99),
    51866: ("multilingual.tiktoken.xz", 100),
}
TIMESTAMPS = 1501  # 0.00 to 30.00 s

# (decoder layers, heads, vocabulary) -> base85 of gzip of booleans [layers, heads]; large-v1 and v2 look the same.
_HEADS = {
    (4, 6, 51864): b"ABzY8J1N>@0{>%R00Bk>$p{7v037`oCl~+#00",
    (4, 6, 51865): b"ABzY8bu8Lr0{>%RKn9Fp%m@SkK7Kt=7ytkO",
    (6, 8, 51864): b"ABzY8;40c<0{>%RzzG;p*o+Vo09|#PsxSZm00",
    (6, 8, 51865): b"ABzY8KQ!870{>%RzyTQH3`Q^yNP!>##QT-<FaQ7m",
    (12, 12, 51864): b"ABzY8>?_)10{>%RpeA61k&I|OI3I$65C{;;pbCHh0B{qLQ;+}v00",
    (12, 12, 51865): b"ABzY8DmU6=0{>%Rpa?J`kvJ6qF(V^F86#Xh7JUGMK}P<N0000",
    (24, 16, 51864): b"ABzY8usPae0{>%R7<zz_OvQ{)4kMa0BMw6u5rT}kRKX;$NfYBv00*Hl@qhsU00",
    (24, 16, 51865): b"ABzY8B0Jh+0{>%R7}kK1fFL7w6%<-Pf*t^=N)Qr&0RR9",
    (32, 20, 51865): b"ABzY8zd+h!0{>%R7=D0pU<_bnWW*tkYAhobTNnu$jnkEkXqp)j;w1Tzk)UH3X%SZd&fFZ2fC2yj",
    (32, 20, 51866): b"ABzY8gWO1E0{>%R7(9S+Kn!D~%ngiGaR?*L!iJG9p-nab0JQ=-{D1-g00",
    (4, 20, 51866): b"ABzY8j^C+e0{>%RARaKHP%t(lGR*)0g!tONPyhe`",
}


def alignment_heads(layers: int, heads: int, vocabulary: int) -> list[tuple[int, int]]:
    """(layer, head) pairs that follow the sound; of an unknown model the upper half of the layers, all heads."""
    dump = _HEADS.get((layers, heads, vocabulary))
    if dump is None:
        return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]
    flags = np.frombuffer(gzip.decompress(base64.b85decode(dump)), np.bool_).reshape(layers, heads)
    return [(int(layer), int(head)) for layer, head in np.argwhere(flags)]


def vocabulary(size: int, languages: list[str]) -> tuple[list[bytes], dict[str, int]] | None:
    """The bytes of each token and the ids of the special ones; None for a size that OpenAI never used."""
    if size not in _FILES:
        return None
    name, count = _FILES[size]
    lines = lzma.decompress((_ASSETS / name).read_bytes()).split(b"\n")
    tokens = [base64.b64decode(line.split()[0]) for line in lines if line]
    special = {token: len(tokens) + index for index, token in enumerate(_special(languages[:count]))}
    return tokens, special


def _special(languages: list[str]) -> Iterator[str]:
    yield from ("<|endoftext|>", "<|startoftranscript|>")
    yield from (f"<|{language}|>" for language in languages)
    yield from (
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    )
    yield from (f"<|{index * 0.02:.2f}|>" for index in range(TIMESTAMPS))


def merge(piece: bytes, ranks: dict[bytes, int]) -> list[int]:
    """Byte-pair encoding by rank: the pair that makes the lowest token is joined first."""
    parts = [piece[index : index + 1] for index in range(len(piece))]
    while len(parts) > 1:
        candidates = [(ranks.get(a + b), index) for index, (a, b) in enumerate(pairwise(parts))]
        known = [(rank, index) for rank, index in candidates if rank is not None]
        if not known:
            break
        _, index = min(known)
        parts[index : index + 2] = [parts[index] + parts[index + 1]]
    return [ranks[part] for part in parts]
