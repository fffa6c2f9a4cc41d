"""Models that read a query and a document together and say how relevant the document is.

Classification heads are our few lines on top of mlx-embeddings' encoders; names of weights are transformers'.
Qwen3-Reranker is the language model itself: the probability of "yes" against "no" after its prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.nn.layers.linear import Linear
from mlx_embeddings.models import bert, modernbert, qwen3, xlm_roberta

from shared.errors import ConfigError
from workers.embedding.batch import Batch
from workers.embedding.families import FAMILIES
from workers.embedding.inputs import Inputs
from workers.embedding.job import Item

Weights = dict[str, mx.array]


def _without(prefix: str, weights: Mapping[str, mx.array]) -> Weights:
    return {name.removeprefix(prefix): weight for name, weight in weights.items()}


def _classes(weights: Mapping[str, mx.array], name: str) -> int:
    """How many numbers the head says: its weights know better than config.json, which leaves defaults out."""
    return int(weights[name].shape[0])


class BertClassifier(bert.Model):  # type: ignore[misc]
    def sanitize(self, weights: Weights) -> Weights:
        self.classifier = Linear(self.config.hidden_size, _classes(weights, "classifier.weight"))
        found: Weights = super().sanitize(_without("bert.", weights))
        return found

    def logits(self, batch: Batch) -> mx.array:
        output = self(batch.ids, token_type_ids=batch.types, attention_mask=batch.mask)
        scores: mx.array = self.classifier(output.pooler_output)
        return scores


@dataclass
class RobertaArgs(xlm_roberta.ModelArgs):  # type: ignore[misc]
    add_pooling_layer: bool = False  # the head has a layer of its own


class RobertaHead(Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dense = Linear(width, width)
        self.out_proj = Linear(width, classes)

    def __call__(self, hidden: mx.array) -> mx.array:
        logits: mx.array = self.out_proj(mx.tanh(self.dense(hidden[:, 0])))
        return logits


class RobertaClassifier(xlm_roberta.Model):  # type: ignore[misc]
    def sanitize(self, weights: Weights) -> Weights:
        self.classifier = RobertaHead(self.config.hidden_size, _classes(weights, "classifier.out_proj.weight"))
        found: Weights = super().sanitize(_without("roberta.", weights))
        return found

    def logits(self, batch: Batch) -> mx.array:
        return self.classifier(FAMILIES["xlm_roberta"].hidden(self, batch))


@dataclass
class ModernBertArgs(modernbert.ModelArgs):  # type: ignore[misc]
    num_labels: int = 1  # the library derives it from keys that many folders lack


class ModernBertClassifier(modernbert.Model):  # type: ignore[misc]
    def sanitize(self, weights: Weights) -> Weights:
        self.classifier = Linear(self.config.hidden_size, _classes(weights, "classifier.weight"))
        found: Weights = super().sanitize(weights)
        return found

    def _process_outputs(self, logits: mx.array) -> mx.array:
        return logits

    def logits(self, batch: Batch) -> mx.array:
        dtype = self.model.embeddings.norm.weight.dtype
        found: mx.array = self(batch.ids, attention_mask=batch.mask.astype(dtype)).pooler_output
        return found


@dataclass
class YesNoArgs(qwen3.ModelArgs):  # type: ignore[misc]
    answers: tuple[int, int] = (0, 0)  # the tokens "no" and "yes"


class YesNo(qwen3.Model):  # type: ignore[misc]
    def __init__(self, config: YesNoArgs) -> None:
        super().__init__(config)
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)

    def sanitize(self, weights: Weights) -> Weights:
        """The library's drops or renames the head."""
        head = {name: weight for name, weight in weights.items() if name.startswith("lm_head.")}
        rest = {name: weight for name, weight in weights.items() if name not in head}
        found: Weights = super().sanitize(rest)
        return found if self.config.tie_word_embeddings else found | head

    def logits(self, batch: Batch) -> mx.array:
        hidden = FAMILIES["qwen3"].hidden(self, batch)
        last = hidden[mx.arange(hidden.shape[0]), batch.ends]
        every = self.model.embed_tokens.as_linear(last) if self.config.tie_word_embeddings else self.lm_head(last)
        scores: mx.array = every[:, mx.array(self.config.answers)]
        return scores


# The words of https://huggingface.co/Qwen/Qwen3-Reranker-0.6B
_BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
    ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_INSTRUCT = "Given a web search query, retrieve relevant passages that answer the query"
_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def _yes_no_items(inputs: Inputs, tokenizer: Any, query: str, documents: Sequence[str]) -> list[Item]:
    before, after = (tokenizer.encode(text, add_special_tokens=False) for text in (_BEFORE, _AFTER))
    texts = [f"<Instruct>: {_INSTRUCT}\n<Query>: {query}\n<Document>: {document}" for document in documents]
    return inputs.framed(before, texts, after, "documents")


def _pair_items(inputs: Inputs, tokenizer: Any, query: str, documents: Sequence[str]) -> list[Item]:
    return inputs.pairs(query, documents)


@dataclass(frozen=True, slots=True)
class Head:
    model: type
    args: type
    items: Callable[[Inputs, Any, str, Sequence[str]], list[Item]] = _pair_items

    def classes(self, config: Mapping[str, Any]) -> tuple[type, type, None, None]:
        return self.model, self.args, None, None


HEADS = {
    "bert": Head(BertClassifier, bert.ModelArgs),
    "xlm_roberta": Head(RobertaClassifier, RobertaArgs),
    "modernbert": Head(ModernBertClassifier, ModernBertArgs),
    "qwen3": Head(YesNo, YesNoArgs, _yes_no_items),
}


def head_of(config: Mapping[str, Any]) -> Head:
    """Raises ConfigError for a model that is no cross-encoder this worker can run."""
    model_type = str(config["model_type"]).replace("-", "_")
    if model_type not in HEADS:
        raise ConfigError(f"models of type {model_type!r} can't rank documents here; {', '.join(HEADS)} can")
    return HEADS[model_type]


def settle(model: Any, tokenizer: Any) -> None:
    """What a head takes from the tokenizer once both are loaded."""
    if isinstance(model, YesNo):
        answers = tuple(tokenizer.convert_tokens_to_ids(word) for word in ("no", "yes"))
        if {None, tokenizer.unk_token_id} & set(answers):
            raise ConfigError("the tokenizer has no tokens `yes` and `no`: this is no Qwen3-Reranker")
        model.config.answers = answers


def relevance(logits: mx.array) -> mx.array:
    """[rows, 1 or 2] to [rows, 1], 0 to 1: the sigmoid of one number, or of yes against no. Raises ConfigError."""
    if logits.shape[1] > 2:
        raise ConfigError(f"the model sorts into {logits.shape[1]} classes; a reranker says one number, or yes and no")
    scores = logits.astype(mx.float32)
    return mx.sigmoid(scores if scores.shape[1] == 1 else scores[:, 1:] - scores[:, :1])
