"""Tool calls in each model family's own format: read as they are generated, and the grammar that guarantees them."""
