"""What a dialect hands to the loader: where each piece of media is, and how much a request may bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.errors import InvalidRequest, PayloadTooLarge

Media = Literal["image", "video", "audio"]


@dataclass(frozen=True, slots=True)
class MediaSource:
    """One piece, as a URL (https, http, data) or as base64; `param` names it to the client."""

    param: str
    media: Media
    url: str | None = None
    data: str | None = None


@dataclass(slots=True)
class Allowance:
    """Bytes that the pieces of one request may have, each and together."""

    each: int
    total: int
    used: int = 0


class Piece:
    """One piece on its way: it weighs what arrives, and words its refusals without quoting what was sent."""

    def __init__(self, source: MediaSource, allowance: Allowance) -> None:
        self.source = source
        self._allowance = allowance
        self._size = 0

    def check(self, size: int) -> None:
        """Raises PayloadTooLarge when `size` more bytes would be too many."""
        param, allowance = self.source.param, self._allowance
        if self._size + size > allowance.each:
            raise PayloadTooLarge(
                f"Invalid value for '{param}': it is larger than {allowance.each} bytes.", param=param
            )
        if allowance.used + size > allowance.total:
            raise PayloadTooLarge(
                f"Invalid value for '{param}': with it the request's media are larger than {allowance.total} bytes.",
                param=param,
            )

    def take(self, size: int) -> None:
        """Counts bytes that arrived. Raises PayloadTooLarge."""
        self.check(size)
        self._size += size
        self._allowance.used += size

    def invalid(self, reason: str) -> InvalidRequest:
        return InvalidRequest(f"Invalid value for '{self.source.param}': {reason}.", param=self.source.param)
