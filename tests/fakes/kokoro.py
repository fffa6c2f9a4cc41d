"""A Kokoro without its network: noise of the right length, at once."""

from __future__ import annotations

from types import SimpleNamespace

import mlx.core as mx

from workers.speech.loader import Loaded

ALPHABET = frozenset(
    ';:,.!?—…"() “”ʣʥʦʨᵊᵻAIOQSTWYabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʤʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘'
)
RATE = 24000
FRAME = 600  # samples


class FakeKokoro:
    """Two frames a phoneme at speed 1, as loud as the style says; `spoken` holds what it was asked for."""

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def __call__(self, phonemes: str, style: mx.array, speed: float, return_output: bool) -> SimpleNamespace:
        self.spoken.append(phonemes)
        frames = round(2 * len(phonemes) / speed)
        audio = mx.random.uniform(-1.0, 1.0, (1, frames * FRAME)) * style.mean()
        return SimpleNamespace(audio=audio, pred_dur=mx.array([frames]))


def loaded(model: FakeKokoro, voices: dict[str, float]) -> Loaded:
    """`voices` are names with the value that fills their packs."""
    packs = {name: mx.full((510, 1, 256), value) for name, value in voices.items()}
    return Loaded(model=model, alphabet=ALPHABET, packs=packs, longest=510, rate=RATE, weights=1)
