"""shared/channel: the socket's folder and the options that the wire relies on."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from shared.channel import IPC_PATH_MAX, bind_router, connect_dealer, make_endpoint
from shared.errors import ConfigError

POLL = 5000  # milliseconds; a bound for a broken test, not a wait


Socket = zmq.Socket[bytes]


@pytest.fixture
def endpoint() -> Iterator[str]:
    name, folder = make_endpoint()
    yield name
    (folder / "bus").unlink(missing_ok=True)
    folder.rmdir()


@pytest.fixture
def sockets(endpoint: str) -> Iterator[tuple[Socket, Socket]]:
    """A bound router and the dealer of `chat.1`."""
    context: zmq.Context[Socket] = zmq.Context()
    router = bind_router(context.socket(zmq.ROUTER), endpoint)
    with context, router, connect_dealer(context, endpoint, "chat.1") as dealer:
        yield router, dealer


def test_the_folder_is_private() -> None:
    endpoint, folder = make_endpoint()
    try:
        assert endpoint == f"ipc://{folder}/bus"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        folder.rmdir()


def test_a_path_too_long_for_a_socket_says_what_to_set(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * IPC_PATH_MAX)
    deep.mkdir()
    with pytest.raises(ConfigError, match="MLX_GATEWAY_RUNTIME_DIR"):
        make_endpoint(str(deep))
    assert list(deep.iterdir()) == []


def test_frames_travel_both_ways(sockets: tuple[Socket, Socket]) -> None:
    router, dealer = sockets
    dealer.send_multipart([b"hello", b"blob"])
    assert router.poll(POLL)
    assert router.recv_multipart() == [b"chat.1", b"hello", b"blob"]
    router.send_multipart([b"chat.1", b"welcome"])
    assert dealer.poll(POLL)
    assert dealer.recv_multipart() == [b"welcome"]


def test_a_frame_for_an_unknown_worker_is_an_error(sockets: tuple[Socket, Socket]) -> None:
    with pytest.raises(zmq.ZMQError) as caught:
        sockets[0].send_multipart([b"chat.2", b"x"], flags=zmq.DONTWAIT)
    assert caught.value.errno == zmq.EHOSTUNREACH


def test_nothing_is_dropped_or_waited_for(sockets: tuple[Socket, Socket]) -> None:
    for socket in sockets:
        assert [socket.getsockopt(option) for option in (zmq.SNDHWM, zmq.RCVHWM, zmq.LINGER)] == [0, 0, 0]
