"""Reads a multipart form into memory: nothing is written to disk, the body's limit bounds what is held.

Starlette's own parser spools files of a megabyte and more to disk, where a crash would leave them.
https://www.rfc-editor.org/rfc/rfc7578
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from shared.errors import InvalidRequest, PayloadTooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 256
MAX_TEXT = 2**20  # bytes of all text fields together


@dataclass(frozen=True, slots=True)
class Form:
    """Texts by their field's name in order of arrival; `file` is what was uploaded, None where nothing was."""

    fields: Mapping[str, list[str]]
    file: memoryview | None


async def read_form(request: Request) -> Form:
    """The form with its field `file`. Raises InvalidRequest, PayloadTooLarge."""
    collector = _Collector()
    try:
        parser = MultipartParser(_boundary(request), collector.callbacks())
        async for chunk in request.stream():
            parser.write(chunk)
    except FormParserError as error:
        raise InvalidRequest("The request body is not valid multipart/form-data.") from error
    return collector.form()


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        sent = kind.decode("latin-1")[:80] or "nothing"
        raise InvalidRequest(
            "Send this request as multipart/form-data with the sound as its field 'file'"
            f" (curl: -F file=@speech.mp3), not as {sent}.",
            param="file",
        )
    if not options.get(b"boundary"):
        raise InvalidRequest("The header Content-Type: multipart/form-data names no boundary.")
    return options[b"boundary"]


class _Collector:
    """The parser calls it with slices of its chunks; `form` tells what they made."""

    def __init__(self) -> None:
        self._fields: dict[str, list[str]] = {}
        self._file: bytearray | None = None
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._name = ""
        self._part: bytearray | None = None  # what the current part's data goes to
        self._is_text = False
        self._count = self._text_size = 0
        self._ended = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def form(self) -> Form:
        """Raises InvalidRequest for a body that ended early."""
        if not self._ended:
            raise InvalidRequest("The request body is not valid multipart/form-data: it ends early.")
        return Form(self._fields, None if self._file is None else memoryview(self._file))

    # ------------------------------------------------------------------ the parser calls
    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        self._count += 1
        if b"name" not in options:
            raise InvalidRequest("The request body is not valid multipart/form-data: a part has no name.")
        if self._count > MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields.")
        self._name = options[b"name"].decode(errors="replace")
        self._is_text = b"filename" not in options
        self._part = bytearray() if self._is_text else self._file_part()

    def _file_part(self) -> bytearray | None:
        """Where an upload goes: nowhere, if nobody asked for it."""
        if self._name != "file":
            return None
        if self._file is not None:
            raise InvalidRequest("The form has more than one field 'file'; send one sound a request.", param="file")
        self._file = bytearray()
        return self._file

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_text:
            self._text_size += end - start
            if self._text_size > MAX_TEXT:
                raise PayloadTooLarge(f"The form's texts are larger than {MAX_TEXT} bytes.", param=self._name)
        if self._part is not None:
            self._part += memoryview(data)[start:end]

    def _on_part_end(self) -> None:
        part, self._part = self._part, None
        if part is None or not self._is_text:
            return
        if self._name == "file":
            raise InvalidRequest(
                "'file' was sent as text: attach a file, with its name (curl: -F file=@speech.mp3).", param="file"
            )
        try:
            self._fields.setdefault(self._name, []).append(part.decode())
        except UnicodeDecodeError:
            raise InvalidRequest(f"'{self._name}' is not valid UTF-8.", param=self._name) from None

    def _on_end(self) -> None:
        self._ended = True
