"""Anthropic's Messages API and the wire's meaning, in both directions."""
