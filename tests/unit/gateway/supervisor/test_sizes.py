"""gateway/supervisor/sizes: what is kept for a model of each kind."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.supervisor.placement import reservation
from gateway.supervisor.sizes import measure, sized
from shared.config import ModelConfig
from shared.footprint import Footprint

MODEL = ModelConfig(source="x", max_batch=32)


def test_a_text_model_has_its_rows_and_its_prefix_cache() -> None:
    size = sized(Footprint(weights=1000, context=100, growing=10), MODEL)
    assert (size.kv, size.prefix_cache) == (4 * 1000, 64 * 1000)


def test_a_model_without_kept_prefixes_has_none_reserved() -> None:
    size = sized(Footprint(weights=1000, context=100, growing=10, keeps_prefixes=False), MODEL)
    assert size.prefix_cache == 0
    assert size.reservation() == reservation(1000, 4 * 1000, 0)


def test_what_a_step_computes_with_is_reserved() -> None:
    size = sized(Footprint(weights=1000, working=5000), MODEL)
    assert size.reservation() == reservation(1000, 5000, 0)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "whisper", "n_text_layer": 2, "n_text_state": 64, "n_text_ctx": 448, "n_audio_ctx": 1500},
        {"model_type": "kokoro", "istftnet": {}},
    ],
)
def test_a_folder_is_measured_as_its_kind(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    header = b'{"w": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    size = measure("m", ModelConfig(source=str(tmp_path)))
    assert size.weights == 8
    assert size.kv + size.working > 0
    assert size.prefix_cache == 0
