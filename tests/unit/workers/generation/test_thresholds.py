from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mlx.nn as nn
import pytest

from workers.generation.thresholds import longest, lowered


@dataclass
class ModelArgs:
    sliding_window: int = 4096
    hidden_size: int = 4096
    rope_parameters: dict[str, Any] = field(default_factory=lambda: {"original_max_position_embeddings": 16384})


@dataclass(slots=True)
class SlottedConfig:
    sliding_window: int = 4096


class Layer(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.window_size = args.sliding_window
        self.index_topk_blocks, self.index_block_size = 16, 128
        self.proj = nn.Linear(2, 2)


class Model(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.rope = dict(args.rope_parameters)
        self.layers = [Layer(args), Layer(args)]


def test_thresholds_are_low_inside_and_as_before_outside() -> None:
    args = ModelArgs()
    model = Model(args)
    with lowered(model):
        assert [layer.window_size for layer in model.layers] == [12, 12]
        assert (args.sliding_window, args.hidden_size) == (12, 4096)
        assert args.rope_parameters == model.rope == {"original_max_position_embeddings": 12}
        assert model.layers[0].index_topk_blocks * model.layers[0].index_block_size == 8
    assert (model.layers[1].window_size, args.sliding_window) == (4096, 4096)
    assert args.rope_parameters == model.rope == {"original_max_position_embeddings": 16384}


def test_they_are_put_back_after_an_error() -> None:
    model = Model(ModelArgs())
    with pytest.raises(ValueError, match="inside"), lowered(model):
        raise ValueError("inside")
    assert model.layers[0].window_size == 4096


def test_a_model_without_any() -> None:
    linear = nn.Linear(2, 2)
    before = dict(vars(linear))
    with lowered(linear):
        assert vars(linear) == before
    assert longest(linear) == 0


def test_a_configuration_without_a_dictionary_is_left_alone() -> None:
    model = Model(ModelArgs())
    model.layers[0].other = SlottedConfig()
    with lowered(model):
        assert model.layers[0].other.sliding_window == 4096
        assert model.layers[0].window_size == 12


def test_the_longest_counts_blocks_in_tokens() -> None:
    args = ModelArgs(sliding_window=1024, rope_parameters={})
    assert longest(Model(args)) == 16 * 128
