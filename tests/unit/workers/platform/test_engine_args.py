from __future__ import annotations

from shared.spec import WorkerSpec
from workers.platform.engine_args import EngineArgs

SPEC = WorkerSpec(
    "chat", 1, "ipc://x", "org/model", max_batch=16, context=4096, sampling={"temperature": 0.5, "top_p": None}
)


def test_the_specification_in_vllms_names() -> None:
    args = EngineArgs.from_spec(SPEC)
    assert (args.model, args.served_model_name, args.max_num_seqs) == ("org/model", "chat", 16)
    assert args.override_generation_config == {"temperature": 0.5}
    assert not args.enable_prefix_caching


def test_credits_are_more_than_a_batch() -> None:
    assert EngineArgs.from_spec(SPEC).max_inflight == 20
    assert EngineArgs.from_spec(WorkerSpec("c", 1, "ipc://x", "s", max_batch=1)).max_inflight == 3


def test_the_context_is_the_smaller_of_asked_and_native() -> None:
    args = EngineArgs.from_spec(SPEC)
    assert (args.context(40960), args.context(2048)) == (4096, 2048)
    assert EngineArgs.from_spec(WorkerSpec("c", 1, "ipc://x", "s")).context(2048) == 2048


def test_a_prefix_cache_with_room_is_on() -> None:
    assert EngineArgs.from_spec(WorkerSpec("c", 1, "ipc://x", "s", prefix_cache=1)).enable_prefix_caching
