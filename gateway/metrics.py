"""What Prometheus reads: counted from requests by `Metrics`, read from the workers at each scrape.

Names and meanings are vLLM's where it has one (https://docs.vllm.ai/en/latest/usage/metrics.html), else start with
`mlx_gateway:`. What concerns a model has the label `model`.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.supervisor.pressure import LEVELS
from shared.lifecycle import State
from shared.messages import Kind, Usage

if TYPE_CHECKING:
    from gateway.routing.dispatch import Times
    from gateway.supervisor.snapshot import FleetSnapshot, WorkerFacts

_MODEL = ("model",)
_SUCCESS = frozenset({"stop", "length", "tool_calls", "finished"})
_FAST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_PER_TOKEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0)
_SLOW = (0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 120.0, 240.0, 480.0, 960.0)


class Metrics:
    """Observes requests (the dispatcher's `RequestObserver`) and HTTP answers."""

    def __init__(self, kind_of: Callable[[str], Kind | None] = lambda _: None) -> None:
        """`kind_of` tells a model's kind, so that sound is counted as heard or as spoken."""
        self.registry = registry = CollectorRegistry()
        self._kind_of = kind_of
        self.running: collections.Counter[str] = collections.Counter()  # requests by model
        self.waiting: collections.Counter[str] = collections.Counter()
        self._running = Gauge(
            "vllm:num_requests_running", "Requests that a worker works on.", _MODEL, registry=registry
        )
        self._waiting = Gauge(
            "vllm:num_requests_waiting", "Requests that wait for a worker.", _MODEL, registry=registry
        )
        self._prompt = Counter("vllm:prompt_tokens", "Prompt tokens.", _MODEL, registry=registry)
        self._generated = Counter("vllm:generation_tokens", "Generated tokens.", _MODEL, registry=registry)
        self._audio = Counter(
            "mlx_gateway:audio_seconds",
            "Seconds of sound heard (in) or spoken (out).",
            ("model", "direction"),
            registry=registry,
        )
        self._queries = Counter(
            "vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache.", _MODEL, registry=registry
        )
        self._hits = Counter(
            "vllm:prefix_cache_hits", "Prompt tokens that the prefix cache supplied.", _MODEL, registry=registry
        )
        self._success = Counter(
            "vllm:request_success", "Requests that ended well.", ("model", "finished_reason"), registry=registry
        )
        self._failed = Counter(
            "mlx_gateway:request_errors", "Requests that ended with an error.", ("model", "code"), registry=registry
        )
        self._http = Counter("mlx_gateway:http_responses", "HTTP responses.", ("status",), registry=registry)
        self._first = Histogram(
            "vllm:time_to_first_token_seconds",
            "From arrival to first output.",
            _MODEL,
            buckets=_FAST,
            registry=registry,
        )
        self._per_token = Histogram(
            "vllm:time_per_output_token_seconds",
            "Mean time of a request's output tokens after the first.",
            _MODEL,
            buckets=_PER_TOKEN,
            registry=registry,
        )
        self._latency = Histogram(
            "vllm:e2e_request_latency_seconds", "From arrival to end.", _MODEL, buckets=_SLOW, registry=registry
        )
        self._queue_time = Histogram(
            "vllm:request_queue_time_seconds", "From arrival to a worker.", _MODEL, buckets=_SLOW, registry=registry
        )

    # ------------------------------------------------------------------ the dispatcher calls
    def on_queued(self, model: str, times: Times) -> None:
        self._move(model, waiting=1)

    def on_sent(self, model: str, times: Times) -> None:
        self._move(model, waiting=-1, running=1)
        if times.sent is not None:
            self._queue_time.labels(model).observe(times.sent - times.enqueued)

    def on_first(self, model: str, times: Times) -> None:
        if times.first is not None:
            self._first.labels(model).observe(times.first - times.enqueued)

    def on_done(self, model: str, outcome: str, usage: Usage, times: Times) -> None:
        if times.sent is None:
            self._move(model, waiting=-1)
        else:
            self._move(model, running=-1)
        self._prompt.labels(model).inc(usage.prompt_tokens)
        self._queries.labels(model).inc(usage.prompt_tokens)
        self._hits.labels(model).inc(usage.cached_tokens)
        self._generated.labels(model).inc(usage.completion_tokens)
        if usage.audio_seconds > 0:
            self._audio.labels(model, "out" if self._kind_of(model) == "tts" else "in").inc(usage.audio_seconds)
        if outcome not in _SUCCESS:
            self._failed.labels(model, outcome).inc()
            return
        self._success.labels(model, outcome).inc()
        if times.done is None:
            return
        self._latency.labels(model).observe(times.done - times.enqueued)
        if times.first is not None and usage.completion_tokens > 1:
            self._per_token.labels(model).observe((times.done - times.first) / (usage.completion_tokens - 1))

    def _move(self, model: str, waiting: int = 0, running: int = 0) -> None:
        self.waiting[model] += waiting
        self.running[model] += running
        self._waiting.labels(model).set(self.waiting[model])
        self._running.labels(model).set(self.running[model])

    # ------------------------------------------------------------------ the edge calls
    def on_response(self, status: int) -> None:
        self._http.labels(str(status)).inc()

    def watch(self, snapshot: Callable[[], Iterable[WorkerFacts]]) -> None:
        """Adds what the workers say of themselves; `snapshot` is read at each scrape."""
        self.registry.register(_Workers(snapshot))

    def watch_memory(self, snapshot: Callable[[], FleetSnapshot]) -> None:
        """Adds the machine's memory; `snapshot` is read at each scrape."""
        self.registry.register(_Memory(snapshot))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, in the format that an Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


class _Memory(Collector):
    """Gauges of the machine."""

    def __init__(self, snapshot: Callable[[], FleetSnapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found = self._snapshot()
        words = "Memory pressure: 0 normal, 1 tight, 2 critical."
        yield GaugeMetricFamily("mlx_gateway:memory_pressure", words, LEVELS.index(found.pressure))
        words = "Memory of the machine that is available."
        yield GaugeMetricFamily("mlx_gateway:memory_available_bytes", words, found.memory.available)
        yield GaugeMetricFamily("mlx_gateway:swap_used_bytes", "Swap in use on the machine.", found.memory.swap)


class _Workers(Collector):
    """Gauges of the workers; a model without a living worker has its state only."""

    def __init__(self, snapshot: Callable[[], Iterable[WorkerFacts]]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("mlx_gateway:model_ready", "1: the model takes requests.", labels=_MODEL)
        restarts = GaugeMetricFamily("mlx_gateway:worker_restarts", "Restarts of the worker.", labels=_MODEL)
        rate = GaugeMetricFamily("mlx_gateway:tokens_per_second", "Generated tokens a second.", labels=_MODEL)
        memory = GaugeMetricFamily("mlx_gateway:worker_memory_bytes", "Memory of the worker.", labels=("model", "use"))
        for facts in self._snapshot():
            ready.add_metric((facts.name,), float(facts.state is State.READY))
            restarts.add_metric((facts.name,), facts.restarts)
            rate.add_metric((facts.name,), facts.tokens_per_second)
            if facts.stats is not None:
                memory.add_metric((facts.name, "active"), facts.stats.active_bytes)
                memory.add_metric((facts.name, "peak"), facts.stats.peak_bytes)
                memory.add_metric((facts.name, "cache"), facts.stats.cache_bytes)
        yield from (ready, restarts, rate, memory)
