"""Routes, a file per surface, and the concerns of the edge: errors, limits, SSE, disconnects."""
