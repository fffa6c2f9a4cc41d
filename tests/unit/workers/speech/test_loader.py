from __future__ import annotations

import json
from pathlib import Path

import mlx.core as mx
import pytest

from shared.errors import ConfigError
from workers.speech.loader import load


def folder(tmp_path: Path, config: object = None, shape: tuple[int, ...] = (510, 1, 256)) -> Path:
    (tmp_path / "voices").mkdir()
    (tmp_path / "config.json").write_text(json.dumps({"istftnet": {}} if config is None else config))
    mx.save_safetensors(str(tmp_path / "voices" / "af_heart.safetensors"), {"voice": mx.zeros(shape)})
    return tmp_path


def test_another_architecture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no Kokoro \(model_type: bark"):
        load(folder(tmp_path, {"model_type": "bark"}))


def test_a_folder_without_voices(tmp_path: Path) -> None:
    (folder(tmp_path) / "voices" / "af_heart.safetensors").unlink()
    with pytest.raises(ConfigError, match="holds no voice"):
        load(tmp_path)


def test_a_voice_of_another_shape(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"af_heart\.safetensors: a voice of the shape \(510, 256\)"):
        load(folder(tmp_path, shape=(510, 256)))


def test_a_file_that_is_no_voice(tmp_path: Path) -> None:
    (folder(tmp_path) / "voices" / "am_adam.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(ConfigError, match=r"am_adam\.safetensors: not a voice"):
        load(tmp_path)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be loaded"):
        load(folder(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_config_that_is_none(tmp_path: Path, text: str) -> None:
    (folder(tmp_path) / "config.json").write_text(text)
    with pytest.raises(ConfigError):
        load(tmp_path)
