"""A GGUF's metadata by name."""

from __future__ import annotations

from typing import Any

from gguf import GGUFReader


class Fields:
    """Reads fields when asked: vocabularies are long."""

    def __init__(self, reader: GGUFReader) -> None:
        self._reader = reader
        self.architecture: str = self["general.architecture"]

    def get(self, name: str, default: Any = None) -> Any:
        found = self._reader.get_field(name)
        return default if found is None else found.contents()

    def __getitem__(self, name: str) -> Any:
        """Raises KeyError."""
        found = self._reader.get_field(name)
        if found is None:
            raise KeyError(name)
        return found.contents()

    def own(self, name: str, default: Any = None) -> Any:
        """A field of the architecture's: `own("block_count")` is `llama.block_count`."""
        return self.get(f"{self.architecture}.{name}", default)
