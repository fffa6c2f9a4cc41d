"""Models by the names that clients use: a model's name beats an exact alias beats a glob; the longest glob wins.

`default` means the model with that alias, or the only one that can do what is asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from shared.config import ModelConfig, NodeConfig
from shared.errors import ConfigError, ModelNotFound, WrongModality
from shared.logs import get_logger
from shared.messages import Kind, Ready

log = get_logger("gateway.registry")

DEFAULT = "default"
_USES: dict[Kind, str] = {
    "llm": "chat and text generation",
    "vlm": "chat and text generation with images",
    "stt": "transcription",
    "tts": "speech synthesis",
    "embedding": "embeddings",
    "reranker": "reranking",
}
_LONGEST_NAME = 100  # characters of an unknown name that are said back


@dataclass(slots=True)
class ModelEntry:
    """One hosted model. What its worker says of it may be unknown until that is ready."""

    name: str
    config: ModelConfig
    created: int = 0  # seconds since the epoch
    kind: Kind | None = None
    context: int | None = None  # tokens
    capabilities: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    dimensions: int | None = None  # of an embedding
    aliases: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.aliases = self.config.aliases

    def can(self, kinds: Collection[Kind]) -> bool:
        """Whether it is, or may turn out to be, of one of the kinds."""
        return self.kind is None or self.kind in kinds


class Registry:
    """Owns the entries. Iterating and resolving show those that `may_use` lets through; the others don't exist."""

    def __init__(self, entries: Iterable[ModelEntry] = (), may_use: Callable[[str], bool] = lambda _: True) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._may_use = may_use

    @classmethod
    def from_config(
        cls,
        config: NodeConfig,
        detect: Callable[[Path], Kind],
        created: int = 0,
        may_use: Callable[[str], bool] = lambda _: True,
    ) -> Registry:
        """Entries of all models; `detect` reads the kind from a local folder (file IO: call at start-up)."""
        entries = (
            ModelEntry(name, model, created, kind=model.kind or _detected(name, model.source, detect))
            for name, model in config.models.items()
        )
        return cls(entries, may_use)

    def apply(self, config: NodeConfig, detect: Callable[[Path], Kind], created: int) -> None:
        """Hosts what another configuration says; what is known of a model stays while its source does."""
        before, self._entries = self._entries, {}
        for name, model in config.models.items():
            old = before.get(name)
            if old is not None and (old.config.source, old.config.kind) == (model.source, model.kind):
                old.config, old.aliases = model, model.aliases
                self._entries[name] = old
            else:
                kind = model.kind or _detected(name, model.source, detect)
                self._entries[name] = ModelEntry(name, model, created, kind=kind)

    def __iter__(self) -> Iterator[ModelEntry]:
        return (entry for entry in self._entries.values() if self._may_use(entry.name))

    def __getitem__(self, name: str) -> ModelEntry:
        return self._entries[name]

    def has(self, name: str) -> bool:
        return name in self._entries

    def kind_of(self, name: str) -> Kind | None:
        """None also for a model that is not hosted any more and still works on its last requests."""
        entry = self._entries.get(name)
        return entry.kind if entry else None

    def learn(self, name: str, ready: Ready) -> None:
        """What only the worker knows."""
        if (entry := self._entries.get(name)) is None:
            return  # it became ready while it was on its way out
        entry.kind, entry.context, entry.capabilities = ready.kind, ready.context, ready.capabilities
        entry.voices, entry.languages, entry.dimensions = ready.voices, ready.languages, ready.dimensions or None

    def resolve(self, name: str, kinds: Collection[Kind]) -> ModelEntry:
        """The model that `name` means, for work of one of `kinds`. Raises ModelNotFound or WrongModality."""
        found = self._named(name)
        for entry in found:
            if entry.can(kinds):
                return entry
        if name == DEFAULT:
            able = [entry for entry in self if entry.can(kinds)]
            if len(able) == 1:
                return able[0]
        if found:
            raise WrongModality(_unfit(name, found[0]), param="model")
        raise ModelNotFound(self._unknown(name), param="model")

    def _named(self, name: str) -> list[ModelEntry]:
        if name in self._entries and self._may_use(name):
            return [self._entries[name]]
        exact = [entry for entry in self if name in entry.aliases]
        if exact:
            return exact
        globs = [
            (len(alias), entry)
            for entry in self
            for alias in entry.aliases
            if _is_glob(alias) and fnmatchcase(name, alias)
        ]
        longest = max((length for length, _ in globs), default=0)
        return [entry for length, entry in globs if length == longest]

    def _unknown(self, name: str) -> str:
        shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
        names = [
            *(entry.name for entry in self),
            *(alias for entry in self for alias in entry.aliases if not _is_glob(alias)),
        ]
        near = difflib.get_close_matches(name[:_LONGEST_NAME], names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(f'`{other}`' for other in near)}?" if near else ""
        return f"The model `{shown}` does not exist or you do not have access to it.{hint}"


def _is_glob(alias: str) -> bool:
    return any(sign in alias for sign in "*?[")


def _unfit(name: str, entry: ModelEntry) -> str:
    alias = "" if name == entry.name else f" (`{name}` names it)"
    use = _USES[entry.kind] if entry.kind else "something else"
    return f"The model `{entry.name}`{alias} is for {use}; it can't do what this request asks for."


def _detected(name: str, source: str, detect: Callable[[Path], Kind]) -> Kind | None:
    folder = Path(source)
    if not folder.is_dir():
        return None
    try:
        return detect(folder)
    except ConfigError as error:  # the worker will say so too, and only this model is lost
        log.warning("the model's kind is unknown", model=name, error=error.message)
        return None
