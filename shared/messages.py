"""Everything that travels between the gateway and a worker: data only, no behaviour.

Down is gateway to worker, up is worker to gateway. A request is answered by `Accepted`, then any number of deltas,
then exactly one `Finished` or `Failed`; deltas of all requests of one model step share one `Step`. Images and audio
are raw frames behind the message; a `MediaPart` names its frame by position (`blob`).

JSON that only passes through (schemas, template arguments) stays JSON text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "tool_calls"]
Kind = Literal["llm", "vlm", "stt", "tts", "embedding", "reranker"]
VoiceDetector = Literal["silero", "loudness"]


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that travel as a frame of their own."""

    data: bytes | memoryview


# ------------------------------------------------------------------ parts of a request
@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class MediaPart:
    """An image, a video or a sound; `blob` is the position of its frame, `options` JSON text."""

    media: Literal["image", "video", "audio"]
    blob: int
    options: str = "{}"


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str  # JSON text


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: str
    content: tuple[TextPart | MediaPart, ...] = ()
    name: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None = None
    parameters: str = "{}"  # JSON Schema as text
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads: chat messages (the worker applies its template), or text, or token ids."""

    messages: tuple[ChatMessage, ...] = ()
    text: str | None = None
    tokens: tuple[int, ...] | None = None
    tools: tuple[Tool, ...] = ()
    template_kwargs: str = "{}"  # JSON text, handed to the chat template
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    add_special_tokens: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """vLLM's names and meanings. None: not named by the request; the model's defaults fill it in."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    allowed_token_ids: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    logprobs: int | None = None  # alternatives per token; 0: the chosen token only; None: none


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an answer must match. `text`: a JSON Schema, a regular expression, a JSON list of texts, or Lark.

    `strict`: a schema whose keywords can't all be kept while the answer is written is refused.
    """

    kind: Literal["json_schema", "json_object", "regex", "choice", "lark"]
    text: str = ""
    strict: bool = False


# ------------------------------------------------------------------ down
@dataclass(frozen=True, slots=True)
class Generate:
    """`echo` or `prompt_logprobs` ask for one `PromptEcho`. The grammar binds the answer, not the thought before it."""

    request: str
    prompt: Prompt
    sampling: Sampling = Sampling()
    n: int = 1
    parse_reasoning: bool = True  # false: raw, the thought stays in the text
    parse_tools: bool = True
    parallel_tool_calls: bool = True
    tool_choice: Literal["auto", "required"] = "auto"  # required: the answer is calls, and parses
    callable_tools: tuple[str, ...] = ()  # names of the prompt's tools that may be called; empty: all
    grammar: Grammar | None = None
    thinking_budget: int | None = None  # tokens after which a thought is closed
    echo: bool = False
    prompt_logprobs: int | None = None  # alternatives per prompt token, as in Sampling.logprobs


@dataclass(frozen=True, slots=True)
class Count:
    """Tokenises a prompt as `Generate` would; answered by one `Tokens` and `Finished`."""

    request: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Detokenize:
    """Turns token ids into text; answered by one `TextDelta` and `Finished`."""

    request: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EmbedInput:
    """One text, or its token ids."""

    text: str | None = None
    tokens: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """Answered by one `Vectors` and `Finished`; `dimensions` shortens the vectors (Matryoshka) and normalises again."""

    request: str
    inputs: tuple[EmbedInput, ...]
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Rerank:
    """Answered by one `Scores`, in the order of the documents, and `Finished`."""

    request: str
    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transcribe:
    """`audio` is the uploaded file. Answered by `Segment`s in order of time, one `Transcribed`, `Finished`."""

    request: str
    audio: Blob
    task: Literal["transcribe", "translate"] = "transcribe"
    language: str | None = None  # ISO 639-1 code or name; None: detected
    prompt: str | None = None
    temperature: float | None = None  # None: Whisper's ladder of fallbacks
    word_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Speak:
    """Answered by `Sound`s and `Finished`. `voice` may blend: `af_heart(2)+am_adam(1)`."""

    request: str
    text: str
    voice: str | None = None  # None: the model's default
    speed: float = 1.0
    language: str | None = None
    format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"


@dataclass(frozen=True, slots=True)
class Cancel:
    request: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Finish what runs; nothing new will be sent."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Memory is short: what is kept of past requests may hold at most `keep_bytes`, and free buffers go."""

    keep_bytes: int


@dataclass(frozen=True, slots=True)
class Stop:
    """`silent`: what is left after the grace is not answered; whoever sent it knows what to do with it."""

    grace: float  # seconds for running requests
    silent: bool = False


