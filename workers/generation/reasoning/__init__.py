"""Where a model family keeps its thoughts: read as they are generated, closed in time."""
