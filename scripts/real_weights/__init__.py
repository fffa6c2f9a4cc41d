"""Real weights for tests/real: pinned packages fetched, converted by our own code, measured by independent engines."""
