from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.metrics import Metrics
from gateway.routing.dispatch import RequestObserver, Times
from gateway.supervisor.pressure import Reading
from gateway.supervisor.snapshot import FleetSnapshot
from shared.lifecycle import State
from shared.messages import Stats, Usage
from tests.fakes.dispatcher import READY

USAGE = Usage(prompt_tokens=70, cached_tokens=40, completion_tokens=11)


@pytest.fixture
def metrics():
    return Metrics()


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, {"model": "chat", **labels})


def in_flight(metrics):
    names = ("vllm:num_requests_waiting", "vllm:num_requests_running")
    return tuple(value(metrics, name) for name in names)


def play(metrics, outcome="stop", usage=USAGE, times=None):
    observer: RequestObserver = metrics
    times = times or Times(10.0, 11.0, 12.0, 17.0)
    observer.on_queued("chat", times)
    if times.sent is not None:
        observer.on_sent("chat", times)
    if times.first is not None:
        observer.on_first("chat", times)
    observer.on_done("chat", outcome, usage, times)


def test_a_requests_way(metrics):
    metrics.on_queued("chat", Times(0.0))
    assert (metrics.waiting["chat"], metrics.running["chat"], *in_flight(metrics)) == (1, 0, 1, 0)
    metrics.on_sent("chat", Times(0.0, 1.0))
    assert (metrics.waiting["chat"], metrics.running["chat"], *in_flight(metrics)) == (0, 1, 0, 1)
    metrics.on_done("chat", "stop", USAGE, Times(0.0, 1.0, 2.0, 3.0))
    assert (metrics.waiting["chat"], metrics.running["chat"], *in_flight(metrics)) == (0, 0, 0, 0)


def test_a_request_that_never_left_the_queue(metrics):
    play(metrics, "cancelled", Usage(), Times(0.0, done=1.0))
    assert in_flight(metrics) == (0, 0)
    assert value(metrics, "mlx_gateway:request_errors_total", code="cancelled") == 1


def test_tokens_and_times(metrics):
    play(metrics)
    assert value(metrics, "vllm:prompt_tokens_total") == 70
    assert value(metrics, "vllm:generation_tokens_total") == 11
    assert value(metrics, "vllm:prefix_cache_queries_total") == 70
    assert value(metrics, "vllm:prefix_cache_hits_total") == 40
    assert value(metrics, "vllm:request_success_total", finished_reason="stop") == 1
    assert value(metrics, "vllm:request_queue_time_seconds_sum") == 1.0
    assert value(metrics, "vllm:time_to_first_token_seconds_sum") == 2.0
    assert value(metrics, "vllm:time_per_output_token_seconds_sum") == 0.5
    assert value(metrics, "vllm:e2e_request_latency_seconds_sum") == 7.0


@pytest.mark.parametrize(("kind", "direction"), [("stt", "in"), ("vlm", "in"), ("tts", "out"), (None, "in")])
def test_seconds_of_sound(kind, direction):
    metrics = Metrics(lambda model: kind if model == "chat" else None)
    play(metrics, "finished", Usage(audio_seconds=2.5))
    play(metrics, "cancelled", Usage(audio_seconds=1.0))
    assert value(metrics, "mlx_gateway:audio_seconds_total", direction=direction) == 3.5


def test_text_is_no_sound(metrics):
    play(metrics)
    assert value(metrics, "mlx_gateway:audio_seconds_total", direction="in") is None


def test_one_token_has_no_time_between_tokens(metrics):
    play(metrics, usage=Usage(completion_tokens=1))
    assert value(metrics, "vllm:time_per_output_token_seconds_count") is None


def test_a_failure_counts_its_tokens_and_not_its_time(metrics):
    play(metrics, "worker_lost")
    assert value(metrics, "mlx_gateway:request_errors_total", code="worker_lost") == 1
    assert value(metrics, "vllm:generation_tokens_total") == 11
    assert value(metrics, "vllm:e2e_request_latency_seconds_count") is None
    assert value(metrics, "vllm:request_success_total", finished_reason="worker_lost") is None


def test_workers_are_read_at_each_scrape(metrics):
    facts = [replace(READY, restarts=2, stats=Stats(0, 0, 0, 0, 0, 0, 5, 50, 60))]
    metrics.watch(lambda: facts)
    assert value(metrics, "mlx_gateway:model_ready") == 1
    assert value(metrics, "mlx_gateway:worker_restarts") == 2
    assert value(metrics, "mlx_gateway:tokens_per_second") == 12.5
    assert [value(metrics, "mlx_gateway:worker_memory_bytes", use=use) for use in ("active", "peak", "cache")] == [
        50,
        60,
        5,
    ]
    facts[0] = replace(READY, state=State.LOADING)
    assert value(metrics, "mlx_gateway:model_ready") == 0
    assert value(metrics, "mlx_gateway:worker_memory_bytes", use="active") is None


def test_two_nodes_share_nothing(metrics):
    play(metrics)
    assert value(Metrics(), "vllm:prompt_tokens_total") is None


@pytest.mark.parametrize(("level", "number"), [("normal", 0), ("tight", 1), ("critical", 2)])
def test_the_machines_memory(level, number):
    metrics = Metrics()
    metrics.watch_memory(lambda: FleetSnapshot((), pressure=level, memory=Reading(100, 40, 7)))
    text = metrics.render("")[0].decode()
    assert f"mlx_gateway:memory_pressure {number}.0" in text
    assert "mlx_gateway:memory_available_bytes 40.0" in text
    assert "mlx_gateway:swap_used_bytes 7.0" in text
