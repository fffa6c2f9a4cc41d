"""Keys and values of past prompts, so that what a prompt shares with one of them is not computed again.

A radix tree over tokens: an edge holds a run of tokens with their keys and values, so a match is exact to the token and
a shared beginning is stored once. Layers whose state can't be cut at any token (rotating windows, recurrent states) are
kept as whole checkpoints at the end of an edge; a model with such layers resumes at checkpoints only. Bounded in bytes;
the least recently used leaf goes first. Owned by the engine thread.
Idea: SGLang's RadixAttention, https://arxiv.org/abs/2312.07104
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from workers.generation.kv import KV

Span = list[KV]
"""One (keys, values) a KV layer, over the same run of tokens."""


@dataclass(slots=True, eq=False)
class _Node:
    tokens: list[int]
    span: Span
    parent: _Node | None
    children: dict[int, _Node] = field(default_factory=dict)
    checkpoint: list[Any] | None = None
    used: int = 0

    @property
    def nbytes(self) -> int:
        kept = sum(keys.nbytes + values.nbytes for keys, values in self.span)
        return kept + sum(int(cache.nbytes) for cache in self.checkpoint or [])


@dataclass(frozen=True, slots=True)
class Match:
    """The longest usable beginning: its length in tokens, its keys and values, its checkpoint."""

    length: int
    span: Span
    checkpoint: list[Any] | None = None


NO_MATCH = Match(0, [])


class PrefixCache:
    """`checkpoints`: whether this model needs them to resume."""

    def __init__(self, max_bytes: int, checkpoints: bool) -> None:
        self._max_bytes = max_bytes
        self._checkpoints = checkpoints
        self._root = _Node([], [], None)
        self._clock = 0
        self.nbytes = 0
        self.inserts = 0  # a match can only have become longer when this has grown

    def match(self, tokens: Sequence[int], limit: int) -> Match:
        """The longest stored beginning of `tokens`, at most `limit` tokens long."""
        self._clock += 1
        path, usable = self._walk(tokens, limit)
        if self._checkpoints:
            while path and (path[-1][1] < len(path[-1][0].tokens) or path[-1][0].checkpoint is None):
                path.pop()
            usable = sum(size for _, size in path)
        for node, _ in path:
            node.used = self._clock
        if not usable:
            return NO_MATCH
        pieces = [[(k[:, :, :size], v[:, :, :size]) for k, v in node.span] for node, size in path]
        return Match(usable, _join(pieces), path[-1][0].checkpoint if self._checkpoints else None)

    def insert(
        self, tokens: Sequence[int], read: Callable[[int, int], Span], checkpoint: Callable[[], list[Any]] | None = None
    ) -> None:
        """Stores what is new of `tokens`; `read(start, end)` hands out its keys and values, copied only if needed."""
        self._clock += 1
        self.inserts += 1
        tokens = list(tokens)
        path, known = self._walk(tokens, len(tokens))
        parent = self._root
        if path:
            parent, size = path[-1]
            if size < len(parent.tokens):
                parent = self._split(parent, size)
        for node, _ in path:
            node.used = self._clock
        if known < len(tokens):
            leaf = _Node(tokens[known:], _copied(read(known, len(tokens))), parent, used=self._clock)
            parent.children[tokens[known]] = leaf
            self.nbytes += leaf.nbytes
            parent = leaf
        if checkpoint is not None and parent is not self._root and parent.checkpoint is None:
            parent.checkpoint = checkpoint()
            self.nbytes += sum(int(cache.nbytes) for cache in parent.checkpoint)
        parent.used = self._clock
        self.shrink(self._max_bytes)

    def clear(self) -> None:
        self._root = _Node([], [], None)
        self.nbytes = 0

    def _walk(self, tokens: Sequence[int], limit: int) -> tuple[list[tuple[_Node, int]], int]:
        """The edges along `tokens` with how much of each is shared, and the sum."""
        path: list[tuple[_Node, int]] = []
        at, node = 0, self._root
        while at < limit and (child := node.children.get(tokens[at])) is not None:
            size = _shared(child.tokens, tokens, at, limit)
            path.append((child, size))
            at += size
            if size < len(child.tokens):
                break
            node = child
        return path, at

    def _split(self, node: _Node, size: int) -> _Node:
        """Cuts an edge after `size` tokens; returns the upper part."""
        assert node.parent is not None
        self.nbytes -= node.nbytes
        upper = _Node(
            node.tokens[:size], _copied([(k[:, :, :size], v[:, :, :size]) for k, v in node.span]), node.parent
        )
        upper.used = node.used
        node.parent.children[upper.tokens[0]] = upper
        node.tokens, node.parent = node.tokens[size:], upper
        node.span = _copied([(k[:, :, size:], v[:, :, size:]) for k, v in node.span])
        upper.children[node.tokens[0]] = node
        self.nbytes += upper.nbytes + node.nbytes
        return upper

    def shrink(self, most: int) -> None:
        """Lets the least recently used go until at most so many bytes are kept."""
        while self.nbytes > most:
            leaf = min(self._leaves(), key=lambda node: node.used)
            assert leaf.parent is not None
            del leaf.parent.children[leaf.tokens[0]]
            self.nbytes -= leaf.nbytes

    def _leaves(self) -> list[_Node]:
        leaves, stack = [], list(self._root.children.values())
        while stack:
            node = stack.pop()
            stack.extend(node.children.values())
            if not node.children:
                leaves.append(node)
        return leaves


def _shared(edge: list[int], tokens: Sequence[int], at: int, limit: int) -> int:
    """How many tokens of `edge` equal `tokens[at:limit]`; whole-slice comparison first, because it runs in C."""
    most = min(len(edge), limit - at)
    if edge[:most] == list(tokens[at : at + most]):
        return most
    return next(n for n in range(most) if edge[n] != tokens[at + n])


def _join(pieces: list[Span]) -> Span:
    if len(pieces) == 1:
        return pieces[0]
    return [
        (mx.concatenate([k for k, _ in layer], axis=2), mx.concatenate([v for _, v in layer], axis=2))
        for layer in zip(*pieces, strict=True)
    ]


def _copied(span: Span) -> Span:
    """Arrays of their own: a view would keep the whole batch's memory alive."""
    copies = [(mx.contiguous(keys), mx.contiguous(values)) for keys, values in span]
    mx.async_eval(copies)
    return copies