# ------------------------------------------------------------------ deltas, inside Step
@dataclass(frozen=True, slots=True)
class Alternative:
    token: int
    text: str
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural-log probability of a chosen token under the model (before temperature), with its best alternatives."""

    token: int
    text: str
    data: bytes
    logprob: float
    top: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    request: str
    choice: int
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    request: str
    choice: int
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: `id` and `name` come once per `call`, argument text (JSON) as it is generated.

    `broken`: the call is over, and its arguments are no whole JSON object.
    """

    request: str
    choice: int
    call: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class PromptEcho:
    """The prompt given back, before anything else; `logprobs` has None for its first token."""

    request: str
    text: str
    tokens: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceFinished:
    """`stop` is the stop string or token id that ended the choice, if one did.

    `unmet`: keywords of schemas that were not bound and that the whole answer breaks.
    """

    request: str
    choice: int
    reason: FinishReason
    stop: str | int | None = None
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    request: str
    tokens: tuple[int, ...]
    context: int  # the model's context length, tokens


@dataclass(frozen=True, slots=True)
class Vectors:
    """Float32, little-endian, row after row: one row of `dimensions` numbers an input."""

    request: str
    dimensions: int
    data: Blob


@dataclass(frozen=True, slots=True)
class Scores:
    """Relevance of each document, 0 to 1."""

    request: str
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: float  # seconds
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a transcript; times in seconds from the start of the file, never before an earlier segment's."""

    request: str
    index: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcribed:
    request: str
    language: str  # ISO 639-1
    duration: float  # seconds of sound


@dataclass(frozen=True, slots=True)
class Sound:
    """Encoded sound, in order; together the pieces are one file of the format that was asked for."""

    request: str
    data: Blob
    seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts. `cached_tokens` is the part of the prompt that the prefix cache supplied."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    audio_seconds: float = 0.0  # of sound heard or spoken


@dataclass(frozen=True, slots=True)
class Finished:
    request: str
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Failed:
    request: str
    code: str
    message: str
    param: str | None = None
    usage: Usage = Usage()


# ------------------------------------------------------------------ up
@dataclass(frozen=True, slots=True)
class Hello:
    name: str
    incarnation: int
    pid: int


@dataclass(frozen=True, slots=True)
class Loading:
    stage: str  # download, load, warm-up
    fraction: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """`max_inflight` is the credit: how many requests the gateway may have open here. Sizes in bytes."""

    kind: Kind
    max_inflight: int
    context: int
    device: str
    capabilities: tuple[str, ...] = ()  # reasoning, tools, image, video, audio, translate, timestamps
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    dimensions: int = 0  # of an embedding
    weights: int = 0
    load_seconds: float = 0.0
    sharing: tuple[str, ...] = ()  # what its rows share: chunked prefill, batch, groups, batched prefill
    not_shared: tuple[str, ...] = ()  # what they don't, each with the reason
    voice_detector: VoiceDetector | None = None  # what finds speech in a file, of a transcriber


@dataclass(frozen=True, slots=True)
class Accepted:
    """`unbound`: keywords of the request's schemas that the answer is not held to while it is written."""

    request: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    unbound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stats:
    """The worker's pulse, about once a second. Counters only grow; with work running and `steps` and `beats` frozen,
    it hangs.
    """

    steps: int
    running: int
    waiting: int
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    cache_bytes: int
    active_bytes: int
    peak_bytes: int
    beats: int = 0  # pulses at which the device had moved, inside a step too


@dataclass(frozen=True, slots=True)
class Fatal:
    """The worker can't go on (a model that can't be loaded, a broken step); its process ends next."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Bye:
    """It ends. `terminated`: because of a signal from outside, what runs on it has a moment left."""

    reason: str
    terminated: bool = False


Delta = (
    TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | PromptEcho
    | ChoiceFinished
    | Tokens
    | Vectors
    | Scores
    | Segment
    | Transcribed
    | Sound
    | Finished
    | Failed
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one model step (or one piece of preprocessing) produced, for all its requests."""

    deltas: tuple[Delta, ...]


Work = Generate | Count | Detokenize | Embed | Rerank | Transcribe | Speak
Down = Work | Cancel | Trim | Drain | Stop
Up = Hello | Loading | Ready | Accepted | Step | Stats | Fatal | Bye

# The position is the code on the wire: both sides are always the same release.
WIRE_TYPES: tuple[type, ...] = (
    TextPart, MediaPart, ToolCall, ChatMessage, Tool, Prompt, Sampling, Grammar,
    Generate, Count, Detokenize, EmbedInput, Embed, Rerank, Transcribe, Speak, Cancel, Trim, Drain, Stop,
    Alternative, TokenLogprob, TextDelta, ReasoningDelta, ToolCallDelta, PromptEcho, ChoiceFinished, Tokens,
    Vectors, Scores, Word, Segment, Transcribed, Sound,
    Usage, Finished, Failed,
    Hello, Loading, Ready, Accepted, Stats, Fatal, Bye, Step,
)  # fmt: skip
