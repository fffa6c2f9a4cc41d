from __future__ import annotations

import threading

import mlx.core as mx

from workers.platform.activity import device_activity


def test_the_device_moves_inside_an_evaluation_and_stands_still_without_one() -> None:
    seen: set[tuple[int, int, int]] = set()
    begun, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(device_activity())
            begun.set()

    watcher = threading.Thread(target=watch)
    x = mx.random.normal((256, 256))
    weights = [mx.random.normal((256, 256)) for _ in range(16)]
    mx.eval(x, weights)
    watcher.start()
    begun.wait()
    resting = len(seen)
    for weight in weights:
        x = mx.tanh(x @ weight)
    mx.eval(x)
    done.set()
    watcher.join()
    assert resting == 1
    assert len(seen) > 3
    assert device_activity() == device_activity()
