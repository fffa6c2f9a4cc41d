"""What a request's events are read from: a `Stream`, or what others make of several or around one."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

from shared.messages import Usage

E_co = TypeVar("E_co", covariant=True)


class Source(Protocol[E_co]):
    """`routing.stream.Stream` says what each of these does; a cancellation while waiting cancels the request."""

    @property
    def usage(self) -> Usage: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> E_co: ...

    async def wait(self, seconds: float, /) -> bool: ...

    async def whole(self) -> Sequence[E_co]: ...

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
