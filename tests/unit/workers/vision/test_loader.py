from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.spec import WorkerSpec
from tests.vision_folder import CONTEXT, TEMPLATE
from workers.platform.engine_args import EngineArgs
from workers.vision import loader, processor
from workers.vision.loader import load


def args(**spec: Any) -> EngineArgs:
    return EngineArgs.from_spec(WorkerSpec("m", 1, "", "", **spec))


@pytest.fixture
def own(vision_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A folder for a test to break."""
    return Path(shutil.copytree(vision_folder("qwen2_vl"), tmp_path / "tiny-model"))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_what_is_loaded(vision_folder: Callable[[str], Path]) -> None:
    loaded = load(vision_folder("qwen2_vl"), args())
    ids = loaded.tokenizer.convert_tokens_to_ids
    assert loaded.context == CONTEXT
    assert loaded.eos == {ids("<|im_end|>")}
    assert loaded.media_tokens == {ids("<|image_pad|>"), ids("<|video_pad|>")}
    assert loaded.places == {"image": ("<|image_pad|>",), "video": ("<|video_pad|>",)}
    assert loaded.native_video
    assert "torch" not in sys.modules
    size = (vision_folder("qwen2_vl") / "model.safetensors").stat().st_size
    assert size - 65536 < loaded.weights < size


def test_what_differs_in_a_family_without_video(vision_folder: Callable[[str], Path]) -> None:
    loaded = load(vision_folder("gemma3"), args(context=100))
    assert loaded.places == {"image": ("<soft>", "<image>"), "video": ()}
    assert not loaded.native_video
    assert loaded.context == 100


def test_generation_config_says_what_ends_an_answer(own: Path) -> None:
    (own / "generation_config.json").write_text('{"eos_token_id": [3, 4], "temperature": 0.5}')
    loaded = load(own, args())
    assert loaded.eos >= {3, 4}
    assert loaded.generation_config["temperature"] == 0.5


def test_ids_that_the_folder_does_not_name_are_the_familys(own: Path) -> None:
    edit(own / "config.json", image_token_id=None, video_token_id=None)
    assert load(own, args()).media_tokens == {151655, 151656}


# ------------------------------------------------------------------ chat templates
@pytest.mark.parametrize("place", ["chat_template.json", "chat_template.jinja", "processor_config.json"])
def test_a_template_outside_of_the_tokenizers_config(own: Path, place: str) -> None:
    edit(own / "tokenizer_config.json", chat_template=None)
    if place.endswith("jinja"):
        (own / place).write_text(TEMPLATE)
    else:
        (own / place).write_text(json.dumps({"chat_template": TEMPLATE, "processor_class": "Qwen2VLProcessor"}))
    loaded = load(own, args())
    assert loaded.tokenizer.has_chat_template
    text = loaded.tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert "<|im_start|>user\nHi" in text


# ------------------------------------------------------------------ folders that can't be hosted
def fails(folder: Path, match: str, **spec: Any) -> None:
    with pytest.raises(ConfigError, match=match) as raised:
        load(folder, args(**spec))
    assert folder.name in raised.value.message


def test_no_config(own: Path) -> None:
    (own / "config.json").unlink()
    fails(own, r"config\.json can't be read")
    (own / "config.json").write_text("[]")
    fails(own, "not an object")


def test_no_weights(own: Path) -> None:
    (own / "model.safetensors").unlink()
    fails(own, "[Nn]o safetensors")


def test_weights_that_are_cut(own: Path) -> None:
    data = (own / "model.safetensors").read_bytes()
    (own / "model.safetensors").write_bytes(data[: len(data) // 2])
    fails(own, "can't be loaded")


def test_weights_of_another_shape(own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    edit(own / "config.json", text_config=config["text_config"] | {"num_hidden_layers": 6}, num_hidden_layers=6)
    fails(own, "can't be loaded")


def test_unknown_family(own: Path) -> None:
    edit(own / "config.json", model_type="never_heard_of")
    fails(own, "never_heard_of")


def test_no_tokenizer(own: Path) -> None:
    (own / "tokenizer.json").unlink()
    fails(own, "no usable processor")


def test_code_in_the_folder(own: Path) -> None:
    edit(own / "config.json", model_file="evil.py")
    (own / "evil.py").write_text("raise SystemExit('ran')")
    fails(own, "trust_remote_code")


@pytest.mark.parametrize("family", sorted(loader._REFUSED))
def test_families_that_would_be_silently_wrong(own: Path, family: str) -> None:
    edit(own / "config.json", model_type=family)
    fails(own, f"can't be hosted: {family}")


def test_the_first_complaint_of_a_processor_is_told(own: Path) -> None:
    """mlx-vlm falls back to transformers' processor, which then asks for torch."""
    (own / "preprocessor_config.json").write_text("{broken")
    fails(own, "no usable processor: Expecting property name")


def test_a_tokenizer_alone_is_no_processor(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What transformers hands out for a folder without processor files."""
    bare = load(own, args()).tokenizer._tokenizer
    monkeypatch.setattr("mlx_vlm.utils.load_processor", lambda folder, **kwargs: bare)
    with pytest.raises(ConfigError, match="no processor for images"):
        processor.load_processor(own, "other", trust_remote_code=False)


def test_code_for_the_processor_is_not_run_unless_trusted(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mlx-vlm's own default is to trust."""
    given: list[Any] = []
    import mlx_vlm.utils as library

    real = library.load_processor
    monkeypatch.setattr(
        library, "load_processor", lambda folder, **kwargs: given.append(kwargs) or real(folder, **kwargs)
    )
    load(own, args())
    assert given == [{"add_detokenizer": False, "trust_remote_code": False}]


def test_lack_of_memory_is_no_fault_of_the_folder(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(folder: Path) -> None:
        raise RuntimeError("[malloc_or_wait] Unable to allocate 99 bytes.")

    monkeypatch.setattr("mlx_vlm.utils.load_model", out_of_memory)
    with pytest.raises(RuntimeError, match="allocate"):
        load(own, args())
